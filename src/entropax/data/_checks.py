import math
import numbers
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from .._arguments import check_key
from .._arrays import plain_array, to_float64


def check_numbers(value: Any, name: str) -> np.ndarray:
    """An array of finite numbers, in float64."""
    array = to_float64(plain_array(value, name), name)
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite; it holds NaN or infinity.")
    return array


def check_matrix(value, name: str, shape: tuple[int | None, int | None]) -> np.ndarray:
    matrix = to_float64(plain_array(value, name), name)
    wanted = ", ".join("any" if size is None else str(size) for size in shape)
    fits = matrix.ndim == 2 and all(want in (None, size) for size, want in zip(matrix.shape, shape))
    if not fits or 0 in matrix.shape:
        raise ValueError(f"`{name}` must have shape ({wanted}); got {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError(f"`{name}` must be finite; it holds NaN or infinity.")
    return matrix


def check_covariance(value, name: str, size: int | None) -> np.ndarray:
    cov = check_matrix(value, name, (size, size))
    if cov.shape[0] != cov.shape[1]:
        raise ValueError(f"`{name}` must be a square matrix; got shape {cov.shape}.")
    asymmetry = np.abs(cov - cov.T).max()
    # A covariance that was computed in float32 passes.
    if asymmetry > 1e-6 * np.abs(cov).max():
        raise ValueError(f"`{name}` must be symmetric; it differs from its transpose by up to {asymmetry:.3g}.")
    cov = 0.5 * (cov + cov.T)
    eigenvalues = np.linalg.eigvalsh(cov)
    if eigenvalues[0] <= len(cov) * np.finfo(np.float64).eps * eigenvalues[-1]:
        raise ValueError(
            f"`{name}` must be positive definite; its smallest eigenvalue is "
            f"{eigenvalues[0]:.3g} and its largest {eigenvalues[-1]:.3g}."
        )
    return cov


def check_number(value: Any, name: str, low: float, high: float = math.inf) -> None:
    """A finite number from `low` to `high`."""
    number = _as_float(value)
    if not (math.isfinite(number) and low <= number <= high):
        wanted = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        wanted = wanted if math.isfinite(low) else "that is finite"
        raise ValueError(f"`{name}` must be a number {wanted}; got {value!r}.")


def check_positive(value: Any, name: str) -> None:
    if not 0 < _as_float(value) < math.inf:
        raise ValueError(f"`{name}` must be positive{'' if value != math.inf else ' and finite'}; got {value!r}.")


def check_whole(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"`{name}` must be a whole number; got {value!r}.")


def check_count(value: Any, name: str, least: int = 1) -> None:
    check_whole(value, name)
    if value < least:
        raise ValueError(f"`{name}` must be {least} or more; got {value!r}.")


def check_draws(key: Any, num: Any) -> PRNGKeyArray:
    """The key of so many draws."""
    check_count(num, "num", 0)
    return check_key(key)


def _as_float(value: Any) -> float:
    """NaN where it is no real number."""
    if not isinstance(value, numbers.Real | np.ndarray | jax.Array):
        return math.nan
    try:
        return float(value) if getattr(value, "ndim", 0) == 0 else math.nan
    except (TypeError, ValueError):
        return math.nan
