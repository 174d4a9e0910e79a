"""What an information about Y needs of a model: a condition, and predictions with and without it that differ."""

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Inexact, PyTree

from ..denoiser import AbstractDenoiser, diffuse


# An estimate whose samples all lie nearer to zero than this, in nats, may come from a model that ignores its condition.
_NEXT_TO_NOTHING = 1e-3

# The samples and noise levels at which predictions are compared then.
_SAMPLES = 8
_LOG_SNRS = (-3.0, 0.0, 3.0)


def check_given(y: PyTree | None) -> None:
    """Refuses the lack of a condition.

    **Raises:** `ValueError`.
    """
    if not jax.tree.leaves(y):
        raise ValueError(f"`y` must be given: the conditions of the samples in `x`, one for each; got {y!r}.")


@contextlib.contextmanager
def explained(
    denoiser: AbstractDenoiser, reference: AbstractDenoiser | None, x: Inexact[Array, " batch *shape"], y: PyTree
) -> Iterator[None]:
    """Says of an error inside that a denoiser makes no prediction without a condition, where that is the cause.

    **Raises:** `ValueError` that says what to give instead.
    """
    try:
        yield
    except Exception:
        if reference is not None:
            raise
        one, given = jax.tree.map(lambda leaf: leaf[0], (x, y))
        # What is wrong with the condition itself is said as it is, and first.
        wrong, cause = _failure(denoiser, one, given), _failure(denoiser, one, None)
        if wrong is not None and cause is not None:
            raise wrong from None
        if cause is None:
            raise
        raise ValueError(
            f"`denoiser`, {type(denoiser).__name__}, makes no prediction without a condition, which the prediction "
            "with it is compared with. Give a model that was trained with and without a condition (for a guided one, "
            "the model that it guides), or a `reference=` that knows less."
        ) from cause


def _failure(denoiser, x, y) -> Exception | None:
    """What a denoiser raises for one sample, if it does."""
    try:
        jax.eval_shape(lambda z, y: denoiser(z, jnp.zeros((), z.dtype), y), x, y)
    except Exception as error:
        return error
    return None


def check_heard(
    pointwise: Inexact[Array, " batch *out"] | None,
    denoiser: AbstractDenoiser,
    reference: AbstractDenoiser | None,
    x: Inexact[Array, " batch *shape"],
    y: PyTree,
) -> None:
    """Refuses a model whose predictions are the same with and without the condition: it ignores `y`, and the zero that
    comes out says nothing of the data.

    **Arguments:**

    - `pointwise`: the information of each sample, by which predictions that differ are most often told; they are
        compared themselves where it is `None` or next to zero.
    - `denoiser`, `reference`, `x`, `y`: as in [`entropax.mutual_information`][].

    **Raises:** `ValueError`.
    """
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((denoiser, reference, x, y))):
        return
    if pointwise is not None and bool(jnp.max(jnp.abs(pointwise)) > _NEXT_TO_NOTHING):
        return
    rows = min(_SAMPLES, x.shape[0])
    samples, conditions = jax.tree.map(lambda leaf: leaf[:rows], (x, y))
    alone = denoiser if reference is None else reference

    def differ(z, y, log_snr):
        other = alone(z, log_snr, None if reference is None else y)
        return jnp.any(denoiser(z, log_snr, y) != other)

    for level in _LOG_SNRS:
        log_snr = jnp.asarray(level, x.dtype)
        z = diffuse(samples, log_snr, jnp.roll(samples, 1, 0))
        if bool(jnp.any(jax.vmap(differ, (0, 0, None))(z, conditions, log_snr))):
            return
    name = type(denoiser).__name__
    if reference is not None:
        raise ValueError(
            f"`reference` must know less than `denoiser`, {name}; both predict the same noise, so that the estimate "
            "would be zero whatever the data."
        )
    raise ValueError(
        f"`denoiser` must use its condition; {name} predicts the same noise with `y` and without, so that the estimate "
        "would be zero whatever the data. Train it with `y`, and check that no wrapper leaves it out."
    )
