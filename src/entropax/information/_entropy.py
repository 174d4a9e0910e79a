from jaxtyping import Array, Inexact, PRNGKeyArray, PyTree

from .._arguments import check_instance
from ..denoiser import AbstractDenoiser, check_denoiser, Equilibrium, Gaussian, Product
from ..integral import as_samples, Estimate, Gap, integrate, Integrator, LossGap, Profile
from ..process import AbstractProcess
from ._condition import check_given
from ._guard import warn_below


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
    marginals: AbstractDenoiser | None = None,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""How much the components of $X$ know of each other,

    $$\mathrm{TC}(X) = \mathrm{KL}\Bigl(p(x)\,\Big\|\,\prod_k p(x_k)\Bigr)
      = \frac12\int\mathbb{E}\|\hat\varepsilon - \hat\varepsilon_{\prod}\|^2\,\mathrm{d}\lambda.$$

    **Arguments:**

    - `denoiser`: the model of $X$.
    - `x`: samples that it was not fitted to, shape `(batch, dim)`.
    - `key`, `integrator`: as [`entropax.neural_entropy`][].
    - `marginals`: the denoiser of the product of the marginals: exact, [`entropax.Product`][] of mixtures (fitted to
        `x` where it is not given), or [`entropax.LearnedProduct`][].

    **Returns:** an [`entropax.Estimate`][] in nats.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (8).
    """
    check_denoiser(denoiser, "denoiser")
    x, _ = as_samples(x)
    marginals = Product.fit(x) if marginals is None else marginals
    check_denoiser(marginals, "marginals")
    return integrate(Gap(denoiser, marginals), x, key=key, integrator=integrator)


def negentropy(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, "batch dim"],
    *,
    key: PRNGKeyArray,
    gaussian: Gaussian | None = None,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""How far $X$ is from Gaussian, $\mathrm{KL}\bigl(p\,\|\,\mathcal{N}(\mathbb{E}X, \mathrm{Cov} X)\bigr)$.

    **Arguments:**

    - `denoiser`, `x`, `key`, `integrator`: as [`entropax.neural_entropy`][].
    - `gaussian`: the Gaussian with the moments of the data; those of `x` where it is not given.

    **Returns:** an [`entropax.Estimate`][] in nats.
    """
    check_denoiser(denoiser, "denoiser")
    x, _ = as_samples(x)
    gaussian = Gaussian.fit(x) if gaussian is None else gaussian
    check_denoiser(gaussian, "gaussian")
    return integrate(Gap(denoiser, gaussian), x, key=key, integrator=integrator)
