import functools

from jaxtyping import Array, Float, PyTree

from .._arrays import as_floats
from ._base import AbstractDenoiser, check_denoiser, Conditioned, Given, Unconditional


@functools.singledispatch
def predictions(
    denoiser: AbstractDenoiser,
    z: Float[Array, "*shape"],
    log_snr: Float[Array, ""],
    conditions: tuple[PyTree | None, ...],
) -> tuple[Float[Array, "..."], ...]:
    r"""Predictions of the noise in one state under several conditions, $\hat\varepsilon(z, \lambda, y_1),\
    \hat\varepsilon(z, \lambda, y_2),\ \ldots$

    Of an [`entropax.Neural`][] whose network is an [`entropax.nn.AbstractConditionalNetwork`][] all of them go through
    the network in one batch; of other denoisers each is a call of its own. A denoiser that can do better says so by
    `predictions.register`, as with any `functools.singledispatch`.

    **Arguments:**

    - `denoiser`: the denoiser.
    - `z`: the diffused state, unbatched.
    - `log_snr`: $\lambda$.
    - `conditions`: what `y` is to be, `None` for no condition.

    **Returns:** the predicted noise for each condition, of the shape of `z`.

    **Raises:** `ValueError` where the denoiser is none, or the state is no array of floats.
    """
    check_denoiser(denoiser, "denoiser")
    z = as_floats(z, "z", finite=False)
    return tuple(denoiser(z, log_snr, y) for y in conditions)


@predictions.register(Unconditional)
def _(denoiser, z, log_snr, conditions):
    return predictions(denoiser.denoiser, z, log_snr, (None,)) * len(conditions)


@predictions.register(Conditioned)
def _(denoiser, z, log_snr, conditions):
    return predictions(denoiser.denoiser, z, log_snr, (denoiser.y,)) * len(conditions)


@predictions.register(Given)
def _(denoiser, z, log_snr, conditions):
    parts = tuple(None if y is None else denoiser.select(y) for y in conditions)
    return predictions(denoiser.denoiser, z, log_snr, parts)
