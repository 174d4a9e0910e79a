import functools as ft
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree
from tqdm import tqdm

from ..denoiser import AbstractDenoiser
from ..parallel import replicate, shard
from ._checkpoint import Checkpoints
from ._objective import AbstractWeighting, denoising_loss, Likelihood


class History(eqx.Module):
    """How a training went: losses in nats, one entry a chunk of steps."""

    step: Int[np.ndarray, " chunks"]
    loss: Float[np.ndarray, " chunks"]
    held_out: Float[np.ndarray, " chunks"]


# Folded into the key of a step's loss, for masks of dropout. A small number would give a key that the loss has too: of
# one key `split` and `fold_in` make the same ones.
_DROPOUT = 0x0D120

_Denoiser = TypeVar("_Denoiser", bound=AbstractDenoiser)


class Training(eqx.Module, Generic[_Denoiser]):
    """The trained denoiser (the averaged weights with the least held-out loss), and how it came about."""

    denoiser: _Denoiser
    history: History


class _State(NamedTuple):
    params: PyTree
    optimiser: PyTree
    average: PyTree
    best: PyTree
    best_loss: Array
    losses: Array
    held_out: Array


class Settings(eqx.Module):
    r"""How a denoiser is trained.

    **Arguments:**

    - `steps`, `batch_size`: the budget.
    - `learning_rate`: the peak of a schedule that warms up over 200 steps and falls to zero as a cosine.
    - `clip`: the global norm that gradients of the loss per dimension are clipped to.
    - `weight_decay`: of AdamW.
    - `average`: the decay of the exponential moving average of the weights, which is debiased.
    - `weighting`: of the noise levels.
    - `unconditional`: the share of each batch that is predicted without its condition.
    - `chunk`: the steps of one jitted scan; held-out loss, progress and checkpoints come between chunks.
    - `patience`: chunks without a better held-out loss after which training stops; `None` for never.
    """

    steps: int = 8_000
    batch_size: int = 1024
    learning_rate: float = 3e-3
    clip: float = 1.0
    weight_decay: float = 0.0
    average: float = 0.998
    weighting: AbstractWeighting = Likelihood()
    unconditional: float = 0.5
    chunk: int = 500
    patience: int | None = None

    def __check_init__(self):
        for name in ("steps", "batch_size", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be positive; got {getattr(self, name)}.")

    def optimiser(self) -> optax.GradientTransformation:
        """Clipped AdamW under the schedule."""
        warmup = min(200, max(self.steps // 10, 1))
        schedule = optax.warmup_cosine_decay_schedule(0.0, self.learning_rate, warmup, max(self.steps, warmup + 1))
        return optax.chain(optax.clip_by_global_norm(self.clip), optax.adamw(schedule, weight_decay=self.weight_decay))


def train(
    denoiser: _Denoiser,
    x: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    held_out: tuple[Array, PyTree | None],
    key: PRNGKeyArray,
    settings: Settings = Settings(),
    checkpoints: Checkpoints | None = None,
    mesh: Mesh | None = None,
    observe: Callable[[int, _Denoiser], None] | None = None,
) -> Training[_Denoiser]:
    r"""Trains a denoiser, with and without its condition at once.

    The data lie on the device; a chunk of steps is one jitted scan with donated buffers, so that the host is not heard
    from in between. Every draw is a function of `key` and the step: a training that is resumed from a checkpoint ends
    with the bits of one that was never stopped, and one over several devices takes the same steps as over one.

    **Arguments:**

    - `denoiser`: to start from; a [`entropax.Neural`][] or any other that has parameters.
    - `x`, `y`: the samples and their conditions, or `None`.
    - `held_out`: samples and conditions that early stopping looks at.
    - `key`: all randomness.
    - `settings`: the budget, the optimiser, the weighting.
    - `checkpoints`: where to save after each chunk, and to resume from.
    - `mesh`: the devices that batches are spread over, from [`entropax.parallel.make_mesh`][].

    - `observe`: called after each chunk with the steps taken and the denoiser with the averaged weights.

    **Returns:** the denoiser with the least held-out loss, and the history.

    **Raises:** `FloatingPointError` where the loss is no longer finite; `ValueError` where a checkpoint does not belong
    to this training or the batch does not divide over the mesh.
    """
    params, static = eqx.partition(denoiser, eqx.is_inexact_array)
    chunks = -(-settings.steps // settings.chunk)
    blank = jnp.full(chunks, jnp.nan, x.dtype)
    state = _State(
        params=params,
        optimiser=settings.optimiser().init(params),
        average=jax.tree.map(jnp.zeros_like, params),
        best=jax.tree.map(jnp.copy, params),
        best_loss=jnp.asarray(jnp.inf, x.dtype),
        losses=blank,
        held_out=blank,
    )
    state, data, held_out = replicate((state, (x, y), held_out), mesh)
    start = 0
    if checkpoints is not None and (found := checkpoints.restore(state)) is not None:
        start, state, _ = found
    fixed = static, data, held_out, key, settings, mesh
    # Buffers are donated to the first chunk: none of them may be the caller's own.
    state = jax.tree.map(jnp.copy, state)

    bar = tqdm(total=settings.steps, initial=start * settings.chunk, desc="Training", unit="step", disable=None)
    with bar:
        for chunk in range(start, chunks):
            steps = min(settings.chunk, settings.steps - chunk * settings.chunk)
            state = _run_chunk(fixed, state, jnp.asarray(chunk), steps)
            loss, held = float(state.losses[chunk]), float(state.held_out[chunk])
            if not (np.isfinite(loss) and np.isfinite(held)):
                raise FloatingPointError(
                    f"The training loss is no longer finite between steps {chunk * settings.chunk} and "
                    f"{chunk * settings.chunk + steps}; a smaller `learning_rate` may help."
                )
            bar.update(steps)
            bar.set_postfix(loss=f"{loss:.4g}", held_out=f"{held:.4g}")
            if checkpoints is not None:
                checkpoints.save(chunk + 1, state)
            if observe is not None:
                taken = chunk * settings.chunk + steps
                observe(taken, eqx.combine(_debiased(state.average, taken, settings), static))
            seen = np.asarray(state.held_out)[: chunk + 1]
            if settings.patience is not None and chunk - int(np.nanargmin(seen)) >= settings.patience:
                break

    done = ~np.isnan(np.asarray(state.losses))
    ends = np.minimum((np.arange(chunks) + 1) * settings.chunk, settings.steps)
    history = History(ends[done], np.asarray(state.losses)[done], np.asarray(state.held_out)[done])
    return Training(eqx.combine(state.best, static), history)


@eqx.filter_jit(donate="all-except-first")
def _run_chunk(fixed, state: _State, chunk: Array, steps: int) -> _State:
    static, data, held_out, key, settings, mesh = fixed
    step_key, held_key = jr.split(key)
    optimiser = settings.optimiser()
    x, y = data
    size = x[0].size
    # Adam does not care about the scale of the loss, but clipping does: per dimension and unit of λ.
    low, high = eqx.combine(state.params, static).log_snr_range
    scale = 2 / (size * (high - low))

    def loss_of(params, batch, key):
        denoiser = eqx.combine(params, static)
        return scale * denoising_loss(
            denoiser,
            *batch,
            key=key,
            weighting=settings.weighting,
            unconditional=settings.unconditional,
            dropout=jr.fold_in(key, _DROPOUT),
        )

    def step(carry, index):
        params, moments, average = carry
        row_key, loss_key = jr.split(jr.fold_in(step_key, index))
        rows = jr.randint(row_key, (settings.batch_size,), 0, x.shape[0])
        batch = shard(jax.tree.map(lambda leaf: leaf[rows], (x, y)), mesh)
        loss, gradients = jax.value_and_grad(loss_of)(params, batch, loss_key)
        # Optax raises floats to an integer count, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            updates, moments = optimiser.update(gradients, moments, params)
        params = optax.apply_updates(params, updates)
        mix = lambda old, new: settings.average * old + (1 - settings.average) * new
        return (params, moments, jax.tree.map(mix, average, params)), loss / scale

    first = chunk * settings.chunk
    carry = state.params, state.optimiser, state.average
    (params, moments, average), losses = jax.lax.scan(step, carry, first + jnp.arange(steps))

    current = _debiased(average, (first + steps).astype(x.dtype), settings)
    held_loss = _held_out_loss(eqx.combine(current, static), held_out, held_key, settings)
    better = held_loss < state.best_loss
    return _State(
        params=params,
        optimiser=moments,
        average=average,
        best=jax.tree.map(ft.partial(jnp.where, better), current, state.best),
        best_loss=jnp.where(better, held_loss, state.best_loss),
        losses=state.losses.at[chunk].set(jnp.mean(losses)),
        held_out=state.held_out.at[chunk].set(held_loss),
    )


def _debiased(average, taken, settings):
    """The moving average without its start at zero."""
    scale = 1 / (1 - settings.average**taken)
    return jax.tree.map(lambda leaf: scale * leaf, average)


def _held_out_loss(denoiser, held_out, key, settings, draws: int = 8):
    # The same noise each time: what changes from chunk to chunk is the model.
    x, y = held_out
    one = lambda key: denoising_loss(
        denoiser, x, y, key=key, weighting=settings.weighting, unconditional=settings.unconditional
    )
    return jnp.mean(jax.lax.map(one, jr.split(key, draws)))
