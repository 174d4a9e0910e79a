import functools
import typing
from concurrent.futures import ThreadPoolExecutor

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.core import Tracer

from .._arguments import check_instance
from ..terms import GridBrownianPath, IsotropicNoise


def needs_noise(solver: dfx.AbstractSolver) -> bool:
    """Whether a solver takes a drift and a noise and nothing else."""
    return typing.get_origin(solver.term_structure) is dfx.MultiTerm


def takes_noise(solver: dfx.AbstractSolver) -> bool:
    """Whether a solver converges on SDEs; Euler and Heun are for both kinds."""
    return isinstance(solver, (dfx.AbstractItoSolver, dfx.AbstractStratonovichSolver))


def equivalent(solver: dfx.AbstractSolver) -> dfx.AbstractSolver:
    """A solver with the same steps for noise that does not depend on the state, such as that of a diffusion model.
    There Milstein's methods are Euler's, and [`diffrax.ItoMilstein`][] would take memory by the cube of the batch for a
    correction that is zero."""
    return dfx.Euler() if isinstance(solver, (dfx.ItoMilstein, dfx.StratonovichMilstein)) else solver


def evaluations(solver: dfx.AbstractSolver, *, noisy: bool = False) -> tuple[int, int]:
    """How often a solver asks a vector field: once, and in each step.

    They are counted: two small solves are run as plain Python, and the field counts its calls.

    **Arguments:**

    - `solver`: any solver of Diffrax.
    - `noisy`: whether it solves an SDE; one that is for those alone does anyway.

    **Returns:** the calls before or after all steps, and those of each step.

    **Raises:** `ValueError` for implicit solvers, which ask as often as their equations need.
    """
    check_instance("solver", solver, dfx.AbstractSolver, "Give a solver such as diffrax.Heun().")
    if isinstance(solver, dfx.AbstractImplicitSolver):
        raise ValueError(
            f"`solver` {type(solver).__name__} is implicit: how often it asks is known after a solve only."
        )
    try:
        return _counted(solver, noisy or needs_noise(solver))
    except TypeError:
        # A solver with arrays in it has no hash.
        return _counted.__wrapped__(solver, noisy or needs_noise(solver))


@functools.lru_cache
def _counted(solver, noisy) -> tuple[int, int]:
    # Multistep solvers warm up; from the fifth step on every step is like the next.
    with ThreadPoolExecutor(1) as thread:
        # Whoever asks may be tracing, where no call is made; in another thread nobody is.
        many, more = (thread.submit(_run, solver, noisy, steps).result() for steps in (5, 7))
    each = (more - many) // 2
    return more - 7 * each, each


class _Counter:
    """A vector field that counts its calls, other than those of a trace."""

    def __init__(self):
        self.calls = 0

    def __call__(self, t, y, args):
        self.calls += not isinstance(y, Tracer)
        return -y


def _run(solver, noisy, steps) -> int:
    counter = _Counter()
    with jax.disable_jit():
        ts = jnp.linspace(-2.0, -1.0, steps + 1)
        terms = dfx.ODETerm(counter)
        if noisy:
            path = GridBrownianPath(ts, jr.key(0), (1, 1))
            terms = dfx.MultiTerm(terms, IsotropicNoise(lambda t: jnp.ones(()), path))
        dfx.diffeqsolve(
            terms,
            solver,
            ts[0],
            ts[-1],
            None,
            jnp.ones((1, 1)),
            stepsize_controller=dfx.StepTo(ts),
            max_steps=steps,
            adjoint=dfx.ForwardMode(),
        )
    return counter.calls
