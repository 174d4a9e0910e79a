"""The result: a value, its error bar, and whether it has converged."""

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from .._arguments import check_positive
from ..data import SamplesWarning
from ..information import BoundWarning
from ..integral import Estimate


# The share of the departure that the best of trainings may leave, at any number of samples: what is short on laws with
# edges, whose networks stop at a finite sharpness.
_UNLEARNT = 0.03

# The error of a fit, in units of the difference between fits to all samples and to half of them, if twice the samples
# remove a third of the error. Errors of few parameters fall as 1/N, those of kernels in two columns as N^(-2/3), and in
# more columns more slowly.
MISSING = 2.0

# The same for errors that fall as N^(-1/2). With this standard error, a 95 % interval covers errors that fall as slowly
# as N^(-1/5).
_SLOW = 1 / (2**0.5 - 1)

# The likelihood that twenty superfluous parameters cost, times the number of samples.
_RESOLUTION = 10.0

# A value breaks a bound if it lies beyond it by this many standard errors, plus this number divided by that of samples:
# the cost of a single parameter, which counts if all samples have the same share and the standard error vanishes.
_BROKEN, _ROUNDING = 3.0, 2.0

# With fewer samples networks learn next to nothing, and error bars are unreliable.
_FEW = 200


class ConvergenceWarning(UserWarning):
    """More samples would move the estimate by more than its error bar of finite data."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dependence:
    r"""An estimate of a dependence by samples, in nats.

    **Arguments:**

    - `estimate`: the value. Its `stderr_data` is the error of finite data and noise, its `stderr_nodes` that of the
    fits,
        and `pointwise` has the share of each sample.
    - `gaussian`: the part that second moments of the normal scores determine, that of the Gaussian copula; for labels
        the estimate of logistic regressions, whose logits are those of Gaussians with one covariance.
    - `fitted`: the estimate by fits to all other folds, without extrapolation.
    - `halved`: the estimate by fits to half as many samples. Twice the samples are assumed to remove a third of the
        error of fits to numbers, so that `estimate` is $\mathrm{fitted} + 2\,(\mathrm{fitted} - \mathrm{halved})$, and
        half of the error of classifiers, so that it is $2\,\mathrm{fitted} - \mathrm{halved}$ for labels. A
        distribution that more samples predict worse is not extrapolated.
    - `p_value`: of independence, by derangements; `None` if the quantity has no such null hypothesis.
    - `sides`: the estimates by predicting either variable from the other, if there are two.
    - `unseen`: whether the kurtosis shows that the samples are not Gaussian, but no fit finds a departure.
    - `kinds`: the kind of each variable by its name: labels, ordered values that repeat, or continuous.
    - `bounds`: the range of the quantity for any distribution: a mutual information is not below zero, nor above the
        entropy of a discrete variable.

    **Raises:** `FloatingPointError` if the estimate is not finite.

    ??? cite "Source"
        Strong et al., Entropy and information in neural spike trains (1998), for the extrapolation.
    """

    estimate: Estimate
    gaussian: Estimate
    fitted: float
    halved: float
    p_value: float | None = None
    sides: tuple[float, ...] | None = None
    unseen: bool = False
    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    bounds: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self):
        if not math.isfinite(self.value) or not math.isfinite(self.stderr):
            raise FloatingPointError(
                f"The estimate is not finite: {self.value}, by half of the samples {self.halved}, by second moments "
                f"{float(self.gaussian.value)}. A smaller `learning_rate` of `fitting` may do."
            )

    @property
    def value(self) -> float:
        """The estimate in nats."""
        return float(self.estimate.value)

    @property
    def pointwise(self) -> Float[np.ndarray, " num"]:
        r"""Each sample's share, whose mean is `value`; of mutual information $\log p(x, y)/p(x)p(y)$."""
        return np.asarray(self.estimate.pointwise)

    @property
    def stderr_fit(self) -> float:
        r"""The standard error of the fits. Of [`entropax.dependence.CrossFitting`][] it combines 2.4 times
        $\mathrm{fitted} - \mathrm{halved}$, all that would be missing if errors fell as $N^{-1/2}$; half of the
        difference between the sides; the difference between all densities together and the one that predicts best; 3 %
        of what fits find beyond second moments; and a tenth of the correction for swaps of ranks."""
        return float(self.estimate.stderr_nodes)

    @property
    def stderr(self) -> float:
        """The standard error, of finite data, noise and fits together."""
        return float(self.estimate.stderr)

    @property
    def converged(self) -> bool:
        """Whether what the fits may miss is at most 2.4 times the error of finite data, a twentieth of the value, or
        what twenty parameters cost, whichever is largest; nothing is known to be unseen, and no bound is broken."""
        least = _RESOLUTION / len(self.pointwise)
        enough = max(float(self.estimate.stderr_data), 0.05 * abs(self.value), least)
        return self.stderr_fit <= _SLOW * enough and not self.unseen and self.broken_bound is None

    @property
    def broken_bound(self) -> float | None:
        """The bound that the value lies more than three standard errors beyond, if any."""
        for bound, beyond in zip(self.bounds, (self.bounds[0] - self.value, self.value - self.bounds[1])):
            if beyond > _BROKEN * self.stderr + _ROUNDING / len(self.pointwise):
                return bound
        return None

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        r"""The two-sided confidence interval at `level`, by the normal approximation,

        $$\hat I - q\,s \le I \le \hat I + d, \qquad d^2 = q^2\bigl(s^2 + \tfrac{2d}N\bigr),$$

        with the quantile $q$ and the standard error $s$. The upper end of a quantity that is not negative uses the
        error at that end: the log-ratio of small information has the variance $2I$, so that samples which happen to
        show too little of it also show too small an error. Without a bound at zero $d = q\,s$.

        **Raises:** `ValueError` unless `level` is between 0 and 1.

        ??? cite "Source"
            Wilson, Probable inference, the law of succession, and statistical inference (1927), for ends with the error
            that they would have.
        """
        if not 0 < level < 1:
            raise ValueError(f"`level` must be between 0 and 1; got {level}.")
        quantile = NormalDist().inv_cdf(0.5 + level / 2)
        width = quantile * self.stderr
        growth = quantile**2 / len(self.pointwise) if self.bounds[0] == 0 else 0.0
        return self.value - width, self.value + growth + math.hypot(growth, width)

    def samples_for(self, precision: float) -> int:
        r"""The number of samples that would have the standard error `precision`, in nats: $N (s / \text{precision})^2$
        for $N$ samples with the standard error $s$. The error of finite data falls as $N^{-1/2}$, and that of fits is
        assumed to fall no more slowly.

        **Raises:** `ValueError` unless `precision` is positive.
        """
        check_positive(precision=precision)
        return math.ceil(len(self.pointwise) * (self.stderr / precision) ** 2)

    def __str__(self) -> str:
        return str(self.estimate)


def stderr_of_fits(fitted: float, halved: float, sides: Sequence[float], *, alone: float, beyond: float) -> float:
    """How far cross-fitted densities may still be off.

    **Arguments:**

    - `fitted`, `halved`: by fits to all other folds, and to half as many samples.
    - `sides`: the forms of the quantity.
    - `alone`: by how much all densities together differ from the one that predicts best.
    - `beyond`: what fits find beyond second moments.
    """
    return math.hypot(_SLOW * (fitted - halved), 0.5 * (max(sides) - min(sides)), alone, _UNLEARNT * beyond)


def warn_few(num: int, name: str) -> None:
    """Warns of so few samples that there is little to learn from them."""
    if num < _FEW:
        warnings.warn(
            f"{num} samples are few: below {_FEW} the estimate of {name} is little more than that of second moments.",
            SamplesWarning,
            stacklevel=4,
        )


def warn_of_bound(dependence: Dependence, name: str, stacklevel: int = 4) -> None:
    """Warns where the estimate lies beyond a bound of the quantity."""
    bound = dependence.broken_bound
    if bound is not None:
        side = "below" if dependence.value < bound else "above"
        warnings.warn(
            f"{name} is {dependence}, {side} {bound:.3g} nats, which no distribution reaches. The fits have failed, or "
            "rows are not independent samples.",
            BoundWarning,
            stacklevel=stacklevel,
        )


def warn_unconverged(dependence: Dependence, name: str) -> None:
    """Warns where the estimate still moves with the number of samples, or would with more of them."""
    if dependence.broken_bound is not None:
        warn_of_bound(dependence, name, stacklevel=5)
    elif dependence.unseen:
        warnings.warn(
            f"The samples are not those of a Gaussian copula, and too few for a network to see how: {name} is that of "
            "second moments, and so is its error bar. More samples, or fewer columns, would tell.",
            ConvergenceWarning,
            stacklevel=4,
        )
    elif not dependence.converged:
        warnings.warn(
            f"{name} still moves with the number of samples: {dependence.halved:.3g} nats by half of them, "
            f"{dependence.fitted:.3g} by all, {dependence.value:.3g} extrapolated. More samples would tell.",
            ConvergenceWarning,
            stacklevel=4,
        )
