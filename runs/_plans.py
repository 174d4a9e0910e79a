"""The plans of sweeps, by name."""

from collections.abc import Callable
from typing import get_args, Literal

from runs._settings import GridName, Plan, SolverName
from runs._sweep import Config


PlanName = Literal["smoke", "toy", "image"]

_GRIDS = get_args(GridName)
_BUDGETS = (5, 8, 10, 15, 20, 30, 50)
_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0, 7.0)
_INTERVALS = (None, (-3.0, 3.0), (-1.0, 5.0))


def smoke() -> Plan:
    """A little of everything."""
    budget = {"evaluations": [10]}
    return (
        Plan.product(problem=["gaussian"], solver=["dpm2"], grid=["karras", "log_snr", "time"], **budget)
        + Plan.product(problem=["mixture"], solver=["dpm2", "sde_dpm2"], grid=_GRIDS, churn=[0.0, 1.0], **budget)
        + Plan.product(problem=["mixture"], solver=["sde_dpm2"], churn=[0.3, 0.6], seed=[0, 1], **budget)
        + Plan.product(
            problem=["mixture"], solver=["dpm2"], weight=[0.0, 1.0, 3.0], interval=[None, (-3.0, 3.0)], **budget
        )
    )


def toy() -> Plan:
    """Every solver at every budget on every grid, where the score is exact; then one axis at a time."""
    problems = ["gaussian", "mixture"]
    solvers = get_args(SolverName)
    mixture = {"problem": ["mixture"]}
    return (
        Plan.product(problem=problems, solver=solvers, evaluations=_BUDGETS, grid=_GRIDS, churn=[0.0, 1.0])
        + Plan.product(**mixture, solver=["euler", "heun", "ab3"], evaluations=[10, 20], clock=["log_snr", "native"])
        + Plan.product(**mixture, solver=["dpm2"], evaluations=[10], grid_parameter=[1.0, 2.0, 3.0, 5.0, 10.0])
        + Plan.product(**mixture, solver=["sde_dpm2"], evaluations=[20], churn=[0.1, 0.2, 0.5, 1.5], seed=[0, 1, 2])
        + Plan.product(**mixture, solver=["dpm2"], evaluations=[20], weight=_WEIGHTS, interval=_INTERVALS)
        + Plan.product(**mixture, solver=["dpm2"], evaluations=[20], precision=["float32", "bfloat16"], seed=[0, 1, 2])
        + Plan.product(
            problem=problems, solver=["tsit5", "dopri8"], evaluations=[None], tolerance=[1e-1, 1e-2, 1e-3, 1e-4]
        )
    )


def image() -> Plan:
    """Digits by a trained network: the solvers that count, guidance, noise, precision."""
    digits = {"problem": ["digits"]}
    few = ["euler", "heun", "dpm2", "dpm3", "unipc2", "ab3", "sde_dpm2"]
    return (
        Plan.product(**digits, solver=few, evaluations=_BUDGETS, grid=_GRIDS, churn=[0.0, 1.0])
        + Plan.product(**digits, solver=["dpm2"], evaluations=[20], weight=_WEIGHTS, interval=_INTERVALS)
        + Plan.product(**digits, solver=["sde_dpm2"], evaluations=[50], churn=[0.2, 0.5, 1.5], seed=[0, 1, 2])
        + Plan.product(**digits, solver=["dpm2"], evaluations=[20], precision=["float32", "bfloat16"], seed=[0, 1, 2])
    )


PLANS: dict[PlanName, tuple[Callable[[], Plan], Config]] = {
    "smoke": (smoke, Config("smoke", samples=500)),
    "toy": (toy, Config("toy", samples=2_000)),
    # As many as there are digits that no network has seen.
    "image": (image, Config("image", samples=360)),
}
