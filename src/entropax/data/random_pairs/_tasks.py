"""Random tasks: a kind, its parameters, maps of each variable, columns that share nothing."""

import functools
import math

import numpy as np
from scipy.special import gammaln
from scipy.stats import ortho_group

from .._checks import check_count
from ..bmi import _transforms as maps, AbstractPair, Task
from ._continuous import (
    BoxesPair,
    HeavyPair,
    IndependentPairs,
    IrrelevantColumns,
    MixturePair,
    Noise,
    NoisyPair,
    ShuffledPair,
)
from ._discrete import CountsPair, TablePair, ZeroInflatedPair


# Of the random numbers of all tasks.
_STREAM = 31

# A bitmap of a letter, a row a string.
_LETTERS = {
    "A": [" ### ", "#   #", "#   #", "#####", "#   #", "#   #"],
    "E": ["#####", "#    ", "#### ", "#    ", "#    ", "#####"],
    "H": ["#   #", "#   #", "#####", "#   #", "#   #", "#   #"],
    "K": ["#   #", "#  # ", "###  ", "# #  ", "#  # ", "#   #"],
    "S": [" ####", "#    ", " ### ", "    #", "    #", "#### "],
    "X": ["#   #", " # # ", "  #  ", "  #  ", " # # ", "#   #"],
    "Z": ["#####", "    #", "   # ", "  #  ", " #   ", "#####"],
}


def _weights(rng, num):
    return rng.dirichlet(np.full(num, 3.0))


def _dims(rng, most=5):
    """One column each half of the time."""
    return (1, 1) if rng.random() < 0.5 else tuple(int(dim) for dim in rng.integers(1, most + 1, 2))


def _covariance(rng, dim, least=0.05):
    """Random axes, with standard deviations between `least` and 1."""
    axes = ortho_group.rvs(dim, random_state=rng) if dim > 1 else np.ones((1, 1))
    return (axes * np.exp(rng.uniform(2 * math.log(least), 0, dim))) @ axes.T


def _centres(rng, num, dim):
    """Anywhere, along a curve, on a ring, or on a lattice."""
    spots = rng.choice(["anywhere", "curve", "ring", "lattice"])
    t = np.sort(rng.uniform(0, 1, num))
    if spots == "curve":
        waves = rng.normal(size=(3, dim)) * np.array([[2.0], [1.0], [0.5]])
        phases = rng.uniform(0, 2 * np.pi, (3, dim))
        return np.sum([waves[k] * np.sin((k + 1) * np.pi * t[:, None] + phases[k]) for k in range(3)], 0)
    if spots == "ring":
        plane = np.linalg.qr(rng.normal(size=(dim, 2)))[0]
        return 2 * np.stack([np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)], 1) @ plane.T
    if spots == "lattice":
        return rng.integers(-2, 3, (num, dim)).astype(float)
    return rng.normal(size=(num, dim)) * 1.5


def mixture(rng: np.random.Generator) -> AbstractPair:
    """2 to 30 Gaussians, whose columns depend on each other within a component, or through it alone."""
    dim_x, dim_y = _dims(rng)
    dim, num = dim_x + dim_y, int(rng.integers(2, 31))
    covs = np.stack([_covariance(rng, dim) for _ in range(num)])
    form = rng.choice(["full", "product", "shared"])
    if form == "product":
        covs[:, :dim_x, dim_x:] = covs[:, dim_x:, :dim_x] = 0
    if form == "shared":
        covs[:] = covs[0]
    return MixturePair(dim_x, dim_y, _weights(rng, num), _centres(rng, num, dim), rng.uniform(0.1, 0.6) ** 2 * covs)


def boxes(rng: np.random.Generator) -> AbstractPair:
    """A letter, or a union of boxes."""
    if rng.random() < 0.5:
        rows = _LETTERS[str(rng.choice(list(_LETTERS)))]
        cells = [(j, -i) for i, row in enumerate(rows) for j, mark in enumerate(row) if mark == "#"]
        lows = np.array(cells, float)
        return BoxesPair(1, 1, np.full(len(lows), 1 / len(lows)), lows, lows + 1)
    dim_x, dim_y = _dims(rng, 3)
    num = int(rng.integers(2, 13))
    lows = rng.uniform(-2, 2, (num, dim_x + dim_y))
    return BoxesPair(dim_x, dim_y, _weights(rng, num), lows, lows + rng.uniform(0.2, 2.0, lows.shape))


def _normal():
    nodes = np.linspace(-9, 9, 4_001)
    log_density = lambda x: -0.5 * x**2 - 0.5 * math.log(2 * math.pi)
    return Noise(lambda rng, num: rng.normal(size=num), log_density, nodes, np.exp(log_density(nodes)) * 0.0045)


def _uniform():
    nodes = (np.arange(4_000) + 0.5) / 2_000 - 1
    inside = lambda x: np.where(np.abs(x) <= 1, -math.log(2), -np.inf)
    return Noise(lambda rng, num: rng.uniform(-1, 1, num), inside, nodes, np.full(4_000, 1 / 4_000))


def _laplace():
    nodes = np.linspace(-30, 30, 16_001)
    log_density = lambda x: -np.abs(x) - math.log(2)
    weights = np.exp(log_density(nodes))
    return Noise(lambda rng, num: rng.laplace(size=num), log_density, nodes, weights / weights.sum())


def _student(dof):
    # It is never the distribution of X, so that its nodes say how far it reaches and no more.
    nodes = np.array([-1e7, 1e7])
    constant = gammaln((dof + 1) / 2) - gammaln(dof / 2) - 0.5 * math.log(math.pi * dof)
    log_density = lambda x: constant - 0.5 * (dof + 1) * np.log1p(x**2 / dof)
    return Noise(lambda rng, num: rng.standard_t(dof, num), log_density, nodes, np.full(2, 0.5))


_SIGNALS = {
    "line": lambda x: x,
    "parabola": lambda x: x**2,
    "cubic": lambda x: x**3 - 2 * x,
    "sine": lambda x: np.sin(3 * x),
    "steps": lambda x: np.floor(2 * x),
    "bump": lambda x: 2 * np.exp(-4 * x**2),
    "nothing": lambda x: 0 * x,
}


def noise(rng: np.random.Generator) -> AbstractPair:
    """A function of X and additive or multiplicative noise; one to three such pairs together."""

    def one():
        source = [_normal, _uniform, _laplace][rng.integers(3)]()
        of = [_normal, _laplace, functools.partial(_student, float(rng.integers(1, 6)))][rng.integers(3)]()
        name = str(rng.choice(list(_SIGNALS)))
        size, slope = math.exp(rng.uniform(math.log(0.1), math.log(1.5))), rng.uniform(0.3, 2.0)
        # Of a function that is constant, only noise that grows with X tells anything.
        growing = name == "nothing" or rng.random() < 0.4
        scale = (lambda x: size * (0.1 + slope * np.abs(x))) if growing else (lambda x: size + 0 * x)
        return NoisyPair(1, 1, source, of, _SIGNALS[name], scale)

    return IndependentPairs.of(*(one() for _ in range(rng.choice([1, 1, 2, 3]))))


def heavy_tails(rng: np.random.Generator) -> AbstractPair:
    """Student's distribution with any dispersion."""
    dim_x, dim_y = _dims(rng)
    return HeavyPair(dim_x, dim_y, float(rng.integers(1, 6)), _covariance(rng, dim_x + dim_y, 0.3))


def gaussian(rng: np.random.Generator) -> AbstractPair:
    """One Gaussian of up to 10 columns."""
    dim_x, dim_y = _dims(rng)
    cov = _covariance(rng, dim_x + dim_y, 0.2)[None]
    return MixturePair(dim_x, dim_y, np.ones(1), np.zeros((1, dim_x + dim_y)), cov)


def discrete(rng: np.random.Generator) -> AbstractPair:
    """Truth values, ratings, counts, or zero-inflated numbers beside labels."""
    form = rng.choice(["table", "counts", "zero-inflated"])
    labels = int(rng.integers(2, 6))
    if form == "table":
        levels = int(rng.integers(2, 8))
        scores = rng.uniform(0.3, 3.0) * rng.normal(size=(levels, labels))
        table = np.exp(scores) * rng.dirichlet(np.full(levels, 3.0))[:, None]
        return TablePair(1, 1, table / table.sum(), labels=bool(rng.random() < 0.5))
    if form == "counts":
        mean, slope = rng.uniform(1, 20), rng.uniform(0.2, 0.8)
        if rng.random() < 0.5:
            return CountsPair(1, 1, mean, slope, None, None)
        return CountsPair(1, 1, mean, slope, rng.normal(size=labels), _weights(rng, labels))
    return ZeroInflatedPair(
        1, 1, _weights(rng, labels), rng.uniform(0.1, 0.9, labels), rng.uniform(0, 1.5) * rng.normal(size=labels)
    )


_DEPENDENT = (mixture, boxes, noise, heavy_tails, gaussian, discrete)


def independent(rng: np.random.Generator) -> AbstractPair:
    """X and Y as in one of the other kinds, and independent."""
    pair = _DEPENDENT[rng.integers(len(_DEPENDENT))](rng)
    return ShuffledPair(pair.dim_x, pair.dim_y, pair)


KINDS = {one.__name__: one for one in (*_DEPENDENT, independent)}

# Increasing maps of each column.
_INCREASING = {
    "half-cube": maps.half_cube,
    "cube root": np.cbrt,
    "wiggly": maps.wiggly_x,
    "asinh": np.arcsinh,
    "exponential": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}


def task(seed: int) -> Task:
    """A random distribution of two variables with exact log-ratios: the kinds by turns, each with random parameters;
    all but discrete ones with random maps of each variable and with columns that share nothing.

    **Arguments:**

    - `seed`: a whole number from 0 on.

    **Returns:** an [`entropax.data.bmi.Task`][], whose name begins with its kind.

    **Raises:** `ValueError` unless `seed` is such a number.
    """
    check_count(seed, "seed", 0)
    kind = list(KINDS)[seed % len(KINDS)]
    rng = np.random.default_rng([_STREAM, seed])
    pair = KINDS[kind](rng)
    within = pair.pair if isinstance(pair, ShuffledPair) else pair
    if isinstance(within, TablePair | CountsPair | ZeroInflatedPair):
        return Task(f"{kind}-{seed}", pair)
    if rng.random() < 0.3:
        pair = IndependentPairs.of(pair, IrrelevantColumns(*(int(dim) for dim in rng.integers(0, 6, 2))))
    return Task(f"{kind}-{seed}", pair, _random_maps(rng, pair.dim_x), _random_maps(rng, pair.dim_y))


def _random_maps(rng, dim):
    """Maps of a variable, one to one: a turn that depends on the distance, a linear one, increasing ones."""
    found = []
    if dim > 1 and rng.random() < 0.2:
        found.append(functools.partial(maps.spiral, plane=(0, 1)))
    if dim > 1 and rng.random() < 0.5:
        matrix = ortho_group.rvs(dim, random_state=rng) * np.exp(0.5 * rng.normal(size=dim))
        found.append(functools.partial(_times, matrix=matrix))
    if rng.random() < 0.3:
        found.append(list(_INCREASING.values())[rng.integers(len(_INCREASING))])
    return tuple(found)


def _times(x, matrix):
    return x @ matrix
