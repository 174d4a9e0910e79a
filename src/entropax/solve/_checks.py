from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

from ..denoiser import AbstractDenoiser, check_conditions, check_labels


def check_denoiser(denoiser: AbstractDenoiser, x: Float[Array, " batch *shape"], y: PyTree | None) -> None:
    """Refuses samples that are not finite, conditions that are not one for each, labels that a network does not know,
    and conditions or predictions of another shape than there should be."""
    check_inputs(denoiser, x, y)
    _check_prediction(denoiser, x, y)


def check_inputs(denoiser: AbstractDenoiser, x: Float[Array, " batch *shape"], y: PyTree | None) -> None:
    """Of these what is known from numbers; the rest is known from shapes, to [`check_prediction`][]."""
    check_samples(x, y)
    check_labels(denoiser, y, "y")


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
    """Refuses such samples, and a control that returns another shape than the batch it is given."""
    check_samples(x, y)
    shape = jax.eval_shape(control, jnp.ones((), x.dtype), x, y).shape
    if shape != x.shape:
        raise ValueError(f"`control` must return the shape of its input, {x.shape}; it returns {shape}.")


def check_samples(x: Float[Array, " batch *shape"], y: PyTree | None) -> None:
    """Refuses samples that are not finite, and conditions that are not one for each."""
    check_conditions(x, y)
    finite = jnp.all(jnp.isfinite(x))
    if not isinstance(finite, Tracer) and not finite:
        raise ValueError("`x` must be finite; it holds NaN or infinite entries.")
