import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Inexact, PRNGKeyArray, PyTree

from ..denoiser import (
    AbstractDenoiser,
    change_units,
    check_denoiser,
    Equilibrium,
    Gaussian,
    IndependentGaussian,
    units_of,
)
from ..integral import as_samples, Estimate, integrate, Integrator, LossGap


def nll(
    denoiser: AbstractDenoiser,
    x: Inexact[Array | np.ndarray, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    baseline: Gaussian | Equilibrium | None = None,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""The negative log-likelihood of samples, from how much better a model predicts the noise than a Gaussian does,

    $$-\log p(x) = -\log p_G(x) - \frac12\int \mathbb{E}_\varepsilon\bigl[\|\varepsilon - \hat\varepsilon_G(z,
      \lambda)\|^2 - \|\varepsilon - \hat\varepsilon(z, \lambda, y)\|^2\bigr]\,\mathrm{d}\lambda,$$

    both on the same noise. It holds for each $x$ where the denoiser is the optimal one of a density $p$; in the mean
    over data, any other denoiser gives more than the entropy of the data, so that the value is a bound from above.

    The density is that of the coordinates that `x` comes in: of data multiplied by $a$, $-\log p$ is larger by
    $d\log a$. [`entropax.bits_per_dim`][] takes that, and the bin width of dequantised data, into account. Data on a
    grid have no density; [`entropax.discrete_nll`][] gives their probability.

    **Arguments:**

    - `denoiser`: the model.
    - `x`: samples that it was not fitted to, shape `(batch, *shape)`.
    - `y`: their conditions, for $-\log p(x|y)$; without it, $-\log p(x)$.
    - `key`: the randomness of nodes and noise.
    - `baseline`: $p_G$, which the result does not depend on, but its error does: `Gaussian.fit(x_train)` is the control
        variate that knows most. The default is the Gaussian with independent coordinates that has the mean and the
        variances of the training samples, if the model has stored them, as a model of [`entropax.fit`][] has, or
        those of an exact denoiser's distribution where they are far from 0 and 1, and $\mathcal{N}(0, I)$ otherwise.
    - `integrator`: how the integral over $\lambda$ is done.

    **Returns:** an [`entropax.Estimate`][] in nats for a whole sample, with `pointwise` of shape `(batch,)`. Its
    profile and its tails are those of the integral, so that they are negative where the model does better than the
    baseline.

    **Raises:** `ValueError` on empty samples, lengths and shapes that do not fit, and a baseline whose covariance is
    singular.

    ??? cite "Source"
        Kong, Brekelmans and Ver Steeg, Information-theoretic diffusion (2023), in the form that is exact for each
        sample on a finite range; Guo, Shamai and Verdú, Mutual information and minimum mean-square error (2005).
    """
    check_denoiser(denoiser, "denoiser")
    samples, y = as_samples(x, y)
    moments = units_of(denoiser, samples.shape[1:])
    if baseline is None and moments is not None and integrator.log_snr_range is None:
        # In units of the data, where float32 has all its digits, and noise levels are those that were trained.
        # Samples that came in float64 have digits that float32 would lose.
        own = change_units(denoiser, moments.mean, moments.scale)
        u = moments.standardise(x if isinstance(x, np.ndarray) else samples)
        own_baseline = IndependentGaussian(jnp.zeros_like(moments.mean), moments.std / moments.scale)
        estimate = _nll(own, u, y, key, own_baseline, integrator).shifted(u[0].size * math.log(moments.scale))
        return in_other_units(estimate, 1 / moments.scale)
    baseline = Equilibrium() if baseline is None else baseline
    check_denoiser(baseline, "baseline", (Gaussian, Equilibrium))
    return _nll(denoiser, samples, y, key, baseline, integrator)


def _nll(denoiser, x, y, key, baseline, integrator):
    known = -jax.vmap(baseline.log_density)(x)
    check_known(known, x)
    gap = integrate(LossGap(baseline, denoiser), x, y, key=key, integrator=integrator)
    return (-gap).shifted(known)


def check_known(known: Inexact[Array, "..."], x: Inexact[Array, "..."]) -> None:
    """Refuses samples whose density under the baseline is beyond the range of their precision."""
    finite = jnp.all(jnp.isfinite(known))
    if not isinstance(finite, Tracer) and not finite:
        raise ValueError(
            f"`x` holds entries of up to {float(jnp.max(jnp.abs(x))):.3g}, so far from the baseline that the square of "
            f"their distance is beyond the range of {x.dtype}: use the units that the model was made with."
        )


def in_other_units(estimate: Estimate, scale: float) -> Estimate:
    r"""An estimate whose profile lies along $\lambda$ of $x$, as one along $\lambda$ of $x/c$."""
    assert estimate.profile is not None
    moved = estimate.profile.log_snr + 2 * math.log(scale)
    return dataclasses.replace(estimate, profile=dataclasses.replace(estimate.profile, log_snr=moved))
