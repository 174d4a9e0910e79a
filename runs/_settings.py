"""What a sweep goes over: one setting of a sampler, and plans of many.

A command line and a file of results need names, which the library does without: the only tables from names to objects
are here.
"""

import collections
import dataclasses
import functools
import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, get_args, Literal

import diffrax as dfx
import jax
import jax.numpy as jnp

import entropax as ex


ProblemName = Literal["gaussian", "mixture", "digits"]
SolverName = Literal[
    "euler", "heun", "midpoint", "bosh3", "tsit5", "dopri8", "ab2", "ab3", "ab4", "dpm2", "dpm3", "unipc2", "unipc3",
    "sde_dpm1", "sde_dpm2", "sea", "shark",
]  # fmt: skip
GridName = Literal["karras", "log_snr", "time", "cosine", "entropic"]
ClockName = Literal["noise_ratio", "log_snr", "native"]
Precision = Literal["float32", "bfloat16"]

SOLVERS: dict[SolverName, dfx.AbstractSolver] = {
    "euler": dfx.Euler(),
    "heun": dfx.Heun(),
    "midpoint": dfx.Midpoint(),
    "bosh3": dfx.Bosh3(),
    "tsit5": dfx.Tsit5(),
    "dopri8": dfx.Dopri8(),
    "ab2": ex.solve.AdamsBashforth(2),
    "ab3": ex.solve.AdamsBashforth(3),
    "ab4": ex.solve.AdamsBashforth(4),
    "dpm2": ex.solve.DPMSolverPlusPlus(2),
    "dpm3": ex.solve.DPMSolverPlusPlus(3),
    "unipc2": ex.solve.UniPC(2),
    "unipc3": ex.solve.UniPC(3),
    "sde_dpm1": ex.solve.SDEDPMSolverPlusPlus(1),
    "sde_dpm2": ex.solve.SDEDPMSolverPlusPlus(2),
    "sea": dfx.SEA(),
    "shark": dfx.ShARK(),
}

# The process of all problems; at its end λ = -10.
PROCESS = ex.VariancePreserving(beta_max=20.0)
CLOCKS: dict[ClockName, ex.AbstractProcess | None] = {
    "noise_ratio": None,
    "log_snr": ex.LogSNR(),
    "native": PROCESS,
}

# An adaptive solve has no steps of its own to say how long the first one is.
_ADAPTIVE_STEPS = 20


@dataclasses.dataclass(frozen=True)
class Setting:
    r"""How samples are drawn, in plain values.

    **Arguments:**

    - `problem`: of what.
    - `solver`, `clock`, `churn`: as in [`entropax.Sampler`][].
    - `evaluations`: the most that a sample may ask the denoiser, the last denoised mean included. The solver takes as
        many steps as that allows, and what is left over is left: Heun makes 9 of 10. A guided denoiser asks its network
        twice. `None` for adaptive solves.
    - `grid`, `grid_parameter`: where the steps lie; the parameter is $\rho$ of `karras`, 7 where it is not given.
    - `weight`, `interval`: guidance and the $\lambda$ between which there is any. `None` for none at all, which is half
        the work of weight 0.
    - `log_snr_range`: from which to which $\lambda$.
    - `tolerance`: relative and absolute, of an adaptive solve.
    - `precision`: in which the denoiser computes; the state is float32.
    - `seed`: the same one gives all settings the same initial noise.

    **Raises:** `ValueError` on names that are not known, and `Impossible`, a `ValueError`, on parts that do not fit.
    """

    problem: ProblemName = "mixture"
    solver: SolverName = "dpm2"
    evaluations: int | None = 20
    grid: GridName = "karras"
    grid_parameter: float | None = None
    clock: ClockName = "noise_ratio"
    churn: float = 0.0
    weight: float | None = None
    interval: tuple[float, float] | None = None
    log_snr_range: tuple[float, float] = (-9.0, 9.0)
    tolerance: float | None = None
    precision: Precision = "float32"
    seed: int = 0

    def __post_init__(self):
        names = {"problem": ProblemName, "solver": SolverName, "grid": GridName, "clock": ClockName}
        for field, known in (names | {"precision": Precision}).items():
            if getattr(self, field) not in get_args(known):
                raise ValueError(f"`{field}` must be one of {get_args(known)}; got {getattr(self, field)!r}.")
        # 1 and 1.0, [a, b] and (a, b) are one setting with one hash.
        for field in ("grid_parameter", "churn", "weight", "tolerance"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, float(getattr(self, field)))
        for field in ("interval", "log_snr_range"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, tuple(float(end) for end in getattr(self, field)))
        self._check()

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @property
    def hash(self) -> str:
        """Twelve hex digits that follow from the values alone."""
        return hashlib.sha256(json.dumps(self.plain, sort_keys=True).encode()).hexdigest()[:12]

    @functools.cached_property
    def _cost(self) -> tuple[int, int]:
        return ex.solve.evaluations(SOLVERS[self.solver], noisy=self.churn != 0)

    @property
    def steps(self) -> int:
        """As many as the evaluations allow; of an adaptive solve those by which the first one is chosen."""
        if self.evaluations is None:
            return _ADAPTIVE_STEPS
        once, each = self._cost
        return (self.evaluations - 1 - once) // each

    def made(self, steps: float) -> float:
        """How often so many steps ask the denoiser."""
        once, each = self._cost
        return once + 1 + each * steps

    @property
    def static(self) -> tuple:
        """What must be compiled anew; all else are numbers to the compiled code."""
        return (
            self.problem,
            self.solver,
            self.steps,
            self.clock,
            "churn" if self.churn != 0 else "no churn",
            "free" if self.weight is None else "guided",
            self.precision,
            "fixed" if self.tolerance is None else "adaptive",
        )

    def guide(self, denoiser: ex.AbstractDenoiser) -> ex.AbstractDenoiser:
        """The denoiser under guidance and in the precision of this setting."""
        if self.weight is not None:
            low, high = (-math.inf, math.inf) if self.interval is None else self.interval
            denoiser = ex.Guided(denoiser, ex.Interval(self.weight, low, high))
        return denoiser if self.precision == "float32" else InHalf(denoiser)

    def sampler(self, nodes: ex.solve.Nodes) -> ex.Sampler:
        """With numbers as arrays, so that compiled code serves all of them; the nodes, too, come from outside."""
        controller = None
        if self.tolerance is not None:
            tolerance = jnp.asarray(self.tolerance)
            controller = dfx.PIDController(rtol=tolerance, atol=tolerance)
        return ex.Sampler(
            SOLVERS[self.solver],
            steps=self.steps,
            grid=nodes,
            clock=CLOCKS[self.clock],
            churn=jnp.asarray(self.churn) if self.churn != 0 else 0.0,
            controller=controller,
        )

    def _check(self):
        if (self.evaluations is None) == (self.tolerance is None):
            raise Impossible("Either `evaluations` or `tolerance` must be given: a solve is adaptive or it is not.")
        if self.interval is not None and self.weight is None:
            raise Impossible("`interval` says where guidance is, and `weight` is None: give both or neither.")
        if self.grid_parameter is not None and self.grid != "karras":
            raise Impossible(f"`grid_parameter` is that of karras; got `grid` {self.grid}.")
        if self.tolerance is not None and not self.tolerance > 0:
            raise ValueError(f"`tolerance` must be positive; got {self.tolerance}.")
        for name, ends in (("interval", self.interval), ("log_snr_range", self.log_snr_range)):
            if ends is not None and not ends[0] < ends[1]:
                raise ValueError(f"`{name}` must be two numbers that increase; got {ends}.")
        if not math.isfinite(self.churn) or self.churn < 0:
            raise ValueError(f"`churn` must be finite and not negative; got {self.churn}.")
        solver = SOLVERS[self.solver]
        # The sampler says best what does not fit; of the steps we know more than it does.
        try:
            ex.Sampler(
                solver,
                clock=CLOCKS[self.clock],
                churn=self.churn,
                controller=None if self.tolerance is None else dfx.PIDController(rtol=1e-3, atol=1e-3),
            )
        except ValueError as error:
            raise Impossible(str(error)) from None
        # Counted here, because inside of compiled code, where a sampler would ask first, calls are not seen.
        ex.solve.evaluations(solver, noisy=self.churn != 0)
        if self.steps < 1:
            raise Impossible(
                f"`evaluations` {self.evaluations} are less than one step of {self.solver} needs, "
                f"{int(self.made(1))} with the last denoised mean."
            )


class Impossible(ValueError):
    """A setting whose parts do not fit: what a product of axes may hold, and leaves out."""


class InHalf(ex.AbstractDenoiser):
    r"""A denoiser that computes in bfloat16: its parameters, the state and $\lambda$ are rounded to it.

    **Arguments:**

    - `denoiser`: in float32.
    """

    denoiser: ex.AbstractDenoiser

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(self, z, log_snr, y=None):
        floating = lambda leaf: isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)
        rounded = lambda leaf: leaf.astype(jnp.bfloat16) if floating(leaf) else leaf
        denoiser, inputs, y = jax.tree.map(rounded, (self.denoiser, (z, log_snr), y))
        return denoiser(*inputs, y).astype(z.dtype)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Settings to go through, each once.

    **Arguments:**

    - `settings`: the settings, in an order in which those that share compiled code follow each other.
    - `left_out`: how many combinations were impossible, by reason.
    """

    settings: tuple[Setting, ...]
    left_out: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @staticmethod
    def of(settings: Iterable[Setting], left_out: collections.Counter[str] | None = None) -> "Plan":
        """In order, and each once."""
        groups: dict[tuple, dict[str, Setting]] = {}
        for setting in settings:
            groups.setdefault(setting.static, {})[setting.hash] = setting
        ordered = tuple(itertools.chain.from_iterable(group.values() for group in groups.values()))
        return Plan(ordered, collections.Counter() if left_out is None else left_out)

    @staticmethod
    def product(**axes: Sequence[Any]) -> "Plan":
        """All combinations of the values of fields that are possible. The others are counted, by reason.

        **Raises:** `ValueError` for names that are not known.
        """
        found, left_out = [], collections.Counter()
        for values in itertools.product(*axes.values()):
            try:
                found.append(Setting(**dict(zip(axes, values))))
            except Impossible as reason:
                left_out[str(reason)] += 1
        return Plan.of(found, left_out)

    def __add__(self, other: "Plan") -> "Plan":
        return Plan.of(self.settings + other.settings, self.left_out + other.left_out)

    def __len__(self) -> int:
        return len(self.settings)

    def share(self, shard: int, shards: int) -> tuple[Setting, ...]:
        """The settings of one of several workers: as many as the others have, and next to each other, so that no more
        is compiled twice than there are borders between shares."""
        if not 0 <= shard < shards:
            raise ValueError(f"`shard` must be one of 0 to {shards - 1}; got {shard}.")
        first, end = (len(self) * i // shards for i in (shard, shard + 1))
        return self.settings[first:end]
