import inspect
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray, PyTree

from .._arguments import check_key, check_not_negative
from ..denoiser import AbstractDenoiser, check_labels
from ..parallel import gather
from ..process import AbstractProcess
from ..terms import check_model


def check_denoiser(denoiser: AbstractDenoiser, x: Float[Array, " batch *shape"], y: PyTree | None) -> None:
    """Refuses labels that a network does not have, and conditions or predictions of another shape than there should be.
    [`entropax.integral.as_samples`][] has checked the samples themselves."""
    check_labels(denoiser, y, "y")
    _check_prediction(denoiser, x, y)


def check_prediction(denoiser: AbstractDenoiser, x: Float[Array, " batch *shape"], y: PyTree | None) -> None:
    """Refuses conditions that a denoiser cannot take, and a denoiser that returns another shape than it is given, which
    would be broadcast. Within compiled code it costs nothing, and a denoiser is traced once for all such shapes."""
    predict = lambda z, y: check_shape(denoiser(z, jnp.zeros((), x.dtype), y), z)
    one = jax.tree.map(lambda leaf: leaf[0], y)
    try:
        jax.eval_shape(predict, x[0], one)
    except TypeError as error:
        shapes = jax.tree.map(lambda leaf: leaf.shape, one)
        raise ValueError(
            f"`denoiser`, {type(denoiser).__name__}, cannot take a state of shape {x.shape[1:]} with a `y` of shape "
            f"{shapes}: {error}"
        ) from error


_check_prediction = eqx.filter_jit(check_prediction)


def check_shape(prediction: Array, z: Float[Array, "*shape"]) -> Array:
    """The prediction of a denoiser, refused where its shape is not that of the state."""
    if prediction.shape != z.shape:
        raise ValueError(f"`denoiser` must return the shape of its input, {z.shape}; it returns {prediction.shape}.")
    return prediction


def check_control(control: Callable, x: Float[Array, " batch *shape"], y: PyTree | None) -> None:
    """Refuses a control that is not a function of time, states and conditions, or returns another
    shape than the batch it is given."""
    if not callable(control) or inspect.isclass(control):
        raise ValueError(f"`control` must be a function, control(s, x, y); got {control!r}.")
    try:
        found = jax.eval_shape(control, jnp.ones((), x.dtype), x, y)
    except TypeError as error:
        raise ValueError(f"`control` must be a function, control(s, x, y); it cannot be called so: {error}") from error
    shape = getattr(found, "shape", type(found).__name__)
    if shape != x.shape:
        raise ValueError(f"`control` must return the shape of its input, {x.shape}; it returns {shape}.")


def check_parts(process: AbstractProcess, denoiser: AbstractDenoiser, key: PRNGKeyArray | None) -> None:
    """Refuses a process, a denoiser or a key that is none; a key may be missing."""
    check_model(process, denoiser)
    if key is not None:
        check_key(key)


def check_tolerances(rtol: ArrayLike, atol: ArrayLike) -> None:
    """Refuses tolerances that are negative or not finite, or both zero, which no step can meet."""
    check_not_negative(rtol=rtol, atol=atol)
    if (
        not isinstance(rtol, Tracer)
        and not isinstance(atol, Tracer)
        and not np.any(np.asarray(rtol) + np.asarray(atol) > 0)
    ):
        raise ValueError(f"`rtol` or `atol` must be positive; got {rtol} and {atol}.")


# What became of a sample.
SOLVED, _INFINITE, _UNFINISHED = 0, 1, 2


def outcome(gave_up: Bool[Array, " batch"], x: Float[Array, " batch *shape"]) -> Int[Array, " batch"]:
    """What became of each sample: solved, no longer finite, or given up by the solver. Devices share nothing for it."""
    finite = jnp.all(jnp.isfinite(x).reshape(x.shape[0], -1), 1)
    return jnp.where(gave_up, _UNFINISHED, jnp.where(finite, SOLVED, _INFINITE))


def check_solved(x: PyTree[Array], outcomes: Int[Array, " batch"], infinite: str, unfinished: str) -> PyTree[Array]:
    """The result of a solve, refused where a sample failed.

    **Arguments:**

    - `x`: the result.
    - `outcomes`: from [`outcome`][].
    - `infinite`, `unfinished`: what happened to a sample that is not finite, and to one that the solver gave up.

    **Raises:** `RuntimeError` that says how many failed, which is the first, and why; under tracing a runtime error, by
        [`equinox.error_if`][], that says why.
    """
    if isinstance(outcomes, Tracer):
        return eqx.error_if(x, jnp.any(outcomes != SOLVED), f"A sample {infinite}; or it {unfinished}.")
    found = gather(outcomes)
    failed = np.flatnonzero(found != SOLVED)
    if failed.size:
        which = f"Sample {failed[0]}" if failed.size == 1 else f"{failed.size} samples, the first at index {failed[0]},"
        raise RuntimeError(f"{which} {unfinished if found[failed[0]] == _UNFINISHED else infinite}.")
    return x
