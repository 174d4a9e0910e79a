import abc
import dataclasses
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Inexact, PRNGKeyArray, PyTree

from .._arguments import check_instance, check_positive
from ..denoiser import AbstractDenoiser, check_denoiser, check_labels, Equilibrium, Unconditional
from ..integral import (
    AbstractIntegrand,
    as_samples,
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
from ..integral._infinite import warn_of_infinity, with_infinite
from ._condition import check_given, check_heard, explained
from ._guard import check_mutual_information, is_discrete, warn_below
from ._resolution import check_resolution


class AbstractMethod(eqx.Module):
    """A way to estimate mutual information from a denoiser and one that knows less."""

    @abc.abstractmethod
    def __call__(
        self,
        denoiser: AbstractDenoiser,
        x: Array,
        y: PyTree,
        *,
        key: PRNGKeyArray,
        reference: AbstractDenoiser | None,
        integrator: Integrator | None,
    ) -> Estimate:
        """The estimate of I(X;Y), or of I(X;Y|C) where a reference is given."""


class AbstractRateMethod(AbstractMethod):
    """A method that integrates one rate over λ."""

    @abc.abstractmethod
    def integrand(self, denoiser: AbstractDenoiser, reference: AbstractDenoiser) -> AbstractIntegrand:
        """The rate.

        **Arguments:**

        - `denoiser`: the denoiser that knows more.
        - `reference`: the one that knows less.
        """

    def __call__(self, denoiser, x, y, *, key, reference, integrator):
        integrand = self.integrand(denoiser, reference_or_alone(denoiser, reference))
        return integrate(integrand, x, y, key=key, integrator=integrator or Integrator())


def reference_or_alone(denoiser: AbstractDenoiser, reference: AbstractDenoiser | None) -> AbstractDenoiser:
    """What knows less than a denoiser: the reference, or the denoiser without its condition."""
    return Unconditional(denoiser) if reference is None else reference


class Orthogonal(AbstractRateMethod):
    r"""MINDE's form, $\tfrac12\int\mathbb{E}\|\hat\varepsilon(\cdot|y) - \hat\varepsilon\|^2\,\mathrm{d}\lambda$. Never
    negative; independent errors of the two predictions add to it, so that a network that over-trains pushes it up.

    Its `pointwise` is $i^o(x;y) \ge 0$, whose mean over $x$ given $y$ is $\mathrm{KL}\bigl(p(x|y)\,\|\,p(x)\bigr)$.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (13), (14); Franzese et al., MINDE (2024); Kong et al., Interpretable
        diffusion via information decomposition (2024).
    """

    def integrand(self, denoiser, reference):
        return Gap(denoiser, reference)


class EntropyDifference(AbstractRateMethod):
    r"""$S_\mathrm{NN}^{X|Y} - S_\mathrm{NN}^X$, on common noise.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (11), (52).
    """

    def integrand(self, denoiser, reference):
        equilibrium = Equilibrium()
        return Difference(Gap(denoiser, equilibrium), Gap(reference, equilibrium))


class LossGapForm(AbstractRateMethod):
    r"""$\tfrac12\int\mathbb{E}\bigl[\|\varepsilon - \hat\varepsilon\|^2 - \|\varepsilon -
    \hat\varepsilon(\cdot|y)\|^2\bigr]\,\mathrm{d}\lambda$: the excess losses of the two predictions enter with opposite
    signs, and cancel where they are alike.

    Its `pointwise` is $i^s(x;y) = \log p(x|y)/p(x)$ for each sample: unbiased, of any sign.

    ??? cite "Source"
        Guo, Shamai and Verdú, Mutual information and minimum mean-square error (2005); Kong et al., Interpretable
        diffusion via information decomposition (2024).
    """

    def integrand(self, denoiser, reference):
        return LossGap(reference, denoiser)


class Posterior(AbstractMethod):
    r"""For discrete $Y$: the diffusion classifier's posterior,

    $$I(X;Y) \ge H(Y) + \mathbb{E}\log\hat p(y|x), \qquad
      \hat p(y|x) \propto \hat p(y)\,\exp\Bigl(-\frac{1}{2\tau}\int\|\varepsilon - \hat\varepsilon(z, \lambda,
      y)\|^2\,\mathrm{d}\lambda\Bigr),$$

    on noise common to all classes. Whatever the network, this is a lower bound, and it cannot pass $H(Y)$ but by its
    error. The temperature $\tau$, which allows for the noise in the likelihoods and for over-confidence, is chosen on
    one half of the samples and used on the other, so that the bound stands.

    The logarithm of a noisy likelihood is too small in the mean. With $A$ the logarithm of the posterior, from all of
    the nodes and from two halves of them, $2A - \tfrac12(A_1 + A_2)$ is free of that to first order in one over the
    number of nodes. Nodes other than [`entropax.Stratified`][] ones are not halved but drawn twice.

    **Arguments:**

    - `temperatures`: the values of $\tau$ to choose from; `(1.0,)` is the bare posterior.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, footnote 2; Li et al., Your diffusion model is secretly a zero-shot
        classifier (2023).
    """

    temperatures: tuple[float, ...] = tuple(float(t) for t in np.geomspace(0.5, 64.0, 43))

    def __check_init__(self):
        if not isinstance(self.temperatures, tuple) or not self.temperatures:
            raise ValueError(f"`temperatures` must be a tuple of one number or more; got {self.temperatures!r}.")
        for temperature in self.temperatures:
            check_positive(temperatures=temperature)

    def __call__(self, denoiser, x, y, *, key, reference, integrator):
        if reference is not None:
            raise ValueError(
                "`reference` has no place in the posterior form (`Posterior`), which is for I(X;Y) of labels and asks "
                "one denoiser alone; give `method` as `LossGapForm()` or `Orthogonal()`."
            )
        labels = np.asarray(y)
        if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
            raise ValueError(
                "`y` must be integer labels of shape (batch,) for the posterior form; got "
                f"{labels.dtype} of shape {labels.shape}. Labels held as floats: pass y.astype(int)."
            )
        classes, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
        prior = counts / counts.sum()
        integrator = _halved(integrator or Integrator(nodes=Stratified(128)))
        integrand = ClassLosses(denoiser, jnp.asarray(classes))
        halves = [integrate(integrand, x, key=half, integrator=integrator).pointwise for half in jr.split(key)]
        assert halves[0] is not None and halves[1] is not None
        log_prior = jnp.asarray(np.log(prior), x.dtype)
        own = jnp.asarray(index)
        temperatures = jnp.asarray(self.temperatures, x.dtype)
        first, second = (_log_posteriors(log_prior, losses, own, temperatures) for losses in halves)
        both = _log_posteriors(log_prior, 0.5 * (halves[0] + halves[1]), own, temperatures)
        # The logarithm is concave: noise in the losses lowers its mean, in proportion to one over the number of nodes,
        # and by twice as much with half of the nodes.
        table = 2 * both - 0.5 * (first + second)
        # The halves alternate, so that both are balanced in labels whatever the order of the samples.
        half = jnp.asarray(np.argsort(np.argsort(index, kind="stable"), kind="stable") % 2)
        scores = jnp.stack([jnp.mean(jnp.where(half[None] == side, table, 0.0), 1) for side in (1, 0)])
        chosen = jnp.argmax(scores, 1)[half]
        pointwise = jnp.take_along_axis(table, chosen[None], 0)[0] - log_prior[own]
        # The losses of an excluded class are finite on a finite range; the logarithm of its probability is not.
        excluded = -jnp.isinf(jax.vmap(denoiser.dimension)(x, y)).astype(x.dtype)
        warn_of_infinity("The estimate is infinite: the logarithm of the posterior", [denoiser], excluded, x, y)
        return with_infinite(mean_of(pointwise), excluded)


class ControlledBy(AbstractMethod):
    r"""A method with a Gaussian control variate: its rate on the same noise for a denoiser whose rate is known.

    **Arguments:**

    - `method`: the method to use.
    - `denoiser`: the exact denoiser of a Gaussian law with the first two moments of the population.
    - `rate`: that law's exact rate of mutual information as a function of $\lambda$.
    - `reference`: the exact denoiser of the same law that knows less, to which `rate` belongs; `denoiser` without its
        condition where it is not given. [`entropax.mutual_information`][] with a reference wants this one too.
    """

    method: AbstractRateMethod
    denoiser: AbstractDenoiser
    rate: Callable[[Array], Array]
    reference: AbstractDenoiser | None = None

    def __check_init__(self):
        check_instance("method", self.method, AbstractRateMethod)
        check_denoiser(self.denoiser, "denoiser")
        check_denoiser(self.reference, "reference", (AbstractDenoiser, type(None)))
        if not callable(self.rate):
            raise ValueError(f"`rate` must be a function of the log-SNR; got {self.rate!r}.")

    def __call__(self, denoiser, x, y, *, key, reference, integrator):
        if reference is not None and self.reference is None:
            raise ValueError(
                "`reference` is given for the denoiser, but not for the control variate; give "
                "`ControlledBy(method, denoiser, rate, reference)` the exact denoiser of its law that knows less."
            )
        wanted = self.method.integrand(denoiser, reference_or_alone(denoiser, reference))
        control = self.method.integrand(self.denoiser, reference_or_alone(self.denoiser, self.reference))
        controlled = Controlled(wanted, control, self.rate)
        return integrate(controlled, x, y, key=key, integrator=integrator or Integrator())


def mutual_information(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree,
    *,
    key: PRNGKeyArray,
    reference: AbstractDenoiser | None = None,
    method: AbstractMethod | None = None,
    integrator: Integrator | None = None,
) -> Estimate:
    r"""The mutual information $I(X;Y)$ from one denoiser with and without its condition, or $I(X;Y|C)$ from a denoiser
    of $X$ given $Y$ and $C$ and a reference that knows $C$ alone.

    **Arguments:**

    - `denoiser`: the model of $X|Y$ and of $X$.
    - `x`, `y`: samples that it was not fitted to; `y` holds labels (integers, shape `(batch,)`) or vectors, or a pytree
        of them.
    - `key`: the randomness of nodes and noise.
    - `reference`: the denoiser that knows less. Where it is not given, `Unconditional(denoiser)`, and the value is
        $I(X;Y)$. With `y=(y, c)` and a denoiser of $X$ given $C$, such as `Given(model, lambda y: (None, y[1]))`, it is
        $I(X;Y|C)$.
    - `method`: [`entropax.Orthogonal`][], [`entropax.EntropyDifference`][], [`entropax.LossGapForm`][] or
        [`entropax.Posterior`][]. Where it is not given: the posterior form for labels without a reference, which cannot
        pass $H(Y)$, and the loss gap otherwise, whose errors cancel best.
    - `integrator`: how the integral over $\lambda$ is done.

    **Returns:** an [`entropax.Estimate`][] in nats. Where it breaks $0 \le I(X;Y) \le H(Y)$ beyond its error, with a
    reference $0 \le I(X;Y|C)$, a [`entropax.BoundWarning`][] says so; the bounds are those of samples of the joint law,
    not of any that one may choose. Where `y` decides `x` more finely than the least noise that the integral goes to, a
    [`entropax.TruncationWarning`][] says how much is above it by second moments.

    `pointwise`, of shape `(batch,)`, takes it apart by sample. By [`entropax.LossGapForm`][] it is the log-ratio
    $i^s(x;y) = \log p(x|y)/p(x)$, unbiased for each sample and of any sign; by [`entropax.Orthogonal`][] it is
    $i^o(x;y) \ge 0$, another quantity for each sample. The mean over $x$ given $y$ of either is
    $\mathrm{KL}\bigl(p(x|y)\,\|\,p(x)\bigr)$. With a reference all of these densities are given $c$ too.
    [`entropax.information_map`][] takes it apart by coordinate.

    **Raises:** `ValueError` on samples that are empty or not finite, a `y` that is `None`, of another length or of
    another kind than the model's, a denoiser that makes no prediction without a condition or the same one with and
    without it, labels that are no integers, and a reference for the posterior form.

    ??? cite "Source"
        Kong et al., Interpretable diffusion via information decomposition (2024), for the information of each sample.
    """
    check_given(y)
    check_denoiser(denoiser, "denoiser")
    check_denoiser(reference, "reference", (AbstractDenoiser, type(None)))
    check_instance("method", method, (AbstractMethod, type(None)))
    check_instance("integrator", integrator, (Integrator, type(None)))
    x, y = as_samples(x, y)
    check_labels(denoiser, y, "y")
    method = method or (Posterior() if is_discrete(y) and reference is None else LossGapForm())
    with explained(denoiser, reference, x, y):
        estimate = method(denoiser, x, y, key=key, reference=reference, integrator=integrator)
    # The control variate's own information is in each sample's.
    alone = None if isinstance(method, ControlledBy) else estimate.pointwise
    check_heard(alone, denoiser, reference, x, y)
    if reference is None:
        check_mutual_information(estimate, y)
        high = denoiser.log_snr_range[1]
        if integrator is not None and integrator.log_snr_range is not None:
            high = min(high, integrator.log_snr_range[1])
        if math.isfinite(high):
            check_resolution(estimate, x, y, high)
    else:
        # H(Y|C), the bound from above, is not known.
        warn_below(estimate, 0.0, "I(X;Y|C) >= 0")
    return estimate


def _halved(integrator: Integrator) -> Integrator:
    """The integrator with half of its nodes, where they can be divided."""
    nodes = integrator.nodes
    if not isinstance(nodes, Stratified):
        return integrator
    return dataclasses.replace(integrator, nodes=dataclasses.replace(nodes, num=(nodes.num + 1) // 2))


@jax.jit
def _log_posteriors(log_prior, losses, labels, temperatures):
    """Of each sample's own label, a row for each temperature."""

    def at(temperature):
        posterior = jax.nn.log_softmax(log_prior[None] - losses / temperature, -1)
        return jnp.take_along_axis(posterior, labels[:, None], -1)[:, 0]

    return jax.lax.map(at, temperatures)
