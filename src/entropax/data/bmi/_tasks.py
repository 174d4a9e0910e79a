"""The forty tasks of Beyond Normal."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, PRNGKeyArray, Real
from scipy.special import ndtr

from . import _transforms as maps
from ._laws import AbstractPair, AdditiveNoise, DensePair, SparsePair, StudentPair


Map = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Task:
    """Two variables with a known mutual information: those of a joint distribution, each mapped one to one.

    **Arguments:**

    - `name`: as the benchmark's package calls it.
    - `law`: of the variables before they are mapped.
    - `maps_x`, `maps_y`: the maps, in their order.

    ??? cite "Source"
        Czyż et al., Beyond Normal: on the evaluation of mutual information estimators (2023).
    """

    name: str
    law: AbstractPair
    maps_x: tuple[Map, ...] = ()
    maps_y: tuple[Map, ...] = ()

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats, which no map changes."""
        return self.law.mutual_information

    def sample(
        self, key: PRNGKeyArray, num: int
    ) -> tuple[Float64[np.ndarray, "num dim_x"], Real[np.ndarray, "num dim_y"]]:
        """Draws `num` pairs. Tasks of one law have the same pairs before their maps."""
        x, y, _ = self.sample_with_pointwise(key, num)
        return x, y

    def sample_with_pointwise(
        self, key: PRNGKeyArray, num: int
    ) -> tuple[Float64[np.ndarray, "num dim_x"], Real[np.ndarray, "num dim_y"], Float64[np.ndarray, " num"]]:
        """Draws `num` pairs, and the exact log p(x, y) / p(x) p(y) of each."""
        x, y = self.law.sample(key, num)
        pointwise = self.law.pointwise(x, y)
        return _through(x, self.maps_x), _through(y, self.maps_y), pointwise

    def mapped(self, prefix: str, map_x: Map, map_y: Map) -> "Task":
        """The same task with one more map of each variable."""
        return Task(f"{prefix}-{self.name}", self.law, (*self.maps_x, map_x), (*self.maps_y, map_y))


def tasks() -> tuple[Task, ...]:
    """All forty, in the order of their paper."""
    normal = Task("1v1-normal-0.75", SparsePair(1, 1, (0.75,)))
    sparse = [Task(f"multinormal-sparse-{d}-{d}-2-2.0", SparsePair(d, d, (0.8, 0.8))) for d in (2, 3, 5, 25)]
    wide = sparse[1:]
    uniform = [_uniform(task) for task in wide]
    return (
        normal,
        _uniform(normal),
        Task("1v1-additive-0.1", AdditiveNoise(1, 1, 0.1)),
        Task("1v1-additive-0.75", AdditiveNoise(1, 1, 0.75)),
        Task("1v1-bimodal-0.75", normal.law, (maps.bimodal_x,), (maps.bimodal_y,)),
        normal.mapped("wiggly", maps.wiggly_x, maps.wiggly_y),
        normal.mapped("half_cube", maps.half_cube, maps.half_cube),
        _student(1, 1),
        _student(1, 1).mapped("asinh", np.arcsinh, np.arcsinh),
        Task("swissroll_x-normal_cdf-1v1-normal-0.75", normal.law, (ndtr, maps.swiss_roll), (ndtr,)),
        *(Task(f"multinormal-dense-{d}-{d}-0.5", DensePair(d, d, 0.5)) for d in (2, 3, 5, 25, 50)),
        *sparse,
        *(_student(d, dof) for d, dof in ((2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3))),
        *uniform,
        *(task.mapped("half_cube", maps.half_cube, maps.half_cube) for task in wide),
        *(_spiral(task) for task in (*wide, *uniform)),
        *(_student(d, dof).mapped("asinh", np.arcsinh, np.arcsinh) for d, dof in ((2, 1), (3, 2), (5, 2))),
    )


def _uniform(task):
    return task.mapped("normal_cdf", ndtr, ndtr)


def _student(dim, dof):
    return Task(f"student-identity-{dim}-{dim}-{dof}", StudentPair(dim, dim, dof))


def _spiral(task):
    turn = lambda plane: functools.partial(maps.spiral, plane=plane)
    return task.mapped("spiral", turn((0, 1)), turn((1, 2)))


def _through(values, each):
    for one in each:
        values = one(values)
    return values
