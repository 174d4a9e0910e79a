from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._arguments import check_instance, check_key, check_whole
from ..denoiser import AbstractDenoiser, check_labels, in_own_units, in_units, moments_of, noise
from ..integral import as_samples
from ..parallel import on_each_device, replicate, shard
from ..process import AbstractProcess
from ..terms import GridBrownianPath, probability_flow, ProbabilityFlow, reverse, TimeReversed
from ._brownian import CellwiseBrownianPath
from ._checks import check_parts, check_prediction, check_solved, outcome
from ._evaluations import equivalent, evaluations
from ._sampler import log_snr_shift, Sampler


# The pieces in which noise for adaptive steps is drawn: in each the noise level changes by a small factor.
_CELLS = 64


class Samples(eqx.Module):
    """What a sampler returns.

    **Arguments:**

    - `x`: the samples, shape `(batch, *shape)`.
    - `evaluations`: how often the denoiser was asked for each, shape `(batch,)`: counted, see
        [`entropax.solve.evaluations`][]. `None` for implicit solvers.
    - `steps`: how many steps each took, those that were rejected included, shape `(batch,)`.
    """

    x: Float[Array, " batch *shape"]
    evaluations: Int[Array, " batch"] | None
    steps: Int[Array, " batch"]


class Trajectory(eqx.Module):
    r"""The states that a sampler passes through.

    **Arguments:**

    - `log_snr`: $\lambda$ at the nodes of its grid, increasing, shape `(nodes,)`.
    - `z`: the states there in variance-preserving units, as denoisers see them, shape `(nodes, batch, *shape)`.
    """

    log_snr: Float[Array, " nodes"]
    z: Float[Array, " nodes batch *shape"]


def sample(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    shape: tuple[int, ...],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    sampler: Sampler = Sampler(),
) -> Samples:
    r"""Draws samples by the reverse SDE or the probability flow of a denoiser, from noise at $\lambda(T)$ to data.

    A model of [`entropax.fit`][] is sampled in units of its training data, $u = (x - m)/c$ with $m$ and $c$ of
    [`entropax.Moments`][]: the process acts on $u$, and the samples are returned as $x = m + cu$. The $\lambda$ of a
    sampler and of a trajectory are those of $x$. For standardised data the two are the same.

    **Arguments:**

    - `process`: says at which $\lambda$ the noise begins, and what its own clock is.
    - `denoiser`: the model, guided or not.
    - `shape`: `(batch, *shape)`.
    - `y`: the conditions, a pytree with a leading axis of `batch`.
    - `key`: all randomness. The same key gives the same initial noise under all samplers.
    - `sampler`: the solver, its grid, its clock, its noise.

    **Returns:** [`entropax.solve.Samples`][].

    **Raises:** `ValueError` on conditions that do not match, labels that the model does not know, grids that do not
        increase or leave what the denoiser can be trusted on; `RuntimeError` where a sample leaves all bounds or an
        adaptive solve gives up.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (3), (65); Song et al., Score-based generative modeling through SDEs
        (2021).
    """
    check_parts(process, denoiser, None)
    check_key(key)
    if not isinstance(shape, (tuple, list)) or len(shape) < 1:
        raise ValueError(f"`shape` must be (batch, *shape), a tuple of whole numbers; got {shape!r}.")
    for size in shape:
        check_whole("shape", size, 1)
    latent_key, path_key = jr.split(key)
    return decode(process, denoiser, jr.normal(latent_key, shape), y, key=path_key, sampler=sampler)


def decode(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    latent: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray | None = None,
    sampler: Sampler = Sampler(),
) -> Samples:
    """What a sampler makes of given noise.

    **Arguments:** as [`entropax.sample`][], but

    - `latent`: the state at the most noise in variance-preserving units: draws of N(0, I), or what
        [`entropax.encode`][] found. Lists and integers are taken as [`entropax.nll`][] takes them.
    - `key`: for a sampler with churn.

    **Returns:**, **Raises:** as there; `ValueError` for churn without a key.
    """
    moments = moments_of(denoiser)
    terms, denoiser, ts, latent, y = _begin(process, denoiser, latent, y, key, sampler)
    # Of the sampler what is compiled; the rest are numbers that must not be part of it.
    how = equivalent(sampler.solver), sampler.controller, sampler.max_steps, sampler.mesh, sampler.time, sampler.finish
    end, outcomes, steps = _drawn(terms, denoiser, how, ts, latent, y)
    x = _checked(end, outcomes, sampler, ts)
    x = x if moments is None else moments.mean[None] + moments.scale * x
    return Samples(x, _evaluations(sampler, steps), steps)


def trajectory(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    latent: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray | None = None,
    sampler: Sampler = Sampler(),
) -> Trajectory:
    """All states that [`entropax.decode`][] passes through on its way, with no last denoised mean.

    **Arguments:** as there.

    **Returns:** [`entropax.solve.Trajectory`][].

    **Raises:** as there; `ValueError` for a sampler with a step-size controller, whose steps are no nodes of a grid.
    """
    _check_sampler(sampler)
    if sampler.controller is not None:
        raise ValueError("`sampler` must have a fixed grid for a trajectory: leave its `controller` out.")
    moments = moments_of(denoiser)
    terms, denoiser, ts, latent, y = _begin(process, denoiser, latent, y, key, sampler)
    states, outcomes = _path(terms, denoiser, equivalent(sampler.solver), ts, latent / _scale(sampler.time, -ts[0]), y)
    states = _checked(states, outcomes, sampler, ts)
    scales = jax.vmap(lambda t: _scale(sampler.time, -t))(ts)
    z = states * scales.reshape(-1, *(1,) * latent.ndim)
    log_snr = jax.vmap(sampler.time.log_snr)(-ts)
    if moments is not None:
        # x = (u - (-m/c)) / (1/c).
        back = lambda z, log_snr: in_units(z, log_snr, -moments.mean / moments.scale, 1 / moments.scale)
        z, log_snr = jax.vmap(back)(z, log_snr)
    return Trajectory(log_snr, z)


def encode(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    sampler: Sampler = Sampler(),
) -> Float[Array, " batch *shape"]:
    r"""The noise that the probability flow makes of data, from the least noise to the most: what
    [`entropax.decode`][] takes back to them.

    **Arguments:** as [`entropax.sample`][], but

    - `x`: the data, taken for states at the least noise; lists and integers as [`entropax.nll`][] takes them.
    - `sampler`: one without churn; `finish` has no part in it.

    **Returns:** states at the most noise in variance-preserving units; of data that the denoiser is exact for, draws of
    $\mathcal{N}(0, I)$.

    **Raises:** as [`entropax.sample`][]; `ValueError` for churn.

    ??? cite "Source"
        Song, Meng and Ermon, Denoising diffusion implicit models (2021), Sec. 4.3.
    """
    _check_sampler(sampler)
    check_parts(process, denoiser, None)
    if sampler.noisy:
        raise ValueError(
            f"`sampler` must have no churn to encode with, as noise cannot be undone; got {sampler.churn}."
        )
    x, y = as_samples(x, y)
    check_labels(denoiser, y, "y")
    clock, moments = sampler.time, moments_of(denoiser)
    ts = sampler.times(process, denoiser)[::-1]
    if moments is not None:
        denoiser, x = in_own_units(denoiser), moments.standardise(x)
    x, y = shard((x, y), sampler.mesh)
    clock, denoiser, ts = replicate((clock, denoiser, ts), sampler.mesh)
    terms = probability_flow(clock, denoiser)
    start = x * clock.mean_factor(ts[0])
    solver, controller, max_steps, mesh = sampler.solver, sampler.controller, sampler.max_steps, sampler.mesh
    end, outcomes = _encoded(terms, denoiser, solver, controller, max_steps, mesh, ts, start, y)
    return _checked(end, outcomes, sampler, ts) * _scale(clock, ts[-1])


def _begin(process, denoiser, latent, y, key, sampler):
    """Terms, denoiser and times in the clock of the sampler, t = −s, and the state and the conditions, all on their
    devices."""
    _check_sampler(sampler)
    check_parts(process, denoiser, key)
    latent, _ = as_samples(latent, None, ("latent", "y"))
    # Who draws samples has given no `latent`.
    latent, y = as_samples(latent, y)
    check_labels(denoiser, y, "y")
    latent, y = shard((latent, y), sampler.mesh)
    shift, times = log_snr_shift(denoiser), sampler.times(process, denoiser)
    # On all devices, those of other processes too.
    fixed = sampler.time, in_own_units(denoiser), -times, key, sampler.churn
    clock, denoiser, ts, key, churn = replicate(fixed, sampler.mesh)
    if not sampler.noisy:
        return dfx.ODETerm(TimeReversed(ProbabilityFlow(clock, denoiser), 0.0)), denoiser, ts, latent, y
    if key is None:
        raise ValueError("`key` is needed for a sampler with churn, which draws noise on its way.")
    # As an array it is a number to compiled code, which then serves every churn.
    churn: Any = _Churn(churn, shift) if callable(churn) else jnp.asarray(churn, latent.dtype)
    if _on_grid(sampler.solver, sampler.controller):
        path = GridBrownianPath(ts, key, latent.shape)
    else:
        path = CellwiseBrownianPath(ts=_cells(clock, ts), key=key, shape=(1, *latent.shape[1:]))
    return reverse(clock, denoiser, path, churn, start=0.0), denoiser, ts, latent, y


class _Churn(eqx.Module):
    """A function of the λ of x as one of the λ of u."""

    churn: Callable
    shift: float = eqx.field(static=True)

    def __call__(self, log_snr):
        return self.churn(log_snr - self.shift)


def _cells(clock, ts):
    """Times between the ends of a solve that are equally spaced in λ, whatever its first steps are."""
    first, last = clock.log_snr(-ts[0]), clock.log_snr(-ts[-1])
    cells = -jax.vmap(clock.time)(jnp.linspace(first, last, _CELLS + 1))
    return cells.at[0].set(ts[0]).at[-1].set(ts[-1])


def _on_grid(solver, controller):
    """Whether all samples take the same steps."""
    return controller is None and not isinstance(solver, dfx.AbstractImplicitSolver)


@eqx.filter_jit
def _drawn(terms, denoiser, how, ts, latent, y):
    """All of a draw at once, because a call costs as much as a few evaluations of a small network."""
    solver, controller, max_steps, mesh, clock, finish = how
    x = latent / _scale(clock, -ts[0])
    x, failed, steps = _solved(terms, denoiser, solver, controller, max_steps, mesh, ts, x, y)
    s = -ts[-1]
    if finish is None:
        x = x / clock.mean_factor(s)
    else:
        x = jax.vmap(lambda x, y: _finished(finish, clock, denoiser, x, s, y))(x, y)
    return x, outcome(failed, x), steps


@eqx.filter_jit
def _encoded(terms, denoiser, solver, controller, max_steps, mesh, ts, x, y):
    x, failed, _ = _solved(terms, denoiser, solver, controller, max_steps, mesh, ts, x, y)
    return x, outcome(failed, x)


def _finished(finish, clock, denoiser, x, s, y):
    """What the last state is made into, refused where it has another shape."""
    found = finish(clock, denoiser, x, s, y)
    if jnp.shape(found) != x.shape:
        raise ValueError(
            f"`finish` must return the shape of the state, {x.shape}; it returns {jnp.shape(found)}. It is called for "
            "one sample at a time, finish(process, denoiser, x, s, y)."
        )
    return found


@eqx.filter_jit
def _solved(terms, denoiser, solver, controller, max_steps, mesh, ts, x, y):
    """The states at the end, whether the solver failed for each, and how many steps each took."""
    check_prediction(denoiser, x, y)
    if not _on_grid(solver, controller):
        steps = dfx.StepTo(ts) if controller is None else controller
        return _each(terms, solver, steps, max_steps, mesh, ts, x, y)
    (end, _, failed), _ = jax.lax.scan(*_stepping(terms, solver, ts, x, y))
    return end, jnp.broadcast_to(failed, x.shape[:1]), jnp.full(x.shape[0], ts.size - 1)


@eqx.filter_jit
def _path(terms, denoiser, solver, ts, x, y):
    check_prediction(denoiser, x, y)
    step, start, times = _stepping(terms, solver, ts, x, y)

    def keeping(carry, ends):
        carry, _ = step(carry, ends)
        return carry, carry[0]

    _, states = jax.lax.scan(keeping, start, times)
    states = jnp.concatenate([x[None], states])
    return states, outcome(jnp.zeros(x.shape[0], bool), jnp.swapaxes(states, 0, 1))


def _stepping(terms, solver, ts, x, y):
    """The steps of a fixed grid for `lax.scan`. There is nothing to control, and a loop that could be controlled would
    cost as much as a small network. Reverse-mode derivatives keep the states and make each step again."""

    def step(carry, ends):
        x, state, failed = carry
        x, _, _, state, result = solver.step(terms, *ends, x, y, state, jnp.array(False))
        return (x, state, failed | (result != dfx.RESULTS.successful)), None

    start = x, solver.init(terms, ts[0], ts[1], x, y), jnp.array(False)
    return jax.checkpoint(step, prevent_cse=False), start, (ts[:-1], ts[1:])


def _each(terms, solver, controller, max_steps, mesh, ts, x, y):
    """A solve for every sample, with steps and noise of its own."""

    def one(x, y, i):
        own = terms
        if isinstance(terms, dfx.MultiTerm):
            own = eqx.tree_at(lambda t: t.terms[1].path.key, terms, jr.fold_in(terms.terms[1].path.key, i))
        y = jax.tree.map(lambda leaf: leaf[None], y)
        out = dfx.diffeqsolve(
            own,
            solver,
            ts[0],
            ts[-1],
            None if isinstance(controller, dfx.StepTo) else ts[1] - ts[0],
            x[None],
            y,
            stepsize_controller=controller,
            max_steps=max_steps,
            throw=False,
        )
        assert out.ys is not None
        return out.ys[0, 0], out.result != dfx.RESULTS.successful, out.stats["num_steps"]

    return on_each_device(jax.vmap(one), mesh)(x, y, jnp.arange(x.shape[0]))


def _scale(clock, s):
    """What turns states of a clock into variance-preserving units."""
    return noise(clock.log_snr(s)) / clock.std(s)


def _check_sampler(sampler):
    check_instance(
        "sampler",
        sampler,
        Sampler,
        "Write entropax.Sampler(), or entropax.Sampler(solver) for another solver than its own.",
    )


def _checked(x, outcomes, sampler, ts):
    name = type(sampler.solver).__name__
    return check_solved(
        x,
        outcomes,
        f"became infinite or NaN under {name} in {ts.size - 1} steps: give more `steps`, another grid, less "
        "guidance, or look at the denoiser there; labels that a model does not have do the same",
        f"did not reach the end under {name} in `max_steps` = {sampler.max_steps}: raise `max_steps`, or give a looser "
        "tolerance",
    )


def _evaluations(sampler, steps):
    if isinstance(sampler.solver, dfx.AbstractImplicitSolver):
        return None
    once, each = evaluations(sampler.solver, noisy=sampler.noisy)
    return once + int(sampler.finish is not None) + each * steps
