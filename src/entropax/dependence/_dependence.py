import dataclasses
import math
import warnings
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from ..data import SamplesWarning
from ..integral import Estimate


# The share of the departure that the best of trainings may leave, at any number of samples: what is short on laws with
# edges, whose networks stop at a finite sharpness.
_UNLEARNT = 0.03

# What is missing of a fit whose error falls as N^(-1/2), by what half as many samples lack beside all of them. With as
# much for a standard error, an interval of 95 % holds what is missing where errors fall as slowly as N^(-1/4).
_SLOW = 1 / (2**0.5 - 1)


# Below this many samples networks learn next to nothing, and the error bars are as coarse.
_FEW = 200


class ConvergenceWarning(UserWarning):
    """More samples would move the estimate by more than its error bar of finite data."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dependence:
    r"""What samples tell of a dependence, in nats.

    **Arguments:**

    - `estimate`: its value, with the error of finite data and noise; `pointwise` has each sample's share.
    - `gaussian`: what second moments of the normal scores know of it: the Gaussian copula's; of labels, what logistic
        regression does, whose logits are those of Gaussians with one covariance.
    - `fitted`: what networks on all other folds find.
    - `halved`: what networks on half as many samples find. The error of fits falls as one over the number of samples,
        so that `estimate` is $2\,\mathrm{fitted} - \mathrm{halved}$.
    - `p_value`: of no dependence at all, by derangements; `None` where it has no such null.
    - `sides`: the estimates by either variable's prediction from the other, where there are two.
    - `unseen`: whether the samples are not Gaussian, by their kurtosis, and yet too few for a network to see how.

    **Raises:** `FloatingPointError` where the estimate is not finite.

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
        r"""How far the fits may still be off: by 2.4 times what the extrapolation adds, which is all that would be
        missing if their error fell as $N^{-1/2}$, not $N^{-1}$; half of what the sides differ by; and three hundredths
        of what networks find beyond second moments."""
        departure = self.value - float(self.gaussian.value)
        return math.hypot(_SLOW * (self.fitted - self.halved), self._apart, _UNLEARNT * departure)

    @property
    def _apart(self) -> float:
        return 0.0 if self.sides is None else 0.5 * (max(self.sides) - min(self.sides))

    @property
    def stderr(self) -> float:
        """The standard error: finite data, noise and fit."""
        return math.hypot(float(self.estimate.stderr), self.stderr_fit)

    @property
    def converged(self) -> bool:
        """Whether what the extrapolation adds, with half of what the sides differ by, is no more than the error of
        finite data, or a twentieth of the value, and nothing is known to be unseen."""
        moves = math.hypot(self.fitted - self.halved, self._apart)
        return not self.unseen and moves <= max(float(self.estimate.stderr), 0.05 * abs(self.value))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided confidence interval at `level`, by the normal approximation.

        **Raises:** `ValueError` unless `level` is between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"`level` must be between 0 and 1; got {level}.")
        width = NormalDist().inv_cdf(0.5 + level / 2) * self.stderr
        return self.value - width, self.value + width

    def __str__(self) -> str:
        digits = max(0, 1 - math.floor(math.log10(self.stderr))) if self.stderr > 0 else 3
        return f"{self.value:.{digits}f} ± {self.stderr:.{digits}f} nats"


def warn_few(num: int, name: str) -> None:
    """Warns of so few samples that there is little to learn from them."""
    if num < _FEW:
        warnings.warn(
            f"{num} samples are few: below {_FEW} the estimate of {name} is little more than that of second moments.",
            SamplesWarning,
            stacklevel=4,
        )


def warn_unconverged(dependence: Dependence, name: str) -> None:
    """Warns where the estimate still moves with the number of samples, or would with more of them."""
    if dependence.unseen:
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
