import dataclasses
import math
import numbers
from statistics import NormalDist
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Inexact

from .._arguments import check_finite
from ..process import AbstractProcess


class Profile(eqx.Module):
    r"""A rate along the axis it is integrated over.

    **Arguments:**

    - `log_snr`: the nodes, increasing.
    - `rate`: nats per unit of $\lambda$ at each.
    - `stderr`: its standard error.
    - `second_moment`: the mean square of single evaluations: what importance sampling is fitted to.
    """

    log_snr: Float[Array, " nodes"]
    rate: Inexact[Array, " nodes *out"]
    stderr: Inexact[Array, " nodes *out"]
    second_moment: Inexact[Array, " nodes *out"]

    def in_time(self, process: AbstractProcess) -> tuple[Array, Array, Array]:
        r"""The same rate per unit of the time of a process, $\lvert\mathrm{d}\lambda/\mathrm{d}s\rvert$ times the rate
        per unit of $\lambda$.

        **Returns:** times $s$, increasing; rates; their standard errors. Nodes below $\lambda(T)$, which belong to no
        time, are left out (so this is for use outside `jax.jit`).
        """
        inside = self.log_snr >= process.log_snr(jnp.asarray(process.T, self.log_snr.dtype))
        s = jax.vmap(process.time)(self.log_snr[inside])[::-1]
        speed = -jax.vmap(process.log_snr_rate)(s)
        speed = speed.reshape(speed.shape + (1,) * (self.rate.ndim - 1))
        return s, speed * self.rate[inside][::-1], speed * self.stderr[inside][::-1]

    def cumulative(self) -> Inexact[Array, " nodes *out"]:
        r"""$\int_\lambda^{\lambda_\mathrm{max}}$ of the rate, at each node: what is known at that noise level's upper
        side, the entropy produced up to the time that $\lambda$ belongs to."""
        widths = jnp.diff(self.log_snr).reshape(-1, *(1,) * (self.rate.ndim - 1))
        steps = 0.5 * (self.rate[1:] + self.rate[:-1]) * widths
        return jnp.concatenate([jnp.cumsum(steps[::-1], 0)[::-1], jnp.zeros_like(steps[:1])])


class Estimate(eqx.Module):
    r"""A number with its error bar, and where it comes from.

    Estimates add and subtract; those over the same samples (of the same length) keep what their errors share, so that
    the error of a difference on common random numbers is the small one that it has. A number that is added shifts the
    value, a number that multiplies or divides scales the value and the error: `sum(estimates) / len(estimates)` is a
    mean with its error. `float(estimate)` is the value, and `f"{estimate:.2f}"` writes value, error and unit with two
    decimals. The errors along their profiles are bounds from above; a [`entropax.Difference`][] of integrands has the
    profile of a difference itself.

    **Arguments:**

    - `value`: the estimate.
    - `stderr_data`: its standard error from finite data and noise; infinite for a single sample, which does not show
        how far samples scatter.
    - `stderr_nodes`: its standard error from the choice of nodes in $\lambda$; of a dependence of samples, from the
    fits.
    - `pointwise`: each sample's own unbiased share, with mean `value`.
    - `residuals`: each sample's influence on the error; their spread is `stderr_data`.
    - `profile`: the rate along $\lambda$.
    - `tails`: what was added below and above the range of integration.
    - `unit`: `"nats"` or `"bits"`; empty for a number without one, such as a share.
    """

    value: Inexact[Array, "*out"]
    stderr_data: Inexact[Array, "*out"]
    stderr_nodes: Inexact[Array, "*out"]
    pointwise: Inexact[Array, " batch *out"] | None = None
    residuals: Inexact[Array, " batch *out"] | None = None
    profile: Profile | None = None
    tails: Inexact[Array, " 2 *out"] | None = None
    unit: Literal["nats", "bits", ""] = eqx.field(static=True, default="nats")

    # A NumPy array on the left would make an array of objects, one estimate for each of its entries.
    __array_ufunc__ = None

    @property
    def stderr(self) -> Inexact[Array, "*out"]:
        """The standard error, of both sources together."""
        return jnp.hypot(self.stderr_data, self.stderr_nodes)

    def interval(self, level: float = 0.95) -> tuple[Inexact[Array, "*out"], Inexact[Array, "*out"]]:
        """The two-sided confidence interval at `level`, by the normal approximation.

        **Raises:** `ValueError` unless `level` is between 0 and 1.
        """
        check_finite(level=level)
        if not 0 < level < 1:
            raise ValueError(f"`level` must be between 0 and 1; got {level}.")
        width = NormalDist().inv_cdf(0.5 + level / 2) * self.stderr
        return self.value - width, self.value + width

    @property
    def bits(self) -> "Estimate":
        """The same estimate in bits.

        **Raises:** `ValueError` for a number without a unit.
        """
        if self.unit == "bits":
            return self
        if self.unit != "nats":
            raise ValueError(f"`bits` are of an information; {self} has no unit.")
        return dataclasses.replace(self * (1 / math.log(2)), unit="bits")

    def __neg__(self) -> "Estimate":
        return self * -1.0

    def __mul__(self, factor: ArrayLike) -> "Estimate":
        number = _number(factor, self.value.dtype)
        return NotImplemented if number is None else self._scaled(number)

    __rmul__ = __mul__

    def __truediv__(self, divisor: ArrayLike) -> "Estimate":
        number = _number(divisor, self.value.dtype)
        if number is None:
            return NotImplemented
        if not isinstance(number, Tracer) and number == 0:
            raise ZeroDivisionError(f"An estimate must be divided by another number than 0; got ({self}) / {divisor}.")
        return self._scaled(1 / number)

    def _scaled(self, factor: float | Array) -> "Estimate":
        scale = lambda leaf: None if leaf is None else factor * leaf
        profile = self.profile and Profile(
            self.profile.log_snr,
            factor * self.profile.rate,
            abs(factor) * self.profile.stderr,
            factor**2 * self.profile.second_moment,
        )
        return Estimate(
            factor * self.value,
            # Nothing times an unknown error is known.
            jnp.where(factor == 0, 0.0, abs(factor) * self.stderr_data),
            abs(factor) * self.stderr_nodes,
            scale(self.pointwise),
            scale(self.residuals),
            profile,
            scale(self.tails),
            self.unit,
        )

    def __sub__(self, other: "Estimate | ArrayLike") -> "Estimate":
        subtracted = other if isinstance(other, Estimate) else _number(other, self.value.dtype)
        return NotImplemented if subtracted is None else self + (-subtracted)

    def __rsub__(self, other: ArrayLike) -> "Estimate":
        return -self + other

    def __add__(self, other: "Estimate | ArrayLike") -> "Estimate":
        if not isinstance(other, Estimate):
            known = _number(other, self.value.dtype)
            return NotImplemented if known is None else self.shifted(known)
        if self.unit != other.unit:
            raise ValueError(
                f"Estimates in {self.unit or 'no unit'} and in {other.unit or 'no unit'} do not add; convert one."
            )
        (first, own), (second, others) = self._influences(), other._influences()
        residuals = _add_aligned(first, second)
        if residuals is None:
            stderr_data = jnp.hypot(self.stderr_data, other.stderr_data)
        else:
            stderr_data = jnp.hypot(standard_error(residuals), jnp.hypot(own, others))
        tails = None if self.tails is None or other.tails is None else self.tails + other.tails
        return Estimate(
            self.value + other.value,
            stderr_data,
            jnp.hypot(self.stderr_nodes, other.stderr_nodes),
            _add_aligned(self.pointwise, other.pointwise),
            residuals,
            _add_profiles(self.profile, other.profile, shared=residuals is not None),
            tails,
            self.unit,
        )

    # `sum` begins with the number 0.
    __radd__ = __add__

    def _influences(self) -> tuple[Array | None, Array]:
        """The residuals, in whose spread `stderr_data` is, and the part of it that they cannot have.

        They are scaled if that error was replaced by a larger one, such as that of samples of which only stretches are
        independent.
        """
        if self.residuals is None:
            return None, self.stderr_data
        spread = standard_error(self.residuals)
        scale = self.stderr_data / jnp.where(spread > 0, spread, 1)
        # Rounding is no reason to.
        rounding = 100 * jnp.finfo(spread.dtype).eps
        scale = jnp.where((spread > 0) & (jnp.abs(scale - 1) > rounding), scale, 1)
        return scale[None] * self.residuals, jnp.where(spread > 0, jnp.zeros_like(spread), self.stderr_data)

    def shifted(self, known: float | Inexact[Array, "..."]) -> "Estimate":
        r"""This estimate plus what is known without error. Rates and tails, which are the integral's, stay as they are.

        **Arguments:**

        - `known`: one number, or one for each sample, of the shape of `pointwise`.

        **Raises:** `ValueError` where it has another shape.
        """
        if jnp.ndim(known) == 0:
            pointwise = None if self.pointwise is None else self.pointwise + known
            return dataclasses.replace(self, value=self.value + known, pointwise=pointwise)
        if self.pointwise is None or self.residuals is None or jnp.shape(known) != self.pointwise.shape:
            held = "none" if self.pointwise is None else f"shape {self.pointwise.shape}"
            raise ValueError(f"`known` must be one number, or as `pointwise` ({held}); got shape {jnp.shape(known)}.")
        mean = jnp.mean(known, 0)
        # What is infinite remains so without error.
        residuals = self.residuals + jnp.where(jnp.isinf(self.value), 0.0, known - mean[None])
        return dataclasses.replace(
            self,
            value=self.value + mean,
            pointwise=self.pointwise + known,
            residuals=residuals,
            stderr_data=standard_error(residuals),
        )

    def sum(self) -> "Estimate":
        r"""The sum over all that `value` holds, which the noise of all its parts enters as it is shared.

        **Returns:** an [`entropax.Estimate`][] of one number, without a profile. Its `stderr_nodes` is no less than the
        true one: that of parts whose errors have one sign.
        """
        over = lambda leaf, kept: None if leaf is None else jnp.sum(leaf, axis=tuple(range(kept, leaf.ndim)))
        influences, alone = self._influences()
        residuals = over(influences, 1)
        return Estimate(
            jnp.sum(self.value),
            jnp.sum(alone) + (0 if residuals is None else standard_error(residuals)),
            jnp.sum(self.stderr_nodes),
            over(self.pointwise, 1),
            residuals,
            None,
            over(self.tails, 1),
            self.unit,
        )

    def __float__(self) -> float:
        """The value, without its error.

        **Raises:** `ValueError` where `value` is not one number, or is traced.
        """
        if isinstance(self.value, Tracer):
            raise ValueError(
                "The value of this estimate is traced by JAX and is no number yet: take `.value`, or `float` outside "
                "of jax.jit, jax.vmap and jax.grad."
            )
        if self.value.ndim > 0:
            raise ValueError(
                f"An estimate of shape {self.value.shape} is not one number: `float` takes that of `.sum()`, or of one "
                "entry of `.value`."
            )
        return float(self.value)

    def __format__(self, spec: str) -> str:
        if not spec or isinstance(self.value, Tracer):
            return str(self)
        if self.value.ndim > 0:
            return f"{self.sum():{spec}} in sum over {self.value.shape}"
        return f"{float(self.value):{spec}} ± {float(self.stderr):{spec}} {self.unit}".rstrip()

    def __str__(self) -> str:
        if isinstance(self.value, Tracer):
            return repr(self)
        if self.value.ndim > 0:
            return f"{self.sum()} in sum over {self.value.shape}"
        value, stderr = float(self.value), float(self.stderr)
        if math.isinf(value):
            return f"{value} {self.unit}".rstrip()
        # Two digits of the error say all that the value's digits can.
        digits = 2 if stderr == 0 or not math.isfinite(stderr) else max(0, 1 - math.floor(math.log10(stderr)))
        return f"{value:.{digits}f} ± {stderr:.{digits}f} {self.unit}".rstrip()

    def __repr__(self) -> str:
        if isinstance(self.value, Tracer) or not isinstance(self.value, jax.Array):
            return "Estimate(...)"
        return f"Estimate({self})"


def mean_of(pointwise: Inexact[Array, " batch *out"]) -> Estimate:
    """The estimate of a mean from independent values of it, one a sample."""
    mean = jnp.mean(pointwise, 0)
    error = standard_error(pointwise)
    return Estimate(mean, error, jnp.zeros_like(error), pointwise, pointwise - mean[None])


def standard_error(residuals: Float[Array, " batch *out"]) -> Float[Array, "*out"]:
    """The standard error of a mean whose terms have these deviations. A single term does not show how far the terms
    scatter: its error is infinite."""
    batch = residuals.shape[0]
    if batch == 1:
        return jnp.full(residuals.shape[1:], jnp.inf, residuals.dtype)
    centred = residuals - jnp.mean(residuals, 0, keepdims=True)
    # One after the other: the square of many a batch is no int32.
    return jnp.sqrt(jnp.sum(centred**2, 0) / batch / (batch - 1))


def _number(value: object, dtype) -> float | Array | None:
    """One number, to calculate with in this precision; `None` for anything else."""
    if isinstance(value, numbers.Real) and not isinstance(value, np.generic):
        return float(value)
    if isinstance(value, jax.Array | np.ndarray | np.generic) and jnp.ndim(value) == 0:
        is_real = jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)
        return jnp.asarray(value, dtype) if is_real else None
    return None


def _add_aligned(first, second):
    # Samples of different lengths are different samples: their errors are independent.
    if first is None or second is None or first.shape != second.shape:
        return None
    return first + second


def _add_profiles(first: Profile | None, second: Profile | None, shared: bool) -> Profile | None:
    """The profile of a sum. How two rates on the same samples go together is not recorded: their errors add in full,
    as those that are most alike do, and so do their root mean squares."""
    if first is None or second is None or first.rate.shape != second.rate.shape:
        return None
    if any(isinstance(p.log_snr, Tracer) for p in (first, second)):
        return None
    if not bool(jnp.all(jnp.abs(first.log_snr - second.log_snr) < 1e-3)):
        return None
    product = jnp.sqrt(first.second_moment * second.second_moment) if shared else first.rate * second.rate
    return Profile(
        first.log_snr,
        first.rate + second.rate,
        first.stderr + second.stderr if shared else jnp.hypot(first.stderr, second.stderr),
        first.second_moment + second.second_moment + 2 * product,
    )
