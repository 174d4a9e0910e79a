"""Bad inputs of the distributions, transforms and checks of `entropax.data`."""

from typing import Any

import jax.random as jr
import numpy as np
import scipy.sparse

from entropax import data
from tests.bad_inputs import BadInput


def normal(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape)


def anything(value: Any) -> Any:
    """Hides from the type checker what is wrong on purpose."""
    return value


def gaussian(**other: Any) -> object:
    parts: dict[str, Any] = dict(dim_x=2, dim_y=2, noise_std=1.0)
    return data.JointGaussian.random(jr.key(0), **(parts | other))


def mixture(**other: Any) -> Any:
    parts: dict[str, Any] = dict(weights=np.ones(2) / 2, means=normal(2, 1), covs=np.ones((2, 1, 1)))
    return data.GaussianMixture(**(parts | other))


def masked() -> Any:
    return np.ma.masked_array(normal(30, 2), mask=np.arange(60).reshape(30, 2) == 7)


BAD_COVARIANCE = np.array([[1.0, 2.0], [2.0, 1.0]])

INPUTS = [
    *(
        BadInput(
            f"{seed} as the seed of a task", lambda seed=seed: data.random_pairs.task(anything(seed)), ValueError, says
        )
        for seed, says in (
            (-1, ("`seed`", "0 or more", "-1")),
            (1.5, ("`seed`", "whole", "1.5")),
            (True, ("`seed`", "whole", "True")),
        )
    ),
    BadInput("no path", lambda: data.load_arrays(anything(None)), ValueError, ("`path`", "file", "None")),
    BadInput("a number as a path", lambda: data.load_arrays(anything(3)), ValueError, ("`path`", "file", "int, 3")),
    BadInput(
        "a seed for rows",
        lambda: data.batch_rows(anything(3), 0, 10, 2),
        ValueError,
        ("`key`", "jax.random.key(3)"),
    ),
    BadInput("a step back", lambda: data.batch_rows(jr.key(0), -1, 10, 2), ValueError, ("`step`", "0 or more", "-1")),
    BadInput(
        "half a step", lambda: data.batch_rows(jr.key(0), anything(0.5), 10, 2), ValueError, ("`step`", "whole", "0.5")
    ),
    BadInput("masked", lambda: data.check_samples(masked()), ValueError, ("`x`", "masks 1 of 60", "Leave")),
    BadInput("masked y", lambda: data.check_samples(normal(30, 2), masked()), ValueError, ("`y`", "masks 1 of 60")),
    BadInput(
        "masked rows in a list",
        lambda: data.standardise(anything(list(masked()))),
        ValueError,
        ("`x`", "masks 1 of 60"),
    ),
    BadInput(
        "sparse matrix",
        lambda: data.check_samples(anything(scipy.sparse.csr_array(normal(30, 2)))),
        ValueError,
        ("`x`", "sparse", "x.toarray()"),
    ),
    BadInput(
        "generator",
        lambda: data.check_samples(anything(row for row in normal(30, 2))),
        ValueError,
        ("`x`", "iterator", "numpy.stack"),
    ),
    BadInput(
        "missing entries",
        lambda: data.check_samples(np.array([[1.0], [None], [2.0]], object)),
        ValueError,
        ("`x`", "real numbers", "NoneType", "dtype=float"),
    ),
    BadInput(
        "dates as numbers",
        lambda: data.rank_gaussianise(anything(np.arange(30).astype("M8[s]")), jr.key(0)),
        ValueError,
        ("`x`", "datetime64[s]", "numpy.timedelta64"),
    ),
    BadInput(
        "integers beyond 2**53",
        lambda: data.check_samples(2**60 + np.arange(30)),
        ValueError,
        ("`x`", "int64", "float64 cannot tell apart", "x - x.min(0)"),
    ),
    BadInput("one row", lambda: data.check_samples(normal(1, 2)), ValueError, ("`x`", "at least 2 rows", "got 1")),
    BadInput("no row", lambda: data.standardise(normal(0, 2)), ValueError, ("`x`", "(num, *shape)", "(0, 2)")),
    BadInput("a number", lambda: data.standardise(anything(3.0)), ValueError, ("`x`", "(num, *shape)", "()")),
    BadInput(
        "NaN to rank", lambda: data.rank_gaussianise(np.array([1.0, np.nan]), jr.key(0)), ValueError, ("`x`", "1 NaN")
    ),
    BadInput("infinity to scale", lambda: data.standardise(np.array([1.0, np.inf])), ValueError, ("`x`", "1 infinite")),
    BadInput("a seed for a key", lambda: data.digits(anything(3)), ValueError, ("`key`", "got 3", "jax.random.key(3)")),
    BadInput("no key", lambda: data.Square().sample(anything(None), 3), ValueError, ("`key`", "got None")),
    BadInput(
        "keys", lambda: data.Moons().sample(jr.split(jr.key(0), 2), 3), ValueError, ("`key`", "array of keys", "(2,)")
    ),
    BadInput(
        "fewer than no samples", lambda: data.Circle().sample(jr.key(0), -1), ValueError, ("`num`", "0 or more", "-1")
    ),
    BadInput(
        "half a sample", lambda: data.Dino().sample(jr.key(0), anything(2.5)), ValueError, ("`num`", "whole", "2.5")
    ),
    BadInput("negative noise", lambda: gaussian(noise_std=-1.0), ValueError, ("`noise_std`", "positive", "-1.0")),
    BadInput("NaN noise", lambda: gaussian(noise_std=np.nan), ValueError, ("`noise_std`", "positive", "nan")),
    BadInput("infinite noise", lambda: gaussian(noise_std=np.inf), ValueError, ("`noise_std`", "finite", "inf")),
    BadInput("noise in words", lambda: gaussian(noise_std="1"), ValueError, ("`noise_std`", "positive", "'1'")),
    BadInput("no dimension", lambda: gaussian(dim_x=0), ValueError, ("`dim_x`", "1 or more", "0")),
    BadInput("half a dimension", lambda: gaussian(dim_y=2.5), ValueError, ("`dim_y`", "whole number", "2.5")),
    BadInput("negative jitter", lambda: gaussian(jitter=-0.1), ValueError, ("`jitter`", "at least 0", "-0.1")),
    BadInput(
        "covariance that is none",
        lambda: data.JointGaussian(BAD_COVARIANCE, np.eye(2), np.eye(2)),
        ValueError,
        ("`cov_x`", "positive definite", "-1"),
    ),
    BadInput(
        "matrix of text",
        lambda: data.JointGaussian(anything(np.full((2, 2), "a")), np.eye(2), np.eye(2)),
        ValueError,
        ("`cov_x`", "numbers", "text"),
    ),
    BadInput(
        "rank beyond the dimension",
        lambda: data.JointGaussian.flattened(jr.key(0), dim_x=2, dim_y=2, rank=3, flat_variance=1e-3, noise_std=1.0),
        ValueError,
        ("`rank`", "dim_x = 2", "3"),
    ),
    BadInput(
        "weights that do not sum to one", lambda: mixture(weights=np.ones(2)), ValueError, ("`weights`", "sum 1", "2.0")
    ),
    BadInput(
        "a weight below zero",
        lambda: mixture(weights=np.array([1.5, -0.5])),
        ValueError,
        ("`weights`", "positive", "-0.5"),
    ),
    BadInput(
        "NaN weights", lambda: mixture(weights=np.array([np.nan, 1.0])), ValueError, ("`weights`", "finite", "NaN")
    ),
    BadInput("NaN means", lambda: mixture(means=np.full((2, 1), np.nan)), ValueError, ("`means`", "finite", "NaN")),
    BadInput(
        "variance below zero", lambda: mixture(covs=-np.ones((2, 1, 1))), ValueError, ("`covs[0]`", "positive definite")
    ),
    BadInput(
        "spread below zero",
        lambda: data.GaussianMixture.random(jr.key(0), num_components=2, dim=1, std=-0.5),
        ValueError,
        ("`std`", "positive", "-0.5"),
    ),
    BadInput(
        "no components",
        lambda: data.GaussianMixture.random(jr.key(0), num_components=0, dim=1),
        ValueError,
        ("`num_components`", "1 or more", "0"),
    ),
    BadInput(
        "one sample for an error bar",
        lambda: mixture().mutual_information(jr.key(0), 1),
        ValueError,
        ("`num`", "2 or more", "1"),
    ),
    BadInput(
        "density at NaN", lambda: mixture().log_prob(np.full((3, 1), np.nan)), ValueError, ("`x`", "finite", "NaN")
    ),
    BadInput("probabilities beyond one", lambda: data.Race(np.eye(2), 2.0), ValueError, ("`joint`", "sum 1", "2")),
    BadInput("odds of others", lambda: data.Race(np.eye(2) / 2, np.ones(3)), ValueError, ("`odds`", "(2,)", "(3,)")),
    BadInput("infinite odds", lambda: data.Race(np.eye(2) / 2, np.inf), ValueError, ("`odds`", "finite")),
    BadInput(
        "rounds below zero",
        lambda: data.Race(np.eye(2) / 2, 2.0).sample(jr.key(0), -1),
        ValueError,
        ("`shape`", "0 or more"),
    ),
    BadInput(
        "an error that is no probability",
        lambda: data.Race.symmetric(np.ones(2) / 2, 2.0, np.nan),
        ValueError,
        ("`error`", "from 0 to 1", "nan"),
    ),
    BadInput("correlation of one", lambda: data.bmi.DensePair(2, 2, 1.0), ValueError, ("`correlation`", "got 1.0")),
    BadInput(
        "more pairs than columns",
        lambda: data.bmi.SparsePair(1, 2, (0.5, 0.5)),
        ValueError,
        ("`correlations`", "at most 1", "2"),
    ),
    BadInput("no degrees of freedom", lambda: data.bmi.StudentPair(1, 1, 0), ValueError, ("`dof`", "positive", "0")),
    BadInput(
        "noise of no width", lambda: data.bmi.AdditiveNoise(1, 1, 0.0), ValueError, ("`width`", "positive", "0.0")
    ),
    BadInput(
        "additive noise in the plane",
        lambda: data.bmi.AdditiveNoise(2, 1, 0.5),
        ValueError,
        ("`dim_x`", "must be 1", "2"),
    ),
    BadInput(
        "half a batch",
        lambda: data.batch_rows(jr.key(0), 0, 10, anything(2.5)),
        ValueError,
        ("`batch_size`", "whole", "2.5"),
    ),
]
