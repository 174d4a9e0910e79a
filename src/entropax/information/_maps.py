import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, PRNGKeyArray, PyTree

from ..denoiser import AbstractDenoiser, change_units, check_denoiser, Equilibrium, IndependentGaussian, units_of
from ..integral import as_samples, Estimate, integrate, Integrator, LossGap, PerCoordinate
from ._condition import check_given, check_heard, explained
from ._likelihood import check_known, in_other_units
from ._mutual_information import AbstractMethod, AbstractRateMethod, Orthogonal, reference_or_alone


def information_map(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree,
    *,
    key: PRNGKeyArray,
    reference: AbstractDenoiser | None = None,
    method: AbstractMethod = Orthogonal(),
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""Mutual information by coordinate (of an image, by pixel): by the orthogonal form

    $$i_j^o(x;y) = \frac12\int\mathbb{E}_\varepsilon\bigl(\hat\varepsilon_j(z, \lambda, y) -
      \hat\varepsilon_j(z, \lambda)\bigr)^2\,\mathrm{d}\lambda \ge 0, \qquad
      \sum_j \mathbb{E}\,i_j^o(x;y) = I(X;Y),$$

    where in $x$ the information on $y$ is; by the loss gap, how $\log p(x|y)/p(x)$ is made up, with any sign.

    **Arguments:**

    - `denoiser`: the model of $X|Y$ and of $X$.
    - `x`, `y`: samples that it was not fitted to, as in [`entropax.mutual_information`][].
    - `key`: the randomness of nodes and noise.
    - `reference`: the denoiser that knows less, as there: for the map of $I(X;Y|C)$.
    - `method`: [`entropax.Orthogonal`][], [`entropax.EntropyDifference`][] or [`entropax.LossGapForm`][].
    - `integrator`: how the integral over $\lambda$ is done.

    **Returns:** an [`entropax.Estimate`][] in nats, `value` of shape `shape`, `pointwise` of shape `(batch, *shape)`: a
    map for each sample, as noisy as one sample's nodes leave it. Repeat a sample along the batch for a finer one. The
    sum over coordinates, [`entropax.Estimate.sum`][], is the mutual information by the same method, on the same noise
    where the key is the same. Maps being drawn for samples of one's choice, no bound is held against it.

    **Raises:** `ValueError` on a method that integrates no rate of its own ([`entropax.Posterior`][],
    [`entropax.ControlledBy`][]), and as [`entropax.mutual_information`][].

    ??? cite "Source"
        Kong et al., Interpretable diffusion via information decomposition (2024).
    """
    check_given(y)
    check_denoiser(denoiser, "denoiser")
    check_denoiser(reference, "reference", (AbstractDenoiser, type(None)))
    if not isinstance(method, AbstractRateMethod):
        raise ValueError(
            "`method` must integrate a rate that has a share for each coordinate, as Orthogonal, EntropyDifference and "
            f"LossGapForm do; got {type(method).__name__}."
        )
    x, y = as_samples(x, y)
    with explained(denoiser, reference, x, y):
        integrand = PerCoordinate(method.integrand(denoiser, reference_or_alone(denoiser, reference)))
        estimate = integrate(integrand, x, y, key=key, integrator=integrator)
    check_heard(estimate.pointwise, denoiser, reference, x, y)
    return estimate


def nll_map(
    denoiser: AbstractDenoiser,
    x: Inexact[Array | np.ndarray, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""The negative log-likelihood by coordinate (of an image, by pixel),

    $$\ell_j(x) = -\log\mathcal{N}(x_j; 0, 1) - \frac12\int\mathbb{E}_\varepsilon\bigl[(\varepsilon -
      \hat\varepsilon_\mathrm{eq}(z, \lambda))_j^2 - (\varepsilon - \hat\varepsilon(z, \lambda, y))_j^2\bigr]\,
      \mathrm{d}\lambda, \qquad \sum_j \ell_j(x) = -\log p(x).$$

    Any other baseline with independent coordinates gives the same map: the two terms it enters by cancel in each.

    **Arguments:** as [`entropax.nll`][], whose default baseline is used here.

    **Returns:** an [`entropax.Estimate`][] in nats, `value` of shape `shape`, `pointwise` of shape `(batch, *shape)`.
    The sum over coordinates, [`entropax.Estimate.sum`][], is [`entropax.nll`][] with the same key.

    **Raises:** `ValueError` on empty samples, and lengths and shapes that do not fit.

    ??? cite "Source"
        Kong, Brekelmans and Ver Steeg, Information-theoretic diffusion (2023); Kong et al., Interpretable diffusion via
        information decomposition (2024).
    """
    samples, y = as_samples(x, y)
    moments = units_of(denoiser, samples.shape[1:])
    if moments is not None and integrator.log_snr_range is None:
        own = change_units(denoiser, moments.mean, moments.scale)
        u = moments.standardise(x if isinstance(x, np.ndarray) else samples)
        own_baseline = IndependentGaussian(jnp.zeros_like(moments.mean), moments.std / moments.scale)
        known = math.log(moments.scale) - jax.vmap(own_baseline.log_densities)(u)
        gap = integrate(PerCoordinate(LossGap(own_baseline, own)), u, y, key=key, integrator=integrator)
        return in_other_units((-gap).shifted(known), 1 / moments.scale)
    x = samples
    baseline = Equilibrium()
    known = -jnp.vectorize(baseline.log_density)(x)
    check_known(known, x)
    gap = integrate(PerCoordinate(LossGap(baseline, denoiser)), x, y, key=key, integrator=integrator)
    return (-gap).shifted(known)
