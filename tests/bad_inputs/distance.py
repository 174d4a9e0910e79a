"""Bad inputs of distances between samples, and to densities."""

# pyright: reportArgumentType=false, reportCallIssue=false

import jax.random as jr
import numpy as np

import entropax as ex
from entropax import distance
from tests.bad_inputs import BadInput


X, Y = np.random.default_rng(0).normal(size=(2, 40, 2))
EXTREME = 2**60 + np.arange(9)


def _density(x):
    return -0.5 * np.sum(x**2, -1)


def _nan(x, y):
    return float("nan")


def _entropy(x, **settings):
    return distance.nearest_neighbour_entropy(x, **settings)


def _sliced(**settings):
    return distance.sliced_wasserstein(X, Y, **{"key": jr.key(0), **settings})


def _classified(**settings):
    return distance.classifier_two_sample(X, Y, **{"key": jr.key(0), **settings})


def _regression():
    from sklearn.linear_model import LinearRegression

    return LinearRegression()


def _logistic(x, y):
    from sklearn.linear_model import LogisticRegression

    return distance.classifier_two_sample(x, y, key=jr.key(0), classifier=LogisticRegression())


INPUTS = [
    BadInput(name, call, ValueError, says)
    for name, call, says in [
        # Samples.
        ("rows of unequal length", lambda: distance.energy_distance([[1.0, 2.0], [3.0]], Y), ("`x`", "list")),
        ("complex samples", lambda: distance.energy_distance(X, Y + 1j), ("`y`", "real numbers", "complex128")),
        ("text", lambda: distance.mmd(X.astype(str), Y), ("`x`", "numbers", "<U")),
        ("objects", lambda: distance.frechet_distance(X.astype(object), Y), ("`x`", "real numbers", "object")),
        ("no samples given", lambda: distance.energy_distance(X, None), ("`y`", "array", "None")),
        ("dates", lambda: distance.moments(np.arange(9).astype("datetime64[D]")), ("`x`", "real", "datetime64")),
        ("a mask", lambda: distance.mmd(np.ma.masked_greater(X, 1), Y), ("`x`", "masks", "of 80 entries")),
        ("masked moments", lambda: distance.moments(np.ma.masked_less(X, 0)), ("`x`", "masks", "Leave")),
        ("one number", lambda: distance.energy_distance(3.0, Y), ("`x`", "first axis", "()")),
        ("no samples", lambda: distance.energy_distance(np.zeros((0, 2)), Y), ("`x`", "samples", "(0, 2)")),
        ("one sample", lambda: distance.sliced_wasserstein(X[:1], Y, key=jr.key(0)), ("`x`", "at least 2", "got 1")),
        ("other columns", lambda: distance.frechet_distance(X, Y[:, :1]), ("`y`", "(2,)", "(1,)")),
        ("a column and a row", lambda: distance.mmd(X[:, 0], Y[:, :1]), ("`y`", "()", "(1,)")),
        ("NaN", lambda: distance.mmd(np.where(X > 1, np.nan, X), Y), ("`x`", "finite", "NaN")),
        ("infinity", lambda: _classified_of(np.where(X > 1, np.inf, X)), ("`x`", "finite", "infinite")),
        ("large integers", lambda: distance.energy_distance(EXTREME, EXTREME), ("`x`", "float64", "Subtract")),
        (
            "one point each",
            lambda: distance.energy_distance(np.ones((5, 2)), np.zeros((4, 2))),
            ("`x` and `y`", "vary"),
        ),
        ("too large for float32", lambda: distance.energy_distance(1e160 * X, Y), ("e+1", "float32", "`x`")),
        ("too small for float32", lambda: distance.energy_distance(1e-200 * X, 1e-200 * Y), ("e-2", "float32", "`x`")),
        ("squares too large", lambda: distance.frechet_distance(1e160 * X, Y), ("`x` and `y`", "float64", "units")),
        ("squares too small", lambda: distance.moments(1e-200 * X), ("`x`", "range of float64", "units")),
        ("equal halves", lambda: distance.median_bandwidths(np.ones((5, 2))), ("`x`", "different samples", "is 0")),
        # Settings.
        ("a bandwidth of zero", lambda: distance.mmd(X, Y, bandwidths=[1.0, 0.0]), ("`bandwidths`", "positive", "0.0")),
        ("one bandwidth", lambda: distance.mmd(X, Y, bandwidths=1.0), ("`bandwidths`", "row", "1.0")),
        ("bandwidths too small", lambda: distance.mmd(X, Y, bandwidths=[1e-9]), ("`bandwidths`", "1e-09", "distances")),
        ("bandwidths too large", lambda: distance.mmd(X, Y, bandwidths=[1e90]), ("`bandwidths`", "1e+90", "distances")),
        ("a seed for a key", lambda: _sliced(key=3), ("`key`", "got 3", "jax.random.key(3)")),
        ("a seed for folds", lambda: _classified(key=3), ("`key`", "got 3", "jax.random.key(3)")),
        ("half a projection", lambda: _sliced(projections=2.5), ("`projections`", "whole", "2.5")),
        ("a low order", lambda: _sliced(order=0.5), ("`order`", "at least 1", "0.5")),
        ("no order", lambda: _sliced(order=np.nan), ("`order`", "finite", "nan")),
        ("an order in words", lambda: _sliced(order="2"), ("`order`", "number", "'2'")),
        ("a classifier's name", lambda: _classified(classifier="forest"), ("`classifier`", "instance", "forest")),
        ("a regression", lambda: _classified(classifier=_regression()), ("`classifier`", "LinearRegression")),
        ("a classifier's range", lambda: _logistic(1e160 * X, Y), ("`x` and `y`", "e+1", "other units")),
        ("a list of orders", lambda: _sliced(order=[1]), ("`order` must be a number", "[1]")),
        (
            "more projections than memory",
            lambda: _sliced(projections=10**9),
            ("`projections`", "at most", "1000000000"),
        ),
        ("a metric of NaN", lambda: distance.with_floor(_nan, X, Y, X), ("`metric`", "finite number", "`generated`")),
        ("a metric of words", lambda: distance.with_floor(lambda x, y: "a", X, Y, X), ("`metric`", "number", "'a'")),
        ("a density's class", lambda: distance.kl_to(X, ex.Gaussian), ("`log_density`", "function", "Gaussian")),
        ("masked to a density", lambda: distance.cross_entropy(np.ma.masked_greater(X, 1), _density), ("`x` masks",)),
        ("a distance for a metric", lambda: distance.with_floor(0.3, X, Y, X), ("`metric`", "function", "0.3")),
        (
            "fewer real samples",
            lambda: distance.with_floor(distance.mmd, X, Y, X[:5]),
            ("`other_real`", "(40, 2)", "(5"),
        ),
        # Densities and entropies.
        ("a whole float", lambda: _entropy(X, neighbours=2.0), ("`neighbours`", "whole", "2.0")),
        ("no neighbour", lambda: _entropy(X, neighbours=0), ("`neighbours`", "at least 1", "0")),
        ("too many neighbours", lambda: _entropy(X, neighbours=40), ("`x`", "at least 41", "got 40")),
        ("whole numbers", lambda: _entropy(np.round(X)), ("`x`", "density", "coincide", "dequantise")),
        ("a binary column", lambda: _entropy(np.c_[X, X[:, 0] > 0]), ("`x`", "column 2", "40 of 40", "repeat")),
        (
            "a censored column",
            lambda: _entropy(np.c_[X[:, :1], np.maximum(X[:, 1:], 0)]),
            ("`x`", "column 1", "repeat"),
        ),
        ("a constant column", lambda: _entropy(np.c_[X, np.ones(40)]), ("`x`", "vary", "column 2")),
        ("a sum of columns", lambda: _entropy(np.c_[X, X.sum(1)]), ("`x`", "3 columns", "linear function")),
        ("more columns than rows", lambda: _entropy(X.T), ("`x`", "at least 5", "got 2")),
        ("wide samples", lambda: _entropy(X.reshape(8, 10)), ("`x`", "12 or more", "got 8")),
        (
            "a distribution for its density",
            lambda: distance.kl_to(X, ex.data.GaussianMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])),
            ("`log_density`", "log_prob", "GaussianMixture"),
        ),
        ("one density", lambda: distance.kl_to(X, lambda x: _density(x).sum()), ("`log_density`", "(40,)", "()")),
        ("no density", lambda: distance.cross_entropy(X, lambda _: None), ("`log_density(x)`", "array", "None")),
        ("a complex density", lambda: distance.kl_to(X, lambda x: 1j * _density(x)), ("`log_density(x)`", "complex")),
        (
            "off the support",
            lambda: distance.kl_to(X, lambda x: np.where(x[:, 0] > 0, 0.0, -np.inf)),
            ("`log_density`", "-inf at"),
        ),
        # Gaussians and mixtures.
        ("variances", lambda: distance.gaussian_kl([0, 0], [1, 1], [0, 0], [1, 1]), ("`cov_a`", "(2, 2)", "(2,)")),
        ("means in words", lambda: distance.gaussian_w2(["a"], [[1]], [0], [[1]]), ("`mean_a`", "numbers", "<U1")),
        ("numbers, not arrays", lambda: distance.gaussian_w2(0.0, 1.0, 0.0, 1.0), ("`mean_a`", "(dim,)", "()")),
        ("a negative variance", lambda: distance.gaussian_kl([0], [[-1]], [0], [[1]]), ("`cov_a`", "positive", "-1")),
        ("infinitely far", lambda: distance.gaussian_kl([1e200], [[1]], [0], [[1]]), ("`mean_a`", "float64")),
        ("weights of a sum above one", lambda: distance.mode_occupancy(X, [0.5, 0.6]), ("`weights`", "sum 1", "1.1")),
        ("complex log-densities", lambda: distance.mode_occupancy(X + 1j, [0.5, 0.5]), ("`log_densities`", "complex")),
        ("other components", lambda: distance.mode_occupancy(X, [0.2, 0.3, 0.5]), ("`log_densities`", "3)", "(40, 2)")),
    ]
]


def _classified_of(x):
    return distance.classifier_two_sample(x, Y, key=jr.key(0))
