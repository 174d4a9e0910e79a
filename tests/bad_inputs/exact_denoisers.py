"""Bad inputs of exact denoisers, of samples that they exclude, and of references that are fitted to the samples."""

# pyright: reportArgumentType=false

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


KEY = jr.key(0)
GRID = ex.Grid(0.0, 1.0, 2)
EDGES = (0.0, 1.0, 2.0)
NUMBER: Any = 4
MEAN: Any = lambda x: x.mean(0)


def _normal(dim=1):
    return ex.Gaussian(np.zeros(dim), np.eye(dim))


def _fitted(x):
    return ex.total_correlation(_normal(2), jnp.asarray(x), key=KEY)


def _uniform():
    return ex.Histogram((1.0, 2.0), np.zeros((1, 1)))


def _posterior_of_a_wrong_label():
    points = jnp.array([[-1.0], [1.0]])
    model = ex.Empirical(points, jnp.array([0, 1]))
    return ex.mutual_information(model, jnp.tile(points, (30, 1)), jnp.tile(jnp.array([1, 0]), 30), key=KEY)


# Samples, and what may be given in their place.
_X = np.random.default_rng(0).normal(size=(20, 2))
_SAMPLES = {
    "masked": (np.ma.array(_X, mask=_X > 1), ("`x`", "masks", "of 40")),
    "complex": (_X + 5j, ("`x`", "real", "complex128")),
    "dates": (np.zeros((20, 2), "datetime64[s]"), ("`x`", "real", "datetime64", "dates")),
    "text": (_X.astype(str), ("`x`", "numbers", "text")),
    "none": (None, ("`x`", "array", "None")),
}
_OF_MOMENTS = {
    "Gaussian": ex.Gaussian.fit,
    "ConditionalGaussian": lambda x: ex.ConditionalGaussian.fit(x, _X[:, :1]),
    "gaussian_matching": ex.gaussian_matching,
    "Product": ex.Product.fit,
    "Whitening": ex.Whitening.fit,
    "FourierFeatures": lambda x: ex.FourierFeatures.fit(x, key=KEY),
}
_FITS = _OF_MOMENTS | {"Moments": ex.Moments.fit, "Histogram": lambda x: ex.Histogram.fit(x, (-9.0, 0.0, 9.0))}

INPUTS = [
    BadInput(
        "a histogram whose bins are all empty",
        lambda: ex.Histogram(EDGES, np.full((3, 2), -np.inf)),
        ValueError,
        ("`log_probabilities`", "[0]", "finite"),
    ),
    BadInput(
        "a histogram with one coordinate of empty bins",
        lambda: ex.Histogram(EDGES, np.array([[0.0, 0.0], [-np.inf, -np.inf]])),
        ValueError,
        ("`log_probabilities`", "[1]", "finite"),
    ),
    BadInput(
        "a histogram of NaN",
        lambda: ex.Histogram(EDGES, np.array([[0.0, np.nan]])),
        ValueError,
        ("`log_probabilities`", "[0]", "NaN"),
    ),
    BadInput(
        "an infinite logarithm of a probability",
        lambda: ex.Histogram(EDGES, np.array([[0.0, np.inf]])),
        ValueError,
        ("`log_probabilities`", "[0]", "inf"),
    ),
    BadInput(
        "a grid whose levels are all impossible",
        lambda: ex.GridPosterior(GRID, np.full((1, 2), -np.inf)),
        ValueError,
        ("`log_probabilities`", "[0]", "finite"),
    ),
    BadInput("edges that fall", lambda: ex.Histogram((1.0, 0.0), np.zeros((1, 1))), ValueError, ("`edges`", "1, 0")),
    BadInput("edges of NaN", lambda: ex.Histogram((0.0, np.nan), np.zeros((1, 1))), ValueError, ("`edges`", "nan")),
    BadInput(
        "an edge at infinity",
        lambda: ex.Histogram((0.0, np.inf), np.zeros((1, 1))),
        ValueError,
        ("`edges`", "finite", "inf"),
    ),
    BadInput(
        "a histogram fitted to NaN",
        lambda: ex.Histogram.fit(np.array([[0.5], [np.nan]]), EDGES),
        ValueError,
        ("`x`", "finite", "row 1, column 0"),
    ),
    BadInput(
        "no prior samples of a histogram",
        lambda: ex.Histogram.fit(np.full((3, 1), 0.5), EDGES, strength=-1.0),
        ValueError,
        ("`strength`", "-1", "0"),
    ),
    BadInput(
        "a negative pseudocount",
        lambda: ex.GridPosterior.fit(np.zeros((3, 1)), GRID, pseudocount=-0.5),
        ValueError,
        ("`pseudocount`", "-0.5", "0"),
    ),
    BadInput(
        "no point at all",
        lambda: ex.Empirical(jnp.zeros((0, 2))),
        ValueError,
        ("`points`", "(0, 2)"),
    ),
    BadInput(
        "labels of other points",
        lambda: ex.Empirical(jnp.zeros((3, 2)), jnp.zeros(2, int)),
        ValueError,
        ("`labels`", "(3,)", "(2,)"),
    ),
    BadInput("too few samples to fit to", lambda: _fitted(np.ones((6, 2))), ValueError, ("`x`", "10", "6")),
    BadInput(
        "a constant column to fit a marginal to",
        lambda: _fitted(np.stack([np.arange(20.0), np.full(20, 3.0)], 1)),
        ValueError,
        ("`x`", "x[:, 1]", "3"),
    ),
    BadInput(
        "NaN in a column to fit a marginal to",
        lambda: ex.Product.fit(np.array([[0.0], [np.nan], [1.0]])),
        ValueError,
        ("`x`", "finite", "row 1, column 0"),
    ),
    BadInput(
        "one column without its axis",
        lambda: ex.Product.fit(np.arange(20.0)),
        ValueError,
        ("`x`", "(batch, dim)", "(20,)"),
    ),
    BadInput(
        "no component",
        lambda: ex.Product.fit(np.arange(20.0)[:, None], components=0),
        ValueError,
        ("`components`", "1", "0"),
    ),
    BadInput(
        "marginals that are neither fitted nor a function",
        lambda: ex.total_correlation(_normal(2), jr.normal(KEY, (20, 2)), key=KEY, marginals=NUMBER),
        ValueError,
        ("`marginals`", "denoiser", "int"),
    ),
    BadInput(
        "a function that fits something else",
        lambda: ex.negentropy(_normal(2), jr.normal(KEY, (20, 2)), key=KEY, gaussian=MEAN),
        ValueError,
        ("`gaussian`", "denoiser", "ndarray"),
    ),
    BadInput(
        "a sample outside of all bins",
        lambda: ex.nll(_uniform(), jnp.array([[1.5]] * 40 + [[2.5]]), key=KEY),
        ex.InfiniteWarning,
        ("infinite", "x[40]", "Histogram", "probability zero"),
    ),
    BadInput(
        "a continuous sample of a data set of points",
        lambda: ex.kl_divergence(_normal(), ex.Empirical(jnp.array([[-1.0], [1.0]])), jr.normal(KEY, (40, 1)), key=KEY),
        ex.InfiniteWarning,
        ("inf at x[0]", "Empirical", "probability zero", "40 of 40"),
    ),
    BadInput(
        "points as if they had a density",
        lambda: ex.nll(ex.Empirical(jnp.array([[1.0]])), jnp.ones((40, 1)), key=KEY),
        ex.InfiniteWarning,
        ("infinite", "x[0]", "dimensions", "0 for Empirical"),
    ),
    BadInput(
        "points, some of which do not occur",
        lambda: ex.nll(ex.Empirical(jnp.array([[1.0]])), jnp.array([[1.0]] * 30 + [[2.0]] * 30), key=KEY),
        ValueError,
        ("`x`", "opposite signs", "x[0]", "x[30]"),
    ),
    BadInput(
        "a level that has probability zero",
        lambda: ex.discrete_nll(
            ex.GridPosterior(GRID, np.array([[0.0, -np.inf]])), jnp.array([[0.0], [1.0]] * 20), key=KEY, grid=GRID
        ),
        ex.InfiniteWarning,
        ("x[1]", "GridPosterior", "probability zero"),
    ),
    BadInput(
        "a label that excludes its sample",
        _posterior_of_a_wrong_label,
        ex.InfiniteWarning,
        ("x[0]", "Empirical", "probability zero"),
    ),
    *(
        BadInput(f"{name}, {kind}", lambda fit=fit, x=x: fit(x), ValueError, says)
        for name, fit in _FITS.items()
        for kind, (x, says) in _SAMPLES.items()
    ),
    *(
        BadInput(
            f"{name}, traced", lambda fit=fit: jax.jit(lambda x: (fit(x), 0)[1])(_X), ValueError, ("`x`", "jax.jit")
        )
        for name, fit in _FITS.items()
    ),
    *(
        BadInput(
            f"{name}, {size:g} times as large", lambda fit=fit, size=size: fit(size * _X), ValueError, ("`x`", "scale")
        )
        for name, fit in _OF_MOMENTS.items()
        for size in (1e-200, 1e-30, 1e160)
    ),
    BadInput(
        "infinite prior samples",
        lambda: ex.Histogram.fit(_X, (-9.0, 9.0), strength=np.inf),
        ValueError,
        ("`strength`",),
    ),
    BadInput("moments of one value", lambda: ex.Moments.fit(np.ones((5, 2))), ValueError, ("`x`", "differ")),
    BadInput("moments of huge numbers", lambda: ex.Moments.fit(1e160 * _X), ValueError, ("`x`", "range")),
    BadInput(
        "masked labels of points",
        lambda: ex.Empirical(_X, np.ma.array(np.arange(20), mask=np.arange(20) < 2)),
        ValueError,
        ("`labels`", "masks 2 of 20"),
    ),
    BadInput(
        "a histogram in words", lambda: ex.Histogram(EDGES, "a"), ValueError, ("`log_probabilities`", "numbers", "text")
    ),
    BadInput("edges of None", lambda: ex.Histogram(None, np.zeros((1, 2))), ValueError, ("`edges`", "None")),
]
