import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Inexact, Int

from .._arguments import check_callable, check_instance
from .._arrays import as_integers
from ..denoiser import AbstractDenoiser, check_denoiser, check_labels, check_range


class AbstractIntegrand(eqx.Module):
    r"""A rate per unit of $\lambda$: what an estimand integrates. It is a function of what some denoisers predict from
    the same state, so that integrals that are done together call each denoiser once."""

    def __check_init__(self):
        for denoiser in self.denoisers:
            check_denoiser(denoiser, "denoiser")

    @property
    @abc.abstractmethod
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        """What the rate compares."""

    @abc.abstractmethod
    def rate(
        self,
        predictions: tuple[Inexact[Array, "*shape"], ...],
        log_snr: Float[Array, ""],
        eps: Inexact[Array, "*shape"],
    ) -> Inexact[Array, "*out"]:
        r"""The rate of one sample, from the predictions of `denoisers` at $z = \sqrt{\mathrm{sigmoid}(\lambda)}\,x +
        \sqrt{\mathrm{sigmoid}(-\lambda)}\,\varepsilon$, given $y$."""

    def limit(self, dimensions: tuple[Float[Array, ""], ...]) -> Float[Array, ""]:
        r"""The limit of the rate of one sample as $\lambda \to \infty$, in the mean over the noise. Unless it is zero,
        the integral over all noise levels is infinite and has the sign of the limit.

        **Arguments:**

        - `dimensions`: those of `denoisers` at the sample, from [`entropax.AbstractDenoiser.dimension`][].

        **Returns:** the limit; NaN where it is not known, which is the default.
        """
        del dimensions
        return jnp.full((), jnp.nan)

    @property
    def log_snr_range(self) -> tuple[float, float]:
        """Where all its denoisers can be trusted.

        **Raises:** `ValueError` where they are trusted nowhere at once.
        """
        named = [f"`log_snr_range` of {type(denoiser).__name__}" for denoiser in self.denoisers]
        lows, highs = zip(*(check_range(one.log_snr_range, name) for one, name in zip(self.denoisers, named)))
        names = ", ".join(dict.fromkeys(type(denoiser).__name__ for denoiser in self.denoisers))
        return check_range((max(lows), min(highs)), f"`log_snr_range`, where all denoisers ({names}) can be trusted,")


class AbstractLocalIntegrand(AbstractIntegrand):
    r"""A rate that is a sum over the coordinates of a sample, so that each coordinate has a share in it: see
    [`entropax.PerCoordinate`][]."""

    @abc.abstractmethod
    def density(
        self,
        predictions: tuple[Inexact[Array, "*shape"], ...],
        log_snr: Float[Array, ""],
        eps: Inexact[Array, "*shape"],
    ) -> Inexact[Array, "*shape"]:
        r"""The share of every coordinate in `rate`, which is their sum."""

    def rate(
        self,
        predictions: tuple[Inexact[Array, "*shape"], ...],
        log_snr: Float[Array, ""],
        eps: Inexact[Array, "*shape"],
    ) -> Inexact[Array, ""]:
        return jnp.sum(self.density(predictions, log_snr, eps))


class Gap(AbstractLocalIntegrand):
    r"""$\tfrac12\|\hat\varepsilon_a(z, \lambda, y) - \hat\varepsilon_b(z, \lambda, y)\|^2$: the identity that carries
    both papers integrates this.

    **Arguments:**

    - `a`, `b`: two denoisers.
    """

    a: AbstractDenoiser
    b: AbstractDenoiser

    @property
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        return self.a, self.b

    def density(self, predictions, log_snr, eps):
        a, b = predictions
        return 0.5 * (a - b) ** 2

    def limit(self, dimensions):
        a, b = dimensions
        return 0.5 * jnp.abs(_less(b, a))


class LossGap(AbstractLocalIntegrand):
    r"""$\tfrac12\|\varepsilon - \hat\varepsilon_a\|^2 - \tfrac12\|\varepsilon - \hat\varepsilon_b\|^2$: by how much $b$
    predicts the true noise better than $a$. Its mean is the [`entropax.Gap`][] where $b$ is exact, and less elsewhere.

    **Arguments:**

    - `a`: the denoiser that knows less.
    - `b`: the one that knows more.
    """

    a: AbstractDenoiser
    b: AbstractDenoiser

    @property
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        return self.a, self.b

    def density(self, predictions, log_snr, eps):
        a, b = predictions
        # (ε - a)² - (ε - b)², without the cancellation.
        return 0.5 * ((b - a) * (2 * eps - a - b))

    def limit(self, dimensions):
        a, b = dimensions
        return 0.5 * _less(a, b)


class Loss(AbstractLocalIntegrand):
    r"""$\tfrac12\|\varepsilon - \hat\varepsilon(z, \lambda, y)\|^2$: how badly the true noise is predicted. Its
    integral is finite only for discrete data, whose $-\log P(x)$ it is where the denoiser is exact.

    **Arguments:**

    - `denoiser`: the denoiser.
    """

    denoiser: AbstractDenoiser

    @property
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        return (self.denoiser,)

    def density(self, predictions, log_snr, eps):
        return 0.5 * (eps - predictions[0]) ** 2

    def limit(self, dimensions):
        return 0.5 * dimensions[0]


class ClassLosses(AbstractIntegrand):
    r"""$\tfrac12\|\varepsilon - \hat\varepsilon(z, \lambda, c)\|^2$ for every class $c$, on common noise: minus its
    integral is the class-conditional log-likelihood up to one constant.

    **Arguments:**

    - `denoiser`: a conditional denoiser.
    - `classes`: the labels, shape `(classes,)`.

    **Raises:** `ValueError` where `classes` are not integers of that shape.
    """

    denoiser: AbstractDenoiser
    classes: Int[Array, " classes"]

    def __init__(self, denoiser: AbstractDenoiser, classes: Int[ArrayLike, " classes"]):
        check_denoiser(denoiser, "denoiser")
        self.denoiser, self.classes = denoiser, as_integers(classes, "classes")
        if self.classes.ndim != 1 or not self.classes.size:
            raise ValueError(f"`classes` must have shape (classes,), one or more; got {self.classes.shape}.")

    @property
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        return (_EveryClass(self.denoiser, self.classes),)

    def rate(self, predictions, log_snr, eps):
        errors = predictions[0] - eps[None]
        return 0.5 * jnp.sum(errors**2, axis=tuple(range(1, errors.ndim)))

    def limit(self, dimensions):
        # Classes are compared with each other: one that excludes a sample is as good as another that is far away.
        return jnp.zeros_like(dimensions[0])


class _EveryClass(AbstractDenoiser):
    """The predictions under every class, along a new first axis."""

    denoiser: AbstractDenoiser
    classes: Int[Array, " classes"]

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(self, z, log_snr, y=None):
        del y
        return jax.vmap(lambda label: self.denoiser(z, log_snr, label))(self.classes)


@check_labels.register(_EveryClass)
def _(model, y, name):
    del y, name
    check_labels(model.denoiser, model.classes, "classes")


def check_prediction(denoiser: AbstractDenoiser, prediction: Array, z: Array) -> None:
    """Refuses a prediction that does not have the shape of what it was made from.

    **Raises:** `ValueError` that names the denoiser and both shapes.
    """
    shape = z.shape
    if isinstance(denoiser, _EveryClass):
        shape, denoiser = (denoiser.classes.size, *z.shape), denoiser.denoiser
    if prediction.shape != shape:
        raise ValueError(
            f"{type(denoiser).__name__} must predict noise of the shape of a sample, {z.shape}; got "
            f"{prediction.shape[len(shape) - z.ndim :]}."
        )


class Difference(AbstractLocalIntegrand):
    r"""One rate less another, on common random numbers.

    **Arguments:**

    - `first`, `second`: two integrands that are sums over coordinates.

    **Raises:** `ValueError` where one of them is none.
    """

    first: AbstractLocalIntegrand
    second: AbstractLocalIntegrand

    def __check_init__(self):
        for name in ("first", "second"):
            check_instance(name, getattr(self, name), AbstractLocalIntegrand)

    @property
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        return self.first.denoisers + self.second.denoisers

    def density(self, predictions, log_snr, eps):
        cut = len(self.first.denoisers)
        first = self.first.density(predictions[:cut], log_snr, eps)
        return first - self.second.density(predictions[cut:], log_snr, eps)

    def limit(self, dimensions):
        cut = len(self.first.denoisers)
        return _less(self.first.limit(dimensions[:cut]), self.second.limit(dimensions[cut:]))


class PerCoordinate(AbstractIntegrand):
    r"""A rate by coordinate, of the shape of a sample: the shares of which `integrand` is the sum. So are the
    integrals, because what is added beyond the range of integration follows from the sum.

    **Arguments:**

    - `integrand`: an [`entropax.AbstractLocalIntegrand`][], as [`entropax.Gap`][], [`entropax.LossGap`][],
        [`entropax.Loss`][] and [`entropax.Difference`][] are.

    **Raises:** `ValueError` where it is none.
    """

    integrand: AbstractIntegrand

    def __check_init__(self):
        if not isinstance(self.integrand, AbstractLocalIntegrand):
            raise ValueError(
                "`integrand` must be a sum over coordinates, as Gap, LossGap, Loss and Difference are; got "
                f"{type(self.integrand).__name__}."
            )

    @property
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        return self.integrand.denoisers

    def rate(self, predictions, log_snr, eps):
        assert isinstance(self.integrand, AbstractLocalIntegrand)
        return self.integrand.density(predictions, log_snr, eps)

    def limit(self, dimensions):
        """That of the sum over coordinates."""
        return self.integrand.limit(dimensions)


class Controlled(AbstractIntegrand):
    r"""A rate with a control variate whose mean is known: `integrand` − `control` + `mean`(λ).

    The rates of Gaussian denoisers depend on the data's first two moments alone, so that any Gaussian law with the
    moments of the population serves as control, whatever the data's own law: the noise that both rates share cancels.

    **Arguments:**

    - `integrand`: the rate wanted.
    - `control`: a rate like it, evaluated on the same noise.
    - `mean`: the population mean of `control` as a function of $\lambda$.

    **Raises:** `ValueError` where `integrand` or `control` is no integrand, or `mean` no function.
    """

    integrand: AbstractIntegrand
    control: AbstractIntegrand
    mean: Callable[[Array], Array]

    def __check_init__(self):
        for name in ("integrand", "control"):
            check_instance(name, getattr(self, name), AbstractIntegrand)
        check_callable("mean", self.mean, "the log-SNR")

    @property
    def denoisers(self) -> tuple[AbstractDenoiser, ...]:
        return self.integrand.denoisers + self.control.denoisers

    def rate(self, predictions, log_snr, eps):
        cut = len(self.integrand.denoisers)
        rate = self.integrand.rate(predictions[:cut], log_snr, eps)
        return rate - self.control.rate(predictions[cut:], log_snr, eps) + self.mean(log_snr)

    def limit(self, dimensions):
        # In the mean, the control is its own mean.
        return self.integrand.limit(dimensions[: len(self.integrand.denoisers)])


def _less(first: Array, second: Array) -> Array:
    """The difference of two limits, of which an infinite one decides whether the other is known or not."""
    decided = jnp.where(jnp.isinf(second) & ~jnp.isinf(first), -second, first - second)
    return jnp.where(jnp.isinf(first) & ~jnp.isinf(second), first, decided)
