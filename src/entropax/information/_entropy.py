import dataclasses
import inspect
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Inexact, PRNGKeyArray, PyTree

from .._arguments import check_instance, check_key
from .._arrays import plain_array
from ..denoiser import AbstractDenoiser, check_denoiser, Equilibrium, Gaussian, Product, Unconditional
from ..integral import (
    AbstractLocalIntegrand,
    as_samples,
    Estimate,
    Gap,
    integrate,
    Integrator,
    LossGap,
    Profile,
)
from ..process import AbstractProcess
from ._condition import check_given
from ._guard import warn_below


# References that are fitted to the samples themselves are fitted so many times, each time to all parts but one.
_FOLDS = 5

# Numbers per coordinate of a sample from which on a denoiser counts as large.
_LARGE = 64


def _equilibrium(process: AbstractProcess | None) -> Equilibrium:
    check_instance("process", process, (AbstractProcess, type(None)))
    return Equilibrium(1.0 if process is None else process.equilibrium_std)


def neural_entropy(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    process: AbstractProcess | None = None,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""The information that a model stores,

    $$S_\mathrm{NN} = \int_0^T \frac{\sigma^2}{2}\,\mathbb{E}\|e_\theta\|^2\,\mathrm{d}s
      = \frac12\int \mathbb{E}\|\hat\varepsilon(z, \lambda, y) - \hat\varepsilon_\mathrm{eq}(z, \lambda)\|^2\,
      \mathrm{d}\lambda.$$

    It equals the total entropy where the denoiser is exact, and may lie on either side of it where it is not.

    **Arguments:**

    - `denoiser`: the model.
    - `x`: samples that it was not fitted to, shape `(batch, *shape)`.
    - `y`: their conditions, for $S_\mathrm{NN}^{X|Y}$; without it, $S_\mathrm{NN}^X$.
    - `key`: the randomness of nodes and noise.
    - `process`: whose equilibrium to measure from; without it, $\mathcal{N}(0, I)$.
    - `integrator`: how the integral over $\lambda$ is done. For the paper's range of times give
        `Integrator(log_snr_range=process.log_snr_range(s_min))`.

    **Returns:** an [`entropax.Estimate`][] in nats, whose profile is the entropy rate.

    **Raises:** `ValueError` where the process has no equilibrium, on empty samples and lengths that do not match.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (10), (12).
    """
    return integrate(Gap(denoiser, _equilibrium(process)), x, y, key=key, integrator=integrator)


def conditional_entropy(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree,
    *,
    key: PRNGKeyArray,
    process: AbstractProcess | None = None,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""The information that a conditional model stores, $S_\mathrm{NN}^{X|Y} = \mathbb{E}_Y S_\mathrm{NN}^{X|y}$:
    [`entropax.neural_entropy`][] given $y$.

    **Arguments:**, **Returns:** as there.

    **Raises:** as there, and `ValueError` where `y` is `None`.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (10).
    """
    check_given(y)
    return neural_entropy(denoiser, x, y, key=key, process=process, integrator=integrator)


def total_entropy(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    process: AbstractProcess | None = None,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""The total entropy that the forward process produces, $S_\mathrm{tot} = \mathrm{KL}(p_d \| p_\mathrm{eq})$, from
    how much better the model predicts the noise than the equilibrium does,

    $$S_\mathrm{tot} \ge \frac12\int \mathbb{E}\bigl[\|\varepsilon - \hat\varepsilon_\mathrm{eq}\|^2 - \|\varepsilon -
      \hat\varepsilon\|^2\bigr]\,\mathrm{d}\lambda,$$

    with equality for an exact denoiser. A model cannot overstate it, beyond the error bar: this is
    $\mathbb{E}\log p_\theta/p_\mathrm{eq}$.

    **Arguments:**, **Returns:** as [`entropax.neural_entropy`][].

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (4), (7); Guo, Shamai and Verdú (2005) for the identity.
    """
    estimate = integrate(LossGap(_equilibrium(process), denoiser), x, y, key=key, integrator=integrator)
    warn_below(estimate, 0.0, "S_tot >= 0")
    return estimate


def entropy_rate(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    process: AbstractProcess | None = None,
    integrator: Integrator = Integrator(),
) -> Profile:
    r"""The rate at which neural entropy is produced along $\lambda$, $\tfrac12\mathbb{E}\|\hat\varepsilon -
    \hat\varepsilon_\mathrm{eq}\|^2$; `.in_time(process)` gives it per unit of time.

    **Arguments:** as [`entropax.neural_entropy`][].

    **Returns:** a [`entropax.Profile`][] with standard errors.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (12); drawn in its Figs. 3, 9, 10.
    """
    profile = neural_entropy(denoiser, x, y, key=key, process=process, integrator=integrator).profile
    assert profile is not None
    return profile


def kl_divergence(
    p: AbstractDenoiser,
    q: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""$\mathrm{KL}(p\|q) = \tfrac12\int\mathbb{E}_p\|\hat\varepsilon_p - \hat\varepsilon_q\|^2\,\mathrm{d}\lambda$.

    **Arguments:**

    - `p`, `q`: the denoisers of both laws.
    - `x`, `y`: samples of $p$.
    - `key`, `integrator`: as [`entropax.neural_entropy`][].

    **Returns:** an [`entropax.Estimate`][] in nats.
    """
    check_denoiser(p, "p")
    check_denoiser(q, "q")
    return integrate(Gap(p, q), x, y, key=key, integrator=integrator)


def total_correlation(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, "batch dim"],
    *,
    key: PRNGKeyArray,
    marginals: AbstractDenoiser | Callable[[np.ndarray], AbstractDenoiser] = Product.fit,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""How much the components of $X$ know of each other,

    $$\mathrm{TC}(X) = \mathrm{KL}\Bigl(p(x)\,\Big\|\,\prod_k p(x_k)\Bigr)
      = \frac12\int\mathbb{E}\|\hat\varepsilon - \hat\varepsilon_{\prod}\|^2\,\mathrm{d}\lambda.$$

    **Arguments:**

    - `denoiser`: the model of $X$.
    - `x`: samples that it was not fitted to, shape `(batch, dim)`.
    - `key`, `integrator`: as [`entropax.neural_entropy`][].
    - `marginals`: the denoiser of the product of the marginals, exact or fitted to other samples, as
        [`entropax.Product`][] and [`entropax.LearnedProduct`][] are; or a function that fits one to an array of
        samples, such as `lambda x: Histogram.fit(x, edges)`. The default fits mixtures of Gaussians. A function is
        cross-fitted: each fifth of `x` is compared with the marginals that are fitted to the others, and what the fit
        adds is taken off, $\tfrac59\,\mathbb{E}\log(q_\mathrm{all}/q_\mathrm{others})$ with $q_\mathrm{all}$ fitted
        to all of `x`, to first order in one over the number of samples. The error bar holds the fit. A denoiser that
        was fitted to `x` itself makes the estimate too large, by more than its error bar.

    **Returns:** an [`entropax.Estimate`][] in nats. Where the marginals are of a kind that $p(x_k)$ is not, it holds
    the divergence between the two as well, and is an upper bound.

    **Raises:** `ValueError` on fewer than ten samples where marginals are fitted.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (8).
    """
    return _gap_to_fitted(denoiser, marginals, "marginals", x, key=key, integrator=integrator)


def negentropy(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, "batch dim"],
    *,
    key: PRNGKeyArray,
    gaussian: Gaussian | Callable[[np.ndarray], AbstractDenoiser] = Gaussian.fit,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""How far $X$ is from Gaussian, $\mathrm{KL}\bigl(p\,\|\,\mathcal{N}(\mathbb{E}X, \mathrm{Cov} X)\bigr)$.

    **Arguments:**

    - `denoiser`, `x`, `key`, `integrator`: as [`entropax.neural_entropy`][].
    - `gaussian`: the Gaussian with the moments of the data, or a function that fits it; the default is fitted to `x`,
        by the cross-fitting of [`entropax.total_correlation`][].

    **Returns:** an [`entropax.Estimate`][] in nats.

    **Raises:** `ValueError` on fewer than ten samples where the Gaussian is fitted.
    """
    return _gap_to_fitted(denoiser, gaussian, "gaussian", x, key=key, integrator=integrator)


def _gap_to_fitted(denoiser, reference, name, x, *, key, integrator) -> Estimate:
    """The gap between a denoiser and a reference, which is cross-fitted where it comes as a function of samples."""
    check_denoiser(denoiser, "denoiser")
    check_key(key)
    x, _ = as_samples(x)
    if isinstance(reference, AbstractDenoiser):
        return integrate(Gap(denoiser, reference), x, key=key, integrator=integrator)
    if not callable(reference) or inspect.isclass(reference):
        found = reference.__name__ if inspect.isclass(reference) else type(reference).__name__
        raise ValueError(f"`{name}` must be a denoiser, or a function that fits one to samples; got {found}.")
    if len(x) < 2 * _FOLDS:
        raise ValueError(f"`x` must hold {2 * _FOLDS} samples or more to fit a reference to; got {len(x)}.")
    values = plain_array(x, "x")
    # Folds differ by one sample at most; there is none of the last index, which leaves out nothing.
    fold = np.random.default_rng(np.asarray(jr.key_data(key))).permutation(len(values)) % _FOLDS
    found = [reference(values[fold != k]) for k in range(_FOLDS + 1)]
    fitted = tuple(one for one in found if isinstance(one, AbstractDenoiser))
    if len(fitted) < len(found):
        raise ValueError(
            f"`{name}` must fit a denoiser to samples; it returned an object of {type(found[0]).__name__}."
        )
    others = _ByFold(fitted[:-1])
    rates = (Gap(Unconditional(denoiser), others), _Optimism(others, Unconditional(fitted[-1])))
    gap, optimism = integrate(rates, x, jnp.asarray(fold), key=key, integrator=integrator)
    excess = optimism * (_FOLDS / (2 * _FOLDS - 1))
    found = gap - excess
    # What one fit adds varies between samples from the same distribution: as chi-squared over twice their number, whose
    # variance is its mean over that number. No sample shows it by itself, so that all of their residuals grow.
    of_fit = jnp.sqrt(jnp.maximum(excess.value, 0.0) / len(values))
    error = jnp.hypot(found.stderr_data, of_fit)
    assert found.residuals is not None
    grown = found.residuals * (error / jnp.maximum(found.stderr_data, jnp.finfo(error.dtype).tiny))
    return dataclasses.replace(found, stderr_data=error, residuals=grown)


class _ByFold(AbstractDenoiser):
    """One denoiser for each fold, whose index is the condition."""

    folds: tuple[AbstractDenoiser, ...]

    @property
    def log_snr_range(self) -> tuple[float, float]:
        lows, highs = zip(*(denoiser.log_snr_range for denoiser in self.folds))
        return max(lows), min(highs)

    def __call__(self, z, log_snr, y=None):
        arrays, others = zip(*(eqx.partition(denoiser, eqx.is_array) for denoiser in self.folds))
        size = sum(leaf.size for leaf in jax.tree.leaves(arrays[0]))
        if size > _LARGE * z.size or any(other != others[0] for other in others):
            return jnp.stack([denoiser(z, log_snr) for denoiser in self.folds])[y]
        # A small denoiser is chosen before it predicts: memory holds one for each sample.
        chosen = jax.tree.map(lambda *leaves: jnp.stack(leaves)[y], *arrays)
        return eqx.combine(chosen, others[0])(z, log_snr)

    def dimension(self, x, y=None):
        return jnp.stack([denoiser.dimension(x) for denoiser in self.folds])[y]


class _Optimism(AbstractLocalIntegrand):
    r"""By how much more a fit to all samples predicts the noise in one of them than a fit to the other folds does.

    Let $c$ be what a fit to all $n$ samples adds to $\mathrm{KL}(p\|q)$ in the mean: half the number of its parameters
    over $n$, or the trace of a sandwich matrix where $p$ is not of the kind that is fitted. In the samples that it was
    fitted to, it is $c$ too good. Of $K$ folds, a fit to all but one adds $c/(1 - 1/K)$. This integral is the sum of
    both, of which the latter is $K/(2K - 1)$.

    ??? cite "Source"
        Takeuchi, Distribution of information statistics and criteria for adequacy of models (1976), for $c$.
    """

    others: AbstractDenoiser
    all: AbstractDenoiser

    @property
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        return self.others, self.all

    def density(self, predictions, log_snr, eps):
        return LossGap(self.others, self.all).density(predictions, log_snr, eps)

    def limit(self, dimensions):
        # Where a fit excludes a sample, the gap is infinite already.
        return jnp.zeros_like(dimensions[0])
