import inspect
from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh
from jaxtyping import Array, Float

from .._arguments import check_finite, check_instance, check_whole
from ..denoiser import AbstractDenoiser, denoised_mean, in_own_units, moments_of, own_model
from ..parallel import check_mesh
from ..process import AbstractProcess, NoiseRatio
from ..terms import check_churn
from ._checks import check_tolerances
from ._evaluations import needs_noise, takes_noise
from ._grids import AbstractGrid, check_increasing, UniformLogSNR
from ._multistep import AbstractMultistep, DPMSolverPlusPlus
from ._multistep_sde import SDEDPMSolverPlusPlus


# Where samplers end that are told of no end: noise of 1/400 of the data, which the denoised mean takes off.
_LEAST_NOISE = 12.0

# A clock without end. The times of a solve are found from λ, so that it costs no digits.
_NOISE_RATIO = NoiseRatio(T=1e6)


class Sampler(eqx.Module):
    r"""How samples are drawn: every part can be exchanged for any other.

    Every $\lambda$ that a sampler is given, in its range, its grid and its churn, is that of the samples, as
    `denoiser.log_snr_range` is, whatever the units in which it solves.

    **Arguments:**

    - `solver`: any solver of Diffrax for ODEs or for SDEs with additive noise, or
        [`entropax.solve.DPMSolverPlusPlus`][], [`entropax.solve.UniPC`][], [`entropax.solve.AdamsBashforth`][],
        [`entropax.solve.SDEDPMSolverPlusPlus`][].
    - `steps`: of a fixed grid; the first step of an adaptive solve is as long as its first one.
    - `grid`: where they lie.
    - `clock`: the process in whose time and units it is solved: the sampled process itself for its native clock,
        [`entropax.LogSNR`][] for steps in $\lambda$; that of the noise-to-signal ratio ([`entropax.NoiseRatio`][])
        where it is not given, in which [`diffrax.Euler`][] is DDIM and [`diffrax.Heun`][] the sampler of EDM.
    - `churn`: $\eta$ of the reverse SDE, a number or a function of $\lambda$; 0 is the probability flow.
    - `controller`: a step-size controller of Diffrax, for adaptive solves: every sample has steps of its own.
    - `log_snr_range`: $\lambda$ of the most and the least noise. Where it is not given, from that of the process at $T$
        to 12, or to the end of the trained range of a model of [`entropax.fit`][], within what the
        denoiser can be trusted on.
    - `finish`: what is made of the last state, `finish(process, denoiser, x, s, y)`: its denoised mean, which costs one
        evaluation, or nothing at all for `None`. All of its arguments are in the units of the solve.
    - `max_steps`: after how many an adaptive solve gives up.
    - `mesh`: the devices that the batch is spread over, as of [`entropax.parallel.make_mesh`][].

    **Raises:** `ValueError` where parts do not fit: a solver for SDEs without churn, one for ODEs with it, a multistep
        solver with a controller or another clock, fewer steps than one or a fraction, churn that is negative or not
        finite, negative tolerances, a range that does not increase, a mesh with explicit axes, and where a class or a
        function is given for an instance.
    """

    solver: dfx.AbstractSolver = DPMSolverPlusPlus(2)
    steps: int = eqx.field(default=20, static=True)
    grid: AbstractGrid = UniformLogSNR()
    clock: AbstractProcess | None = None
    churn: float | Float[Array, ""] | Callable[[Array], Array] = 0.0
    controller: dfx.AbstractStepSizeController | None = None
    log_snr_range: tuple[float, float] | None = None
    finish: Callable | None = denoised_mean
    max_steps: int = eqx.field(default=4096, static=True)
    mesh: Mesh | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        check_instance("solver", self.solver, dfx.AbstractSolver, "Give a solver such as diffrax.Heun().")
        check_whole("steps", self.steps, 1)
        check_instance("grid", self.grid, AbstractGrid, "Give nodes of your own as entropax.solve.Nodes(log_snr).")
        check_instance("clock", self.clock, (AbstractProcess, type(None)))
        check_churn(self.churn)
        check_instance("controller", self.controller, (dfx.AbstractStepSizeController, type(None)))
        if isinstance(self.controller, dfx.PIDController):
            check_tolerances(self.controller.rtol, self.controller.atol)
        if self.log_snr_range is not None:
            _check_range(self.log_snr_range)
        if self.finish is not None and (not callable(self.finish) or inspect.isclass(self.finish)):
            raise ValueError(
                f"`finish` must be a function, finish(process, denoiser, x, s, y), or None; got {self.finish!r}."
            )
        check_whole("max_steps", self.max_steps, 1)
        check_mesh(self.mesh)
        name = type(self.solver).__name__
        if needs_noise(self.solver) and not takes_noise(self.solver):
            raise ValueError(f"`solver` {name} is for a sum of two ODE terms, which a diffusion model is not.")
        if needs_noise(self.solver) and not self.noisy:
            raise ValueError(
                f"`solver` {name} is for SDEs and `churn` is 0: give `churn=1.0`, or a solver for ODEs such as "
                "DPMSolverPlusPlus() or diffrax.Heun()."
            )
        if self.noisy and not takes_noise(self.solver):
            raise ValueError(
                f"`solver` {name} is for ODEs and `churn` is {self.churn}: give `churn=0.0`, or a solver for SDEs such "
                "as SDEDPMSolverPlusPlus() or diffrax.ShARK()."
            )
        if isinstance(self.solver, (AbstractMultistep, SDEDPMSolverPlusPlus)):
            if self.controller is not None:
                raise ValueError(
                    f"`solver` {name} is a multistep one and has no error estimate: leave `controller` out, or give a "
                    "Runge-Kutta solver such as diffrax.Tsit5()."
                )
            native = isinstance(self.solver, AbstractMultistep) and not self.solver.needs_noise_ratio
            if not native and not isinstance(self.clock, NoiseRatio | None):
                raise ValueError(
                    f"`solver` {name} is for the clock of the noise-to-signal ratio; got `clock` "
                    f"{type(self.clock).__name__}. Leave `clock` out, or give another solver."
                )
        if isinstance(self.solver, dfx.AbstractImplicitSolver) and self.controller is None:
            # A root finder without tolerances of its own takes those of the controller.
            finder = self.solver.root_finder
            if not all(isinstance(getattr(finder, each, 0.0), (int, float, Array)) for each in ("rtol", "atol")):
                raise ValueError(
                    f"`solver` {name} is implicit, and its equations need tolerances: give "
                    f"`controller=diffrax.PIDController(rtol, atol)`, or the solver a root finder that has them, "
                    f"{name}(root_finder=diffrax.VeryChord(rtol=1e-5, atol=1e-5))."
                )
        adaptive = isinstance(self.controller, dfx.AbstractAdaptiveStepSizeController)
        if adaptive and not isinstance(self.solver, (dfx.AbstractAdaptiveSolver, dfx.AbstractSRK)):
            raise ValueError(
                f"`solver` {name} has no error estimate for `controller` {type(self.controller).__name__}: leave it "
                f"out, or give a solver that has one, such as diffrax.Tsit5() or diffrax.HalfSolver({name}())."
            )

    @property
    def noisy(self) -> bool:
        """Whether it draws from an SDE; a churn that is traced, or a function, counts as one that is not zero."""
        return isinstance(self.churn, Tracer) or callable(self.churn) or bool(self.churn != 0)

    @property
    def time(self) -> AbstractProcess:
        """The process in whose time and units it is solved."""
        return _NOISE_RATIO if self.clock is None else self.clock

    def nodes(self, process: AbstractProcess, denoiser: AbstractDenoiser) -> Float[Array, " nodes"]:
        r"""The $\lambda$ of its grid for a process and a denoiser, from noise to data.

        **Raises:** `ValueError` where they do not increase, or lie beyond what the denoiser is trusted on or the clock
            reaches.
        """
        return self._laid(process, denoiser)[0] - log_snr_shift(denoiser)

    def times(self, process: AbstractProcess, denoiser: AbstractDenoiser) -> Float[Array, " nodes"]:
        """The times of its clock at these nodes, decreasing.

        **Raises:** as there.
        """
        return self._laid(process, denoiser)[1]

    def _laid(self, process, denoiser):
        """The nodes in the units that it solves in, and their times."""
        shift, own = log_snr_shift(denoiser), in_own_units(denoiser)
        model = own_model(own)
        # The data of a model that has measured them are resolved where its trained range ends.
        end = _LEAST_NOISE if model is None else model.trained_range[1]
        # As arrays they are numbers to compiled code, which then serves every range.
        given = None if self.log_snr_range is None else tuple(jnp.asarray(end + shift) for end in self.log_snr_range)
        laid = _lay(process, self.time, self.grid.shifted(shift), self.steps, own.log_snr_range, end, given)
        nodes, times, ends, reach = laid
        if not any(isinstance(number, Tracer) for number in (nodes, ends, reach)):
            found = (number - shift for number in jax.device_get((nodes, ends, reach)))
            self._check(denoiser.log_snr_range, *found)
        return nodes, times

    def _check(self, trusted, nodes, ends, reach):
        _check_range(ends)
        check_increasing(nodes)
        first, last = nodes[0], nodes[-1]
        if first < trusted[0] - 1e-3 or last > trusted[1] + 1e-3:
            raise ValueError(
                f"The grid runs from λ = {first:.3f} to {last:.3f}, and the denoiser can be trusted on "
                f"({trusted[0]:.3f}, {trusted[1]:.3f}): give a `log_snr_range` within it."
            )
        end, start = reach
        if first < end - 1e-3 or last > start:
            raise ValueError(
                f"The grid runs from λ = {first:.3f} to {last:.3f}, and `clock` {type(self.time).__name__} reaches "
                f"from {end:.3f} to {start:.3f}: give it another `T`, or another `log_snr_range`."
            )


def log_snr_shift(denoiser: AbstractDenoiser) -> float:
    r"""By how much the $\lambda$ that a sampler solves in is larger than that of the samples."""
    moments = moments_of(denoiser)
    return 0.0 if moments is None else moments.shift


@eqx.filter_jit
def _lay(process, clock, grid, steps, trusted, end, given):
    """The nodes, their times, the ends that were asked for, and what the clock reaches."""
    if given is None:
        given = jnp.maximum(process.log_snr(jnp.asarray(process.T)), trusted[0]), min(end, trusted[1])
    ends = jnp.asarray(given)
    reach = jnp.stack([clock.log_snr(jnp.asarray(s)) for s in (clock.T, 0.0)])
    # The grid follows the process but is no function of its parameters to derivatives.
    nodes = jax.lax.stop_gradient(grid(process, ends[0], ends[1], steps))
    return nodes, jax.vmap(clock.time)(nodes), ends, reach


def _check_range(ends):
    if not isinstance(ends, (tuple, list, np.ndarray)) or len(ends) != 2:
        raise ValueError(f"`log_snr_range` must be two finite numbers that increase; got {ends}.")
    low, high = ends
    if isinstance(low, Tracer) or isinstance(high, Tracer):
        return
    check_finite(log_snr_range=low)
    check_finite(log_snr_range=high)
    if not low < high:
        raise ValueError(f"`log_snr_range` must be two finite numbers that increase; got ({low}, {high}).")
