import functools
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..nn import with_dropout
from ._base import AbstractDenoiser


@functools.singledispatch
def mixed_predictions(
    denoiser: AbstractDenoiser,
    z: Float[Array, " batch *shape"],
    log_snr: Float[Array, " batch"],
    y: PyTree,
    free: int,
    masks: Array | None,
) -> Float[Array, " batch *shape"]:
    r"""Predictions for a batch whose first rows are without their condition: what a training asks for.

    Of an [`entropax.Neural`][] whose network hears conditions through an embedding alone, all rows go through it in one
    batch: twice the rows for half of the calls, and half as much to compile. Other denoisers are called once with and
    once without conditions.

    **Arguments:**

    - `denoiser`: the denoiser.
    - `z`, `log_snr`, `y`: diffused states, noise levels and conditions.
    - `free`: how many rows, from the first on, are without.
    - `masks`: for [`entropax.nn.Dropout`][], a key for each row, or `None`.

    **Returns:** the predicted noise.
    """

    return in_two(denoiser, z, log_snr, y, free, masks)


def in_two(denoiser, z, log_snr, y, free, masks):
    """As above, whatever the denoiser."""

    def predict(z, log_snr, y, mask):
        return dropping(denoiser, mask)(z, log_snr, y)

    first, rest = parts(free)
    alone = jax.vmap(predict)(*jax.tree.map(first, (z, log_snr, None, masks)))
    given = jax.vmap(predict)(*jax.tree.map(rest, (z, log_snr, y, masks)))
    return jnp.concatenate([alone, given])


def parts(free: int) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """What takes the rows without conditions, and the others."""
    return (lambda leaf: leaf[:free]), (lambda leaf: leaf[free:])


_Denoiser = TypeVar("_Denoiser", bound=AbstractDenoiser)


def dropping(denoiser: _Denoiser, mask: PRNGKeyArray | None) -> _Denoiser:
    """The denoiser with dropout where there is a mask."""
    return denoiser if mask is None else with_dropout(denoiser, mask)
