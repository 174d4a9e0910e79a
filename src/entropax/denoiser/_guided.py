import abc
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._arguments import as_sequence, check_callable
from ._base import AbstractDenoiser, check_denoiser
from ._guidance_weights import as_scalar, as_weight, known, weight_at
from ._labels import check_labels, selected
from ._predictions import predictions


class AbstractGuided(AbstractDenoiser):
    r"""A denoiser that goes beyond the conditional prediction of another one, away from a prediction that knows less.
    To add one, subclass this and state `both` and `log_snr_range`."""

    @abc.abstractmethod
    def both(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        """The prediction that it starts from and the guided one, with no more evaluations than the second needs.

        **Arguments:** as a denoiser's.

        **Returns:** the two predictions, each of the shape of `z`.
        """

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        return self.both(z, log_snr, y)[1]


class Guided(AbstractGuided):
    r"""Classifier-free guidance: a denoiser that makes more of its condition,

    $$\hat\varepsilon_w(z, \lambda, y) = \hat\varepsilon(z, \lambda, y) + w(\lambda)\bigl(\hat\varepsilon(z, \lambda, y)
      - \hat\varepsilon_\mathrm{ref}(z, \lambda, y)\bigr).$$

    $w = 0$ is the conditional model, $w = -1$ the reference. The guidance scale of other codes, 1 for the conditional
    model, is $1 + w$.

    Where the reference is the same denoiser without its condition, the score is that of $p_\lambda(z|y)^{1+w} /
    p_\lambda(z)^w$. No diffusion process has these for its marginals: what is sampled is another law than that ratio at
    $\lambda = \infty$. Its density along the probability flow is what [`entropax.log_density`][] returns.

    **Arguments:**

    - `denoiser`: the model, trained with and without its condition.
    - `weight`: $w$, a number, a scalar array or a function of $\lambda$ such as [`entropax.Interval`][]. A number
        becomes an array: code that was compiled for one weight serves all, and the weight may be traced, mapped over
        and differentiated by.
    - `reference`: a denoiser that knows less; the same one without its condition where it is not given. A weaker model,
        smaller or less trained, makes it autoguidance, which needs no condition;
        `Conditioned(denoiser, y)` makes it guidance away from that `y`, a negative prompt.

    **Raises:** `ValueError` for a weight that is no scalar or not finite, and denoisers that are trusted nowhere at
    once; when called, for `y=None` where there is no `reference`, a denoiser that makes no prediction without a
    condition, and predictions that do not have the shape of the state.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (16), (51); Ho and Salimans, Classifier-free diffusion guidance
        (2022); Karras et al., Guiding a diffusion model with a bad version of itself (2024).
    """

    denoiser: AbstractDenoiser
    weight: Float[Array, ""] | Callable[[Array], ArrayLike]
    reference: AbstractDenoiser | None

    def __init__(
        self,
        denoiser: AbstractDenoiser,
        weight: ArrayLike | Callable[[Array], ArrayLike],
        reference: AbstractDenoiser | None = None,
    ):
        check_denoiser(denoiser, "denoiser")
        check_denoiser(reference, "reference", (AbstractDenoiser, type(None)))
        self.denoiser = denoiser
        self.weight = as_weight(weight, "weight")
        self.reference = reference
        low, high = self.log_snr_range
        if reference is not None and not low < high:
            raise ValueError(
                "`reference` must be trusted where `denoiser` is; their ranges of log-SNR are "
                f"{reference.log_snr_range} and {denoiser.log_snr_range}."
            )

    @property
    def log_snr_range(self) -> tuple[float, float]:
        if self.reference is None:
            return self.denoiser.log_snr_range
        (low, high), (other_low, other_high) = self.denoiser.log_snr_range, self.reference.log_snr_range
        return max(low, other_low), min(high, other_high)

    def both(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        if self.reference is not None:
            conditional = _checked(self.denoiser(z, log_snr, y), z, "denoiser")
            reference = _checked(self.reference(z, log_snr, y), z, "reference")
        elif y is not None:
            conditional, reference = _with_null(self.denoiser, z, log_snr, (y,))
        else:
            raise ValueError(
                "`y` must be given to guide by; got None, under which the model and its reference are one. Give `y`, "
                "or make Guided with a `reference` that knows less. Where predictions with and without `y` are "
                "compared, give the model that is guided instead."
            )
        weight = weight_at(self.weight, log_snr).astype(z.dtype)
        return conditional, conditional + weight * (conditional - reference)


class Composed(AbstractGuided):
    r"""Composable diffusion: guidance by several conditions at once, each with a weight of its own,

    $$\hat\varepsilon_w(z, \lambda, y) = \hat\varepsilon(z, \lambda) + \sum_i \bigl(1 + w_i(\lambda)\bigr)
      \bigl(\hat\varepsilon(z, \lambda, y_i) - \hat\varepsilon(z, \lambda)\bigr), \qquad
      y_i = \mathrm{select}_i(y).$$

    With $w = 0$ the score is that of $p_\lambda(z)\prod_i p_\lambda(z|y_i)/p_\lambda(z)$, the posterior given all of
    them where they are independent given $z$. Of one part, the whole condition, it is [`entropax.Guided`][].

    **Arguments:**

    - `denoiser`: the model, trained with each of the conditions and without any.
    - `selects`: what makes the conditions of `y`: functions of it, or modules, as in [`entropax.Given`][].
    - `weights`: $w_i$, each as in [`entropax.Guided`][].

    **Raises:** `ValueError` where there are no parts or lengths differ, for weights as in [`entropax.Guided`][]; when
    called, for `y=None`, a denoiser that makes no prediction without a condition, and predictions that do not have the
    shape of the state.

    ??? cite "Source"
        Liu et al., Compositional visual generation with composable diffusion models (2022), whose weights are
        $1 + w_i$.
    """

    denoiser: AbstractDenoiser
    selects: tuple[Callable[[PyTree], PyTree], ...]
    weights: tuple[Float[Array, ""] | Callable[[Array], ArrayLike], ...]

    def __init__(
        self,
        denoiser: AbstractDenoiser,
        selects: Sequence[Callable[[PyTree], PyTree]],
        weights: Sequence[ArrayLike | Callable[[Array], ArrayLike]],
    ):
        check_denoiser(denoiser, "denoiser")
        selects = as_sequence("selects", selects, "functions of the condition")
        weights = as_sequence("weights", weights, "numbers or functions of the log-SNR")
        for place, select in enumerate(selects):
            check_callable(f"selects[{place}]", select, "the condition")
        if len(selects) < 1 or len(selects) != len(weights):
            raise ValueError(
                f"`selects` and `weights` must be of one length, at least 1; got {len(selects)} and {len(weights)}."
            )
        self.denoiser = denoiser
        self.selects = selects
        self.weights = tuple(as_weight(weight, f"weights[{i}]") for i, weight in enumerate(weights))

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def both(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        if y is None:
            raise ValueError("`y` must be given to select conditions from; got None.")
        conditions = tuple(select(y) for select in self.selects)
        *conditional, alone = _with_null(self.denoiser, z, log_snr, conditions)
        shifts = [prediction - alone for prediction in conditional]
        weights = [weight_at(weight, log_snr).astype(z.dtype) for weight in self.weights]
        composed = alone + sum(shifts)
        return composed, composed + sum(weight * shift for weight, shift in zip(weights, shifts))


class Rescaled(AbstractDenoiser):
    r"""A guided prediction with the spread of the conditional one: with standard deviations over the coordinates of the
    sample,

    $$\hat\varepsilon = \varphi\,\frac{\mathrm{std}(\hat\varepsilon_\mathrm{cond})}{\mathrm{std}(\hat\varepsilon_w)}\,
      \hat\varepsilon_w + (1 - \varphi)\,\hat\varepsilon_w.$$

    Large weights blow predictions up, and images come out over-exposed. This costs no evaluation beyond those of
    `guided`.

    **Arguments:**

    - `guided`: an [`entropax.Guided`][] or [`entropax.Composed`][] denoiser; of the latter the prediction of weights 0
        counts as the conditional one.
    - `amount`: $\varphi$, between 0 and 1; an array may be traced.

    **Raises:** `ValueError` where `amount` is no scalar in [0, 1]; when called, for samples of one coordinate, which
    have no spread.

    ??? cite "Source"
        Lin et al., Common diffusion noise schedules and sample steps are flawed (2024), Eqs. (15), (16).
    """

    guided: AbstractGuided
    amount: Float[Array, ""]

    def __init__(self, guided: AbstractGuided, amount: ArrayLike):
        check_denoiser(guided, "guided", AbstractGuided)
        self.guided = guided
        self.amount = as_scalar(amount, "amount")
        number = known(amount)
        if number is not None and not 0 <= number <= 1:
            raise ValueError(f"`amount` must be between 0 and 1; got {number}.")

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.guided.log_snr_range

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        if z.size < 2:
            raise ValueError(
                f"`z` must have at least two coordinates, to have a spread; got shape {z.shape}. Leave Rescaled out."
            )
        conditional, guided = self.guided.both(z, log_snr, y)
        wanted, found = jnp.var(conditional), jnp.var(guided)
        # Equal coordinates cannot be spread, whatever the factor.
        spread = found > 0
        ratio = jnp.where(spread, wanted, 1.0) / jnp.where(spread, found, 1.0)
        amount = self.amount.astype(z.dtype)
        return (amount * jnp.sqrt(ratio) + (1 - amount)) * guided


def _with_null(denoiser, z, log_snr, conditions):
    """The predictions under conditions and, last, under none."""
    try:
        found = predictions(denoiser, z, log_snr, (*conditions, None))
    except Exception:
        # What is wrong with a condition is said as it is; only then is the lack of one to blame.
        jax.eval_shape(lambda z, log_snr: [denoiser(z, log_snr, y) for y in conditions], z, log_snr)
        try:
            jax.eval_shape(lambda z, log_snr: denoiser(z, log_snr, None), z, log_snr)
        except Exception as cause:
            raise ValueError(
                f"`denoiser`, {type(denoiser).__name__}, makes no prediction without a condition, `y=None`, to guide "
                "away from. Train it with and without (`unconditional` > 0, as `ex.fit` does), or give Guided a "
                "`reference=`."
            ) from cause
        raise
    return tuple(_checked(prediction, z, "denoiser") for prediction in found)


def _checked(prediction, z, name):
    if prediction.shape != z.shape:
        raise ValueError(
            f"`{name}` must predict noise of the shape of the state, {z.shape}; it predicts {prediction.shape}."
        )
    return prediction


@check_labels.register(Composed)
def _(model, y, name):
    if y is not None:
        for select in model.selects:
            check_labels(model.denoiser, selected(select, y), name)
