import contextlib
import inspect
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, Shaped
from tqdm import tqdm

from .._arguments import check_instance, check_key
from .._progress import is_seen
from .._untrained import is_trained
from ..denoiser import check_labels
from ..parallel import agreed, check_mesh, gather, leads, replicate
from ._checkpoint import Checkpoints
from ._identity import identity_of
from ._log import Clock, Logger, tell
from ._objective import AbstractObjective, check_trusted, Denoising
from ._samples import of_training
from ._settings import Settings
from ._step import debiased, Fixed, rows_of, run_chunk, start, State, Transform
from ._writer import Writer


# How many rows of a batch an error names.
_NAMED = 8


class History(eqx.Module):
    """How a training went: losses in nats, one entry a chunk of steps.

    **Arguments:**

    - `step`: the steps taken.
    - `loss`: on the batches of the chunk.
    - `held_out`: of the best of the averages of the weights.
    - `by_average`: of each of them.
    """

    step: Int[np.ndarray, " chunks"]
    loss: Float[np.ndarray, " chunks"]
    held_out: Float[np.ndarray, " chunks"]
    by_average: Float[np.ndarray, "chunks averages"]


_Model = TypeVar("_Model", bound=eqx.Module)


class Training(eqx.Module, Generic[_Model]):
    """The trained denoiser (the averaged weights with the least held-out loss), and how it came about."""

    denoiser: _Model
    history: History


class DivergenceError(FloatingPointError):
    """A loss or a gradient that is not finite.

    **Arguments:**

    - `step`: the first step at which it was not, from 0.
    - `rows`: the samples of its batch.
    - `standing`: a sentence on the checkpoints.
    """

    def __init__(self, step: int, rows: Int[np.ndarray, " batch"], standing: str):
        named = ", ".join(map(str, rows[:_NAMED])) + (", ..." if len(rows) > _NAMED else "")
        super().__init__(
            f"The loss or its gradient is not finite at step {step}, whose batch has the {len(rows)} samples {named} "
            f"(`rows` of this error has all). {standing} A smaller `learning_rate` may help."
        )
        self.step = step
        self.rows = rows
        self.standing = standing


def _unchanged(key: PRNGKeyArray, x: Array) -> Array:
    del key
    return x


def train(
    denoiser: _Model,
    x: Shaped[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    held_out: tuple[Array, PyTree | None],
    key: PRNGKeyArray,
    settings: Settings = Settings(),
    objective: AbstractObjective | None = None,
    transform: Transform = _unchanged,
    checkpoints: Checkpoints | None = None,
    loggers: Sequence[Logger] = (),
    mesh: Mesh | None = None,
    placement: Callable[[PyTree, Mesh | None], PyTree] = replicate,
    observe: Callable[[int, _Model], None] | None = None,
) -> Training[_Model]:
    r"""Trains a denoiser, with and without its condition at once.

    The data lie on the device; a chunk of steps is one jitted scan with donated buffers, so that the host is not heard
    from in between. Every draw is a function of `key` and the step: a training that is resumed from a checkpoint ends
    with the bits of one that was never stopped, and one over several devices, or several processes, takes the same
    steps as over one.

    **Arguments:**

    - `denoiser`: to start from; a [`entropax.Neural`][] or any other that has parameters.
    - `x`, `y`: the samples and their conditions, or `None`; the same on every process. Lists, integers and floats of
        half precision are taken as [`entropax.nll`][] takes them; a transform sees integers as they come.
    - `held_out`: samples and conditions that early stopping looks at; conditions where `y` is given, and only there.
    - `key`: all randomness.
    - `settings`: the budget, the optimiser, the weighting.
    - `objective`: what is made small: [`entropax.Denoising`][] with the weighting and the share without conditions of
        the settings where it is not given; [`entropax.latent.NegativeELBO`][] for an autoencoder, which is then trained
        in place of a denoiser.
    - `transform`: what is made of a batch of `x` at each step, `transform(key, x) -> x`: noise that dequantises,
        augmentation. Without it samples are taken as they are.
    - `checkpoints`: where to save after each chunk, beside the training, and to resume from; a folder that all
        processes see. A training goes on from checkpoints of the same data, key, settings (but for `patience`), network
        and objective alone; more `steps` are another training, whose learning rates differ from the first step on.
    - `loggers`: what takes note of losses and speed after each chunk, such as [`entropax.JSONLines`][].
    - `mesh`: the devices that batches are spread over, from [`entropax.parallel.make_mesh`][].
    - `placement`: how parameters and optimiser states lie on them: [`entropax.parallel.replicate`][], or
        [`entropax.parallel.shard_parameters`][] where they are too many for one device.
    - `observe`: called after each chunk with the steps taken and the denoiser with the first of the averaged weights.

    **Returns:** the denoiser with the least held-out loss, and the history.

    **Raises:** [`entropax.DivergenceError`][] where a loss or a gradient is not finite, with the step, the rows of
    its batch and the last good checkpoint; `FloatingPointError` where the held-out loss alone is not; `ValueError`
    where an argument is of another kind, samples or conditions are masked, NaN or infinite, there is not one condition
    for each sample, those held out are of another shape, a label that the network does not know, a denoiser without
    parameters, or another than the objective is for, a checkpoint that does not belong to this training, or a batch
    that does not divide over the mesh; `OSError` where a checkpoint cannot be written.
    """
    check_key(key)
    check_instance("denoiser", denoiser, eqx.Module, "Subclass `ex.AbstractDenoiser`, or give `ex.Neural` a network.")
    check_instance("settings", settings, Settings)
    check_instance("objective", objective, (AbstractObjective, type(None)))
    check_instance("checkpoints", checkpoints, (Checkpoints, type(None)))
    check_mesh(mesh)
    _check_functions(loggers, transform=transform, placement=placement, observe=observe)
    if not isinstance(held_out, tuple | list) or len(held_out) != 2:
        raise ValueError(f"`held_out` must be samples and conditions, (x, None) without any; got {_kind(held_out)}.")
    keep_integers = transform is not _unchanged
    x, y = of_training(x, y, ("x", "y"), keep_integers)
    held_out = of_training(*held_out, ("held_out[0]", "held_out[1]"), keep_integers)
    _check_alike((x, y), held_out)
    for labels, name in ((y, "y"), (held_out[1], "held_out[1]")):
        check_labels(denoiser, labels, name)
    objective = objective or Denoising(settings.weighting, settings.unconditional)
    _check_objective(objective, denoiser, x)
    params, static = eqx.partition(denoiser, is_trained(denoiser))
    if not jax.tree.leaves(params):
        raise ValueError(f"`denoiser` must have parameters to train; {type(denoiser).__name__} has none.")
    dtype = _dtype_of_batch(transform, key, x)
    parts = settings.batch_size // settings.accumulate
    if mesh is not None and parts % mesh.size:
        raise ValueError(f"`batch_size` / `accumulate`, {parts}, must divide by the {mesh.size} devices of the mesh.")
    if checkpoints is not None:
        made_of = identity_of(denoiser, x, y, (held_out[0], held_out[1]), key, settings, objective, transform)
        checkpoints = checkpoints.of_training(made_of)
    static, data, held_out = replicate((static, (x, y), (held_out[0], held_out[1])), mesh)
    fixed = Fixed(static, data, held_out, key, settings, objective, transform, mesh, placement)
    locked = contextlib.nullcontext() if checkpoints is None or not leads() else checkpoints.locked()
    with locked:
        return _run(fixed, params, dtype, checkpoints, tuple(loggers), observe)


def _run(fixed: Fixed, params, dtype, checkpoints, loggers, observe) -> Training:
    """The steps of a training that nothing is left to check of."""
    settings, static, mesh, placement = fixed.settings, fixed.static, fixed.mesh, fixed.placement
    first, state = _begun(params, settings, dtype, checkpoints, placement, mesh)
    held = gather(state.held_out)[:first]
    if checkpoints is not None and first < settings.chunks and leads():
        checkpoints.check_writable()

    clock = Clock()
    bar = tqdm(
        total=settings.steps,
        initial=first * settings.chunk,
        desc="Training",
        unit="step",
        disable=not is_seen(),
    )
    with bar, Writer(checkpoints) as writer:
        for chunk in range(first, settings.chunks):
            if settings.patience is not None and _since_best(held) >= settings.patience:
                break
            steps = min(settings.chunk, settings.steps - chunk * settings.chunk)
            taken = chunk * settings.chunk + steps
            state = run_chunk(fixed, state, jnp.asarray(chunk), steps)
            seen = gather((state.losses[chunk], state.held_out, state.diverged))
            loss, held = float(seen[0]), seen[1][: chunk + 1]
            _check(int(seen[2]), held, taken, fixed, writer)
            scalars = {"loss": loss, "held_out": float(held[-1].min()), "learning_rate": _rate(settings, taken)}
            scalars |= clock(steps * settings.batch_size)
            bar.update(steps)
            bar.set_postfix({name: f"{value:.4g}" for name, value in scalars.items() if name not in _QUIET})
            tell(loggers, taken, scalars)
            writer.save(chunk + 1, state)
            if observe is not None:
                average = debiased(state.averages[0], taken, settings.averages[0])
                observe(taken, eqx.combine(average, static))

    losses, held = gather((state.losses, state.held_out))
    done = ~np.isnan(losses)
    ends = np.minimum((np.arange(settings.chunks) + 1) * settings.chunk, settings.steps)
    history = History(ends[done], losses[done], held[done].min(1), held[done])
    return Training(eqx.combine(state.best, static), history)


def _check_functions(loggers, **functions) -> None:
    """Refuses what cannot be called, and classes, whose parentheses were forgotten."""
    is_function = lambda value: callable(value) and not inspect.isclass(value)
    for name, value in functions.items():
        if not is_function(value) and not (name == "observe" and value is None):
            raise ValueError(f"`{name}` must be a function; got {value!r:.80}.")
    if isinstance(loggers, str) or not isinstance(loggers, Sequence) or not all(map(is_function, loggers)):
        raise ValueError(
            f"`loggers` must be a list of functions of a step and its numbers, such as [entropax.JSONLines(path)]; got "
            f"{loggers!r:.80}."
        )


def _check_alike(given, held_out) -> None:
    """Refuses samples held out that are of another shape than those given, or have conditions where those have none."""
    shapes = lambda tree: jax.tree.map(lambda leaf: leaf.shape[1:], tree)
    for name, wanted, found in zip(("x", "y"), map(shapes, given), map(shapes, held_out)):
        if found != wanted:
            place = ("x", "y").index(name)
            raise ValueError(
                f"`held_out[{place}]` must hold {('samples', 'conditions')[place]} of the shape of those in `{name}`, "
                f"{wanted}; got {found}."
            )


def _check_objective(objective: AbstractObjective, denoiser, x: Array) -> None:
    """Refuses a model that is none of the objective's."""
    if isinstance(objective, Denoising):
        check_trusted(denoiser)
    try:
        objective.unit(denoiser, x[0].size)
    except AttributeError as error:
        name = type(objective).__name__
        raise ValueError(f"`objective`, {name}, is not for `denoiser`, {type(denoiser).__name__}: {error}.") from error


def _dtype_of_batch(transform: Transform, key: PRNGKeyArray, x: Array) -> np.dtype:
    """That of what the network sees."""
    seen = jax.eval_shape(transform, key, x[:1])
    if (
        not isinstance(seen, jax.ShapeDtypeStruct)
        or seen.shape[:1] != (1,)
        or seen.dtype not in (np.float32, np.float64)
    ):
        raise ValueError(
            f"`transform` must return an array of float32 or float64 with one entry for each sample; of one sample it "
            f"returns {seen}."
        )
    return np.dtype(seen.dtype)


def _kind(value) -> str:
    shape = f" of shape {value.shape}" if isinstance(value, jax.Array | np.ndarray) else ""
    return f"{type(value).__name__}{shape}"


# What the progress line leaves to the loggers.
_QUIET = ("learning_rate", "seconds")


@eqx.filter_jit
def _first(params, settings, dtype, placement, mesh) -> State:
    # Buffers are donated to the first chunk: none of them may be the caller's own.
    return placement(jax.tree.map(jnp.copy, start(params, settings, dtype)), mesh)


def _begun(params, settings, dtype, checkpoints: Checkpoints | None, placement, mesh) -> tuple[int, State]:
    """The chunk to begin with, or to go on with, and the state that it begins with."""
    chunk, found = 0, None
    if checkpoints is not None:
        # On the host, whatever devices it will lie on.
        on_host = lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
        shapes = jax.eval_shape(lambda params: start(params, settings, dtype), params)
        found = checkpoints.restore(jax.tree.map(on_host, shapes))
        chunk = 0 if found is None else found[0]
        if not agreed(chunk):
            raise ValueError(
                f"`checkpoints`: the processes of this job do not see the same in {checkpoints.directory}. Name a "
                "folder that all of them share."
            )
    if found is not None:
        # Leaf by leaf, as the whole may be more than one device holds.
        return chunk, jax.tree.map(lambda leaf: placement(jnp.array(leaf), mesh), found[1])
    return 0, _first(params, settings, dtype, placement, mesh)


def _since_best(held: Float[np.ndarray, "chunks averages"]) -> int:
    """How many chunks there were since the one with the least held-out loss."""
    return len(held) - 1 - int(held.min(1).argmin()) if len(held) else 0


def _rate(settings: Settings, step: int) -> float:
    with jax.numpy_dtype_promotion("standard"):
        return float(jnp.asarray(settings.schedule(step)))


def _check(diverged: int, held: np.ndarray, taken: int, fixed: Fixed, writer: Writer) -> None:
    """Whether the training may go on."""
    if diverged >= 0:
        rows = np.asarray(rows_of(fixed.key, diverged, fixed.data[0].shape[0], fixed.settings))
        raise DivergenceError(diverged, rows, writer.standing())
    if not np.isfinite(held[-1]).all():
        raise FloatingPointError(
            f"The held-out loss is not finite after step {taken}, while that of the batches is. {writer.standing()} "
            "Look at the samples held out."
        )
