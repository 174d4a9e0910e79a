"""Bad inputs of transfer entropy and of Gaussian information."""

# pyright: reportArgumentType=false, reportCallIssue=false

import functools

import jax.random as jr
import numpy as np

from entropax import dependence
from entropax.data import SamplesWarning
from tests.bad_inputs import BadInput


SOURCE, TARGET = np.random.default_rng(0).normal(size=(2, 400))
WALK = np.cumsum(np.random.default_rng(1).normal(size=400))


def _transfer(source=SOURCE, target=TARGET, **settings):
    return dependence.transfer_entropy(source, target, **{"key": jr.key(0), **settings})


def _information(x=SOURCE, y=TARGET):
    return dependence.gaussian_information(x, y)


INPUTS = [
    BadInput(name, call, ValueError, says)
    for name, call, says in [
        ("a seed for a key", lambda: _transfer(key=3), ("`key`", "got 3", "jax.random.key(3)")),
        ("half a lag", lambda: _transfer(lags=1.5), ("`lags`", "whole", "1.5")),
        ("no lag", lambda: _transfer(lags=0), ("`lags`", "at least 1", "got 0")),
        ("lags in words", lambda: _transfer(lags="2"), ("`lags`", "whole", "'2'")),
        ("a list of lags", lambda: _transfer(lags=[1, 2]), ("`lags`", "whole", "[1, 2]")),
        ("too many lags", lambda: _transfer(lags=100), ("`lags`", "a quarter of the 400 steps", "100")),
        (
            "a class for its instance",
            lambda: _transfer(fitting=dependence.CrossFitting),
            ("`fitting`", "class", "(...)"),
        ),
        ("half a fold", lambda: dependence.CrossFitting(folds=2.5), ("`folds`", "whole", "2.5")),
        ("folds in words", lambda: dependence.CrossFitting(folds="5"), ("`folds`", "whole", "'5'")),
        ("one fold", lambda: dependence.CrossFitting(folds=1), ("`folds`", "at least 2", "got 1")),
        ("half a step", lambda: dependence.CrossFitting(steps=100.5), ("`steps`", "whole", "100.5")),
        ("a fractional batch", lambda: dependence.CrossFitting(batch_size=32.0), ("`batch_size`", "whole", "32.0")),
        ("a batch of 33", lambda: dependence.CrossFitting(batch_size=33), ("`batch_size`", "multiple of 32", "33")),
        ("no learning rate", lambda: dependence.CrossFitting(learning_rate=np.nan), ("`learning_rate`", "nan")),
        ("no precision", lambda: dependence.CrossFitting(precision=0.0), ("`precision`", "positive", "0.0")),
        ("a precision in words", lambda: dependence.CrossFitting(precision="high"), ("`precision`", "'high'")),
        ("half a neighbour", lambda: dependence.NearestNeighbours(k=1.5), ("`k`", "whole", "1.5")),
        ("no neighbours", lambda: dependence.NearestNeighbours(k=0), ("`k`", "at least 1", "got 0")),
        ("a checkpoint that is a number", lambda: dependence.CrossFitting(checkpoint=3), ("`checkpoint`", "int, 3")),
        *(
            (f"{name} for settings of {quantity.__name__}", call, ("`fitting`", "CrossFitting", found))
            for name, fitting, found in [("none", None, "NoneType"), ("a class", dependence.CrossFitting, "the class")]
            for quantity, arguments in [
                (dependence.mutual_information, (SOURCE, TARGET)),
                (dependence.two_sided_mutual_information, (SOURCE, TARGET)),
                (dependence.total_correlation, (np.stack([SOURCE, TARGET], 1),)),
                (dependence.interaction_information, (SOURCE, TARGET, TARGET[::-1])),
            ]
            for call in [functools.partial(quantity, *arguments, fitting=fitting, key=jr.key(0))]
        ),
        *(
            (f"no second variable in {quantity.__name__}", call, ("`y`", "None"))
            for quantity in (dependence.mutual_information, dependence.two_sided_mutual_information)
            for call in [functools.partial(quantity, SOURCE, None, TARGET, key=jr.key(0))]
        ),
        ("settings as a dictionary", lambda: _transfer(fitting={"folds": 3}), ("`fitting`", "CrossFitting", "dict")),
        ("series of unequal length", lambda: _transfer(target=TARGET[1:]), ("`target`", "400", "399")),
        ("no series", lambda: _transfer([], []), ("`source`", "empty")),
        ("text", lambda: _transfer(SOURCE.astype(str)), ("`source`", "numbers", "text")),
        ("complex numbers", lambda: _transfer(SOURCE + 1j), ("`source`", "real numbers", "complex128")),
        ("a constant series", lambda: _transfer(target=np.ones(400)), ("`target`", "vary", "constant")),
        ("gaps", lambda: _transfer(np.where(SOURCE > 2, np.nan, SOURCE)), ("`source`", "finite", "NaN")),
        ("several trials", lambda: _transfer(SOURCE.reshape(50, 4, 2), TARGET[:50]), ("`source`", "(50, 4, 2)")),
        ("a series from itself", lambda: _transfer(SOURCE, SOURCE), ("`target` and `source`", "linear function")),
        # Gaussian information.
        ("complex columns", lambda: _information(SOURCE + 1j), ("`x`", "real numbers", "complex128")),
        ("columns of text", lambda: _information(SOURCE, TARGET.astype(str)), ("`y`", "numbers", "text")),
        ("other rows", lambda: _information(SOURCE, TARGET[1:]), ("`y`", "400", "399")),
        ("no rows", lambda: _information(np.zeros((0, 2))), ("`x`", "empty", "(0, 2)")),
        ("no columns", lambda: _information(np.zeros((400, 0))), ("`x`", "empty", "(400, 0)")),
        ("one row", lambda: _information(SOURCE[:1], TARGET[:1]), ("`x`", "at least 2 rows", "got 1")),
        ("a constant column", lambda: _information(np.ones(400)), ("`x`", "vary", "[0]")),
        ("NaN", lambda: _information(y=np.where(TARGET > 2, np.nan, TARGET)), ("`y`", "finite", "NaN")),
        ("a variable with itself", lambda: _information(SOURCE, SOURCE), ("`x` and `y`", "linear function")),
        ("fewer rows than columns", lambda: _information(*np.ones((2, 3, 4)).cumsum(0)), ("`x`",)),
        ("no variable", lambda: _information(y=None), ("`y`",)),
    ]
]
INPUTS.append(
    BadInput("a random walk", lambda: _transfer(WALK), SamplesWarning, ("`source`", "not stationary", "differences"))
)
