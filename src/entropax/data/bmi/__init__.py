"""The benchmark Beyond Normal (BMI): forty pairs of variables whose mutual information is known."""

from ._laws import (
    AbstractPair as AbstractPair,
    AdditiveNoise as AdditiveNoise,
    DensePair as DensePair,
    SparsePair as SparsePair,
    StudentPair as StudentPair,
)
from ._tasks import Task as Task, tasks as tasks
