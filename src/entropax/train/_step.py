import functools as ft
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from ..parallel import shard
from ._objective import AbstractObjective
from ._settings import Settings


# What is made of a batch before the network sees it.
Transform = Callable[[PRNGKeyArray, Array], Array]

# Folded into keys of a step: for what is made of its batch, and for masks of dropout. Small numbers would give keys
# that the step has too: of one key `split` and `fold_in` make the same ones.
_TRANSFORM, _DROPOUT = 0x7AA5F, 0x0D120


class State(NamedTuple):
    """All that a training changes."""

    params: PyTree
    optimiser: PyTree
    averages: tuple[PyTree, ...]
    best: PyTree
    best_loss: Array
    losses: Array
    held_out: Array
    # The first step whose loss or gradient was not finite, -1 for none; nothing has changed since.
    diverged: Array


class Fixed(NamedTuple):
    """All that it does not."""

    static: PyTree
    data: tuple[Array, PyTree | None]
    held_out: tuple[Array, PyTree | None]
    key: PRNGKeyArray
    settings: Settings
    objective: AbstractObjective
    transform: Transform
    mesh: Mesh | None
    placement: Callable[[PyTree, Mesh | None], PyTree]


def start(params: PyTree, settings: Settings, dtype: Any) -> State:
    """Before the first step."""
    none = jnp.full((settings.chunks, len(settings.averages)), jnp.nan, dtype)
    return State(
        params=params,
        optimiser=settings.optimiser().init(params),
        averages=tuple(jax.tree.map(jnp.zeros_like, params) for _ in settings.averages),
        best=jax.tree.map(jnp.copy, params),
        best_loss=jnp.asarray(jnp.inf, dtype),
        losses=none[:, 0],
        held_out=none,
        diverged=jnp.asarray(-1, jnp.int32),
    )


def rows_of(key: PRNGKeyArray, index: int | Array, num: int, settings: Settings) -> Int[Array, " batch"]:
    """The rows of a step's batch: a function of the training's key and the step alone."""
    row_key, _ = _keys(key, index)
    return jr.randint(row_key, (settings.batch_size,), 0, num)


@eqx.filter_jit(donate="all-except-first")
def run_chunk(fixed: Fixed, state: State, chunk: Array, steps: int) -> State:
    """So many steps, and the held-out loss after the last."""
    settings = fixed.settings
    optimiser = settings.optimiser()
    first = chunk * settings.chunk

    def step(carry, index):
        params, moments, averages, diverged = carry
        loss, gradients = _loss_and_gradient(fixed, params, index)
        # The norm that clipping needs too: it is not finite where any gradient is not.
        finite = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(gradients))
        diverged = jnp.where((diverged < 0) & ~finite, index, diverged)
        # Optax raises floats to an integer count, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            updates, new_moments = optimiser.update(gradients, moments, params)
        new_params = optax.apply_updates(params, updates)
        new_averages = tuple(
            jax.tree.map(lambda old, new: old + (1 - decay) * (new - old), average, new_params)
            for decay, average in zip(settings.averages, averages)
        )
        old, new = (params, moments, averages), (new_params, new_moments, new_averages)
        carry = jax.tree.map(ft.partial(jnp.where, diverged < 0), new, old)
        return (*fixed.placement(carry, fixed.mesh), diverged), loss

    carry = state.params, state.optimiser, state.averages, state.diverged
    indices = first + jnp.arange(steps)
    (params, moments, averages, diverged), losses = jax.lax.scan(step, carry, indices)

    _, held_key = jr.split(fixed.key)
    taken = (first + steps).astype(state.losses.dtype)
    candidates = [debiased(average, taken, decay) for average, decay in zip(averages, settings.averages)]
    held = jnp.stack([_held_out_loss(fixed, candidate, held_key) for candidate in candidates])
    best, best_loss = state.best, state.best_loss
    for candidate, loss in zip(candidates, held):
        better = loss < best_loss
        best = jax.tree.map(ft.partial(jnp.where, better), candidate, best)
        best_loss = jnp.where(better, loss, best_loss)
    state = State(
        params=params,
        optimiser=moments,
        averages=averages,
        best=best,
        best_loss=best_loss,
        losses=state.losses.at[chunk].set(jnp.mean(losses)),
        held_out=state.held_out.at[chunk].set(held),
        diverged=diverged,
    )
    # Placed as it came: what lies elsewhere than the compiler saw would be compiled for once more.
    return fixed.placement(state, fixed.mesh)


def debiased(average: PyTree, taken: int | Array, decay: float) -> PyTree:
    """A moving average without its start at zero."""
    # Of decays near one float32 does not know how near.
    scale = -1 / jnp.expm1(taken * (math.log(decay) if decay else -math.inf))
    return jax.tree.map(lambda leaf: scale * leaf, average)


def _keys(key, index):
    step_key, _ = jr.split(key)
    return jr.split(jr.fold_in(step_key, index))


def _loss_and_gradient(fixed: Fixed, params, index):
    """Of one step's batch, the loss in nats."""
    settings, (x, y) = fixed.settings, fixed.data
    row_key, loss_key = _keys(fixed.key, index)
    rows = rows_of(fixed.key, index, x.shape[0], settings)
    progress = index.astype(float) / settings.steps

    def loss_of(params, batch, key):
        x, y = batch
        model = eqx.combine(params, fixed.static)
        loss = fixed.objective(model, x, y, key=key, progress=progress, dropout=jr.fold_in(key, _DROPOUT))
        # Adam does not care about the scale of the loss, but clipping does.
        return loss / fixed.objective.unit(model, x[0].size), loss

    def of_part(rows, transform_key, loss_key):
        x_rows, y_rows = shard(jax.tree.map(lambda leaf: leaf[rows], (x, y)), fixed.mesh)
        batch = fixed.transform(transform_key, x_rows), y_rows
        (_, loss), gradients = jax.value_and_grad(loss_of, has_aux=True)(params, batch, loss_key)
        return loss, gradients

    transform_key = jr.fold_in(row_key, _TRANSFORM)
    if settings.accumulate == 1:
        return of_part(rows, transform_key, loss_key)
    parts = (
        rows.reshape(settings.accumulate, -1),
        *(jr.split(k, settings.accumulate) for k in (transform_key, loss_key)),
    )
    nothing = jax.tree.map(jnp.zeros_like, jax.eval_shape(of_part, *jax.tree.map(lambda leaf: leaf[0], parts)))
    add = lambda total, part: (jax.tree.map(jnp.add, total, of_part(*part)), None)
    total, _ = jax.lax.scan(add, nothing, parts)
    return jax.tree.map(lambda leaf: leaf / settings.accumulate, total)


def _held_out_loss(fixed: Fixed, params, key, draws: int = 8):
    # The same noise each time: what changes from chunk to chunk is the model.
    model, settings, (x, y) = eqx.combine(params, fixed.static), fixed.settings, fixed.held_out
    # No more at a time than of a batch; the last part is filled up from the first.
    num, most = x.shape[0], settings.batch_size // settings.accumulate
    parts, size = (1, num) if num <= most else (-(-num // most), most)
    rows = (jnp.arange(parts * size) % num).reshape(parts, size)
    spread = fixed.mesh if size == most else None

    def one(drawn):
        key, rows = drawn
        x_rows, y_rows = shard(jax.tree.map(lambda leaf: leaf[rows], (x, y)), spread)
        seen = fixed.transform(jr.fold_in(key, _TRANSFORM), x_rows)
        return fixed.objective(model, seen, y_rows, key=key, progress=jnp.ones(()), dropout=None)

    return jnp.mean(jax.lax.map(one, (jr.split(key, parts * draws), jnp.tile(rows, (draws, 1)))))
