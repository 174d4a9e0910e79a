import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, PRNGKeyArray, PyTree

from ..denoiser import AbstractDenoiser, Equilibrium, Unconditional
from ..integral import (
    AbstractIntegrand,
    ClassLosses,
    Controlled,
    Difference,
    Estimate,
    Gap,
    integrate,
    Integrator,
    LossGap,
    mean_of,
    Stratified,
)
from ._guard import check_mutual_information, is_discrete


class AbstractMethod(eqx.Module):
    """A way to estimate mutual information from one denoiser with and without its condition."""

    @abc.abstractmethod
    def __call__(
        self, denoiser: AbstractDenoiser, x: Array, y: PyTree, *, key: PRNGKeyArray, integrator: Integrator | None
    ) -> Estimate:
        """The estimate of I(X;Y)."""


class AbstractRateMethod(AbstractMethod):
    """A method that integrates one rate over λ."""

    @abc.abstractmethod
    def integrand(self, denoiser: AbstractDenoiser) -> AbstractIntegrand:
        """The rate."""

    def __call__(self, denoiser, x, y, *, key, integrator):
        return integrate(self.integrand(denoiser), x, y, key=key, integrator=integrator or Integrator())


class Orthogonal(AbstractRateMethod):
    r"""MINDE's form, $\tfrac12\int\mathbb{E}\|\hat\varepsilon(\cdot|y) - \hat\varepsilon\|^2\,\mathrm{d}\lambda$. Never
    negative; independent errors of the two predictions add to it, so that a network that over-trains pushes it up.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (13), (14); Franzese et al., MINDE (2024).
    """

    def integrand(self, denoiser):
        return Gap(denoiser, Unconditional(denoiser))


class EntropyDifference(AbstractRateMethod):
    r"""$S_\mathrm{NN}^{X|Y} - S_\mathrm{NN}^X$, on common noise.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (11), (52).
    """

    def integrand(self, denoiser):
        equilibrium = Equilibrium()
        return Difference(Gap(denoiser, equilibrium), Gap(Unconditional(denoiser), equilibrium))


class LossGapForm(AbstractRateMethod):
    r"""$\tfrac12\int\mathbb{E}\bigl[\|\varepsilon - \hat\varepsilon\|^2 - \|\varepsilon -
    \hat\varepsilon(\cdot|y)\|^2\bigr]\,\mathrm{d}\lambda$: the excess losses of the two predictions enter with opposite
    signs, and cancel where they are alike.

    ??? cite "Source"
        Guo, Shamai and Verdú, Mutual information and minimum mean-square error (2005).
    """

    def integrand(self, denoiser):
        return LossGap(Unconditional(denoiser), denoiser)


class Posterior(AbstractMethod):
    r"""For discrete $Y$: the diffusion classifier's posterior,

    $$I(X;Y) \ge H(Y) + \mathbb{E}\log\hat p(y|x), \qquad
      \hat p(y|x) \propto \hat p(y)\,\exp\Bigl(-\frac{1}{2\tau}\int\|\varepsilon - \hat\varepsilon(z, \lambda,
      y)\|^2\,\mathrm{d}\lambda\Bigr),$$

    on noise common to all classes. Whatever the network, this is a lower bound, and it cannot pass $H(Y)$. The
    temperature $\tau$, which allows for the noise in the likelihoods and for over-confidence, is chosen on one half of
    the samples and used on the other, so that the bound stands.

    **Arguments:**

    - `temperatures`: the values of $\tau$ to choose from; `(1.0,)` is the bare posterior.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, footnote 2; Li et al., Your diffusion model is secretly a zero-shot
        classifier (2023).
    """

    temperatures: tuple[float, ...] = tuple(float(t) for t in np.geomspace(0.5, 64.0, 43))

    def __call__(self, denoiser, x, y, *, key, integrator):
        labels = np.asarray(y)
        if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
            raise ValueError(
                "`y` must be integer labels of shape (batch,) for the posterior form; got "
                f"{labels.dtype} of shape {labels.shape}. Labels held as floats: pass y.astype(int)."
            )
        classes, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
        prior = counts / counts.sum()
        integrator = integrator or Integrator(nodes=Stratified(128))
        losses = integrate(ClassLosses(denoiser, jnp.asarray(classes)), x, key=key, integrator=integrator).pointwise
        assert losses is not None
        log_prior = jnp.asarray(np.log(prior), losses.dtype)
        own = jnp.asarray(index)[:, None]

        def log_posterior(temperature):
            posterior = jax.nn.log_softmax(log_prior - losses / temperature, -1)
            return jnp.take_along_axis(posterior, own, -1)[:, 0]

        table = jnp.stack([log_posterior(t) for t in self.temperatures])
        # The halves alternate, so that both are balanced in labels whatever the order of the samples.
        half = jnp.asarray(np.argsort(np.argsort(index, kind="stable"), kind="stable") % 2)
        scores = jnp.stack([jnp.mean(jnp.where(half == side, table, 0.0), 1) for side in (1, 0)])
        chosen = jnp.argmax(scores, 1)[half]
        pointwise = jnp.take_along_axis(table, chosen[None], 0)[0] - log_prior[own[:, 0]]
        return mean_of(pointwise)


class ControlledBy(AbstractMethod):
    r"""A method with a Gaussian control variate: its rate on the same noise for a denoiser whose rate is known.

    **Arguments:**

    - `method`: the method to use.
    - `denoiser`: the exact denoiser of a Gaussian law with the first two moments of the population.
    - `rate`: that law's exact rate of mutual information as a function of $\lambda$.
    """

    method: AbstractRateMethod
    denoiser: AbstractDenoiser
    rate: Callable[[Array], Array]

    def __call__(self, denoiser, x, y, *, key, integrator):
        controlled = Controlled(self.method.integrand(denoiser), self.method.integrand(self.denoiser), self.rate)
        return integrate(controlled, x, y, key=key, integrator=integrator or Integrator())


def mutual_information(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree,
    *,
    key: PRNGKeyArray,
    method: AbstractMethod | None = None,
    integrator: Integrator | None = None,
) -> Estimate:
    r"""The mutual information $I(X;Y)$ from one denoiser with and without its condition.

    **Arguments:**

    - `denoiser`: the model of $X|Y$ and of $X$.
    - `x`, `y`: samples that it was not fitted to; `y` holds labels (integers, shape `(batch,)`) or vectors.
    - `key`: the randomness of nodes and noise.
    - `method`: [`entropax.Orthogonal`][], [`entropax.EntropyDifference`][], [`entropax.LossGapForm`][] or
        [`entropax.Posterior`][]. Where it is not given: the posterior form for labels, which cannot pass $H(Y)$, and
        the loss gap otherwise, whose errors cancel best.
    - `integrator`: how the integral over $\lambda$ is done.

    **Returns:** an [`entropax.Estimate`][] in nats. Where it breaks $0 \le I(X;Y) \le H(Y)$ beyond its error, a
    [`entropax.BoundWarning`][] says so.

    **Raises:** `ValueError` on empty samples, lengths that do not match, and labels that are no integers.
    """
    method = method or (Posterior() if is_discrete(y) else LossGapForm())
    estimate = method(denoiser, x, y, key=key, integrator=integrator)
    check_mutual_information(estimate, y)
    return estimate
