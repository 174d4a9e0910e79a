"""Bad inputs of denoisers: their parameters, states and conditions."""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportIncompatibleMethodOverride=false

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


EYE, ZERO = np.eye(2), jnp.zeros(())


def _conditional():
    return ex.ConditionalGaussian(cov_x=2 * EYE, gain=np.ones((2, 3)), cov_x_given_y=EYE)


def _mixture():
    return ex.GaussianMixture([0.5, 0.5], np.zeros((2, 2)), np.stack([EYE, EYE]))


def _labelled_network():
    net = ex.nn.MLP(2, ex.nn.LabelCondition(3, 8, key=jr.key(0)), (-9.0, 9.0), depth=1, key=jr.key(1))
    moments = ex.Whitening(jnp.zeros(2), jnp.ones(2), jnp.eye(2))
    return ex.Neural(net, ex.Zero(), jnp.ones_like, moments, (-9.0, 9.0))


class _Reversed(ex.AbstractDenoiser):
    log_snr_range = (9.0, -9.0)

    def __call__(self, z, log_snr, y=None):
        return z


class _NotANumber(ex.AbstractDenoiser):
    log_snr_range = (-9.0, np.nan)

    def __call__(self, z, log_snr, y=None):
        return z


class _OneEnd(ex.AbstractDenoiser):
    log_snr_range = 9.0

    def __call__(self, z, log_snr, y=None):
        return z


def _state(x=(1.0, 2.0), s=0.5, process=ex.VariancePreserving(), denoiser=ex.Equilibrium()):
    return lambda function: function(process, denoiser, x if isinstance(x, str) else np.asarray(x), s)


# What scores and their kin are asked.
_ASKED = (
    ("of no process", _state(process=None), ("`process`", "AbstractProcess", "None")),
    ("of a class", _state(denoiser=ex.Equilibrium), ("`denoiser`", "the class")),
    ("at time zero", _state(s=0.0), ("`s`", "above 0", "got 0")),
    ("beyond the end", _state(s=2.0), ("`s`", "at most T = 1", "got 2")),
    ("at NaN", _state(s=np.nan), ("`s`", "finite", "NaN")),
    ("at several times", _state(s=np.full(3, 0.5)), ("`s`", "one time", "(3,)")),
    ("of NaN", _state((np.nan, 0.0)), ("`x`", "finite", "1 NaN")),
    ("of complex numbers", _state((1j, 0.0)), ("`x`", "real", "complex128")),
    ("of words", _state("a"), ("`x`", "numbers", "text")),
)

INPUTS = [
    BadInput(
        "a condition of one column of three",
        lambda: _conditional()(jnp.zeros(2), ZERO, jnp.zeros(1)),
        ValueError,
        ("`y`", "(3,)", "(1,)"),
    ),
    BadInput(
        "a number as a condition of three columns",
        lambda: _conditional()(jnp.zeros(2), ZERO, 0.5),
        ValueError,
        ("`y`", "(3,)", "()"),
    ),
    BadInput(
        "a pair as the condition of a Gaussian",
        lambda: _conditional()(jnp.zeros(2), ZERO, (jnp.zeros(3), jnp.zeros(3))),
        ValueError,
        ("`y`", "(3,)", "a tuple of 2 arrays"),
    ),
    BadInput(
        "a batch of conditions for one state",
        lambda: ex.Guided(_conditional(), 1.0)(jnp.zeros(2), ZERO, jnp.zeros((5, 3))),
        ValueError,
        ("`y`", "(3,)", "(5, 3)"),
    ),
    BadInput(
        "a label held as a float, to a mixture",
        lambda: _mixture()(jnp.zeros(2), ZERO, jnp.asarray(1.0)),
        ValueError,
        ("`y`", "one integer", "float32", "astype(int)"),
    ),
    BadInput(
        "a label in a column, to a network",
        lambda: _labelled_network()(jnp.zeros(2), ZERO, jnp.asarray([1])),
        ValueError,
        ("`y`", "one integer", "(1,)", "y[:, 0]"),
    ),
    BadInput(
        "a label held as a float, to points",
        lambda: ex.Empirical(jnp.zeros((3, 2)), jnp.arange(3))(jnp.zeros(2), ZERO, 1.0),
        ValueError,
        ("`y`", "one integer", "float32"),
    ),
    BadInput(
        "a state of one coordinate, for a product of three",
        lambda: ex.Product.fit(np.random.default_rng(0).normal(size=(20, 3)), 1)(jnp.zeros(1), ZERO),
        ValueError,
        ("`z`", "(3,)", "(1,)"),
    ),
    BadInput("a range that falls", _Reversed, ValueError, ("`log_snr_range` of _Reversed", "increase", "(9.0, -9.0)")),
    BadInput("a range that is not a number", _NotANumber, ValueError, ("`log_snr_range`", "increase", "nan")),
    BadInput("a range of one end", _OneEnd, ValueError, ("`log_snr_range`", "two numbers", "9.0")),
    BadInput(
        "a function where a denoiser is wrapped",
        lambda: ex.Unconditional(lambda z, log_snr, y=None: z),
        ValueError,
        ("`denoiser`", "AbstractDenoiser", "a function, <lambda>", "class Model(ex.AbstractDenoiser)"),
    ),
    BadInput(
        "a class where a denoiser is guided",
        lambda: ex.Guided(ex.Gaussian, 1.0),
        ValueError,
        ("`denoiser`", "the class entropax.Gaussian", "Gaussian(...)"),
    ),
    BadInput("text as a weight", lambda: ex.Guided(ex.Zero(), "2"), ValueError, ("`weight`", "number", "'2'")),
    BadInput("no weight", lambda: ex.Guided(ex.Zero(), None), ValueError, ("`weight`", "None")),
    BadInput("the class of a weight", lambda: ex.Guided(ex.Zero(), ex.Interval), ValueError, ("`weight`", "Interval")),
    BadInput("weights of NaN", lambda: ex.Guided(ex.Zero(), np.nan), ValueError, ("`weight`", "finite", "nan")),
    BadInput(
        "an interval that falls", lambda: ex.Interval(1.0, 3.0, -3.0), ValueError, ("`low`", "`high`", "3.0", "-3.0")
    ),
    BadInput(
        "a denoiser that is not guided, to Rescaled",
        lambda: ex.Rescaled(ex.Zero(), 0.5),
        ValueError,
        ("`guided`", "AbstractGuided", "Zero"),
    ),
    BadInput(
        "a covariance that is not symmetric",
        lambda: ex.Gaussian(np.zeros(2), [[1.0, 0.5], [0.0, 1.0]]),
        ValueError,
        ("`cov`", "symmetric", "0.5"),
    ),
    BadInput(
        "a covariance with a negative variance",
        lambda: ex.Gaussian(np.zeros(2), np.diag([1.0, -1.0])),
        ValueError,
        ("`cov`", "positive", "-1"),
    ),
    BadInput(
        "a covariance with NaN",
        lambda: ex.Gaussian(np.zeros(2), np.full((2, 2), np.nan)),
        ValueError,
        ("`cov`", "finite", "4 NaN", "row 0, column 0"),
    ),
    BadInput(
        "an infinite mean",
        lambda: ex.Gaussian([0.0, np.inf], EYE),
        ValueError,
        ("`mean`", "finite", "1 infinite", "place (1,)"),
    ),
    BadInput(
        "one sample to fit a Gaussian to",
        lambda: ex.Gaussian.fit(np.zeros((1, 2))),
        ValueError,
        ("`x`", "at least two", "(1, 2)"),
    ),
    BadInput(
        "samples of different lengths to fit to",
        lambda: ex.ConditionalGaussian.fit(np.zeros((5, 2)), np.zeros((4, 2))),
        ValueError,
        ("`y`", "5", "4"),
    ),
    BadInput(
        "a gain that was transposed",
        lambda: ex.ConditionalGaussian(cov_x=EYE, gain=np.ones((3, 2)), cov_x_given_y=EYE),
        ValueError,
        ("`gain`", "(dim, dim_y)", "(3, 2)"),
    ),
    BadInput(
        "weights of a mixture that sum to two",
        lambda: ex.GaussianMixture([1.0, 1.0], np.zeros((2, 2)), np.stack([EYE, EYE])),
        ValueError,
        ("`weights`", "sum 1", "2"),
    ),
    BadInput(
        "NaN among the weights of a mixture",
        lambda: ex.GaussianMixture([0.5, np.nan], np.zeros((2, 2)), np.stack([EYE, EYE])),
        ValueError,
        ("`weights`", "finite", "1 NaN", "place (1,)"),
    ),
    BadInput(
        "labels of a mixture held as floats",
        lambda: ex.GaussianMixture([0.5, 0.5], np.zeros((2, 2)), np.stack([EYE, EYE]), [0.0, 1.0]),
        ValueError,
        ("`labels`", "integer", "float64"),
    ),
    BadInput("a negative spread", lambda: ex.Equilibrium(-1.0), ValueError, ("`std`", "positive", "-1")),
    BadInput(
        "no points", lambda: ex.Empirical(np.zeros((0, 2))), ValueError, ("`points`", "one point or more", "(0, 2)")
    ),
    BadInput("a level and a half", lambda: ex.Grid(-1.0, 1.0, 2.5), ValueError, ("`levels`", "whole", "2.5")),
    BadInput("a grid without end", lambda: ex.Grid(0.0, np.inf, 4), ValueError, ("`high`", "finite", "inf")),
    BadInput(
        "edges of an ensemble that are not numbers",
        lambda: ex.Ensemble([ex.Zero()], [0.0, np.nan], [0]),
        ValueError,
        ("`edges`", "finite", "1 NaN"),
    ),
    BadInput(
        "a constant column to fit a density to",
        lambda: ex.Product.fit(np.stack([np.ones(20), np.arange(20.0)], 1)),
        ValueError,
        ("`x`", "differ in every column", "x[:, 0] all are 1"),
    ),
    BadInput(
        "no range of training",
        lambda: ex.Neural(lambda z, s, y: z, ex.Zero(), jnp.ones_like, lambda z, s: z, (3.0, 3.0)),
        ValueError,
        ("`trained_range`", "increase", "(3.0, 3.0)"),
    ),
    *(
        BadInput(f"{function.__name__} {name}", lambda call=call, function=function: call(function), ValueError, says)
        for function in (ex.score, ex.denoised_mean, ex.entropy_field)
        for name, call, says in _ASKED
    ),
    BadInput(
        "predictions of nothing",
        lambda: ex.predictions(None, jnp.zeros(2), ZERO, (None,)),
        ValueError,
        ("`denoiser`", "AbstractDenoiser", "None"),
    ),
    BadInput("a grid in words", lambda: ex.Grid("a", 1.0, 2), ValueError, ("`low`", "number", "'a'")),
    BadInput("a grid from a list", lambda: ex.Grid([0.0], 1.0, 2), ValueError, ("`low`", "number", "[0.0]")),
    BadInput("no bound", lambda: ex.Clipped(ex.Zero(), None, 1.0), ValueError, ("`low`", "number", "None")),
    BadInput("diffused to a list", lambda: ex.Diffused(ex.Zero(), [1.0]), ValueError, ("`log_snr`", "number", "[1.0]")),
    BadInput(
        "a number of selections", lambda: ex.Composed(ex.Zero(), 3, [1.0]), ValueError, ("`selects`", "tuple", "3")
    ),
    BadInput("a number of edges", lambda: ex.Ensemble([ex.Zero()], 3.0, [0]), ValueError, ("`edges`", "one more", "1")),
    BadInput(
        "a choice in words", lambda: ex.Ensemble([ex.Zero()], (0, 1), "a"), ValueError, ("`choice`", "tuple", "'a'")
    ),
    BadInput("moments of NaN", lambda: ex.Moments(ZERO, jnp.asarray(np.nan), 1.0), ValueError, ("`std`", "finite")),
    BadInput("moments of no scale", lambda: ex.Moments(ZERO, jnp.ones(()), None), ValueError, ("`scale`", "None")),
    BadInput(
        "a NaN variance", lambda: ex.Standardising(ZERO, jnp.asarray(np.nan)), ValueError, ("`variance`", "finite")
    ),
    BadInput(
        "a negative variance", lambda: ex.Standardising(ZERO, -jnp.ones(2)), ValueError, ("`variance`", "negative")
    ),
    BadInput(
        "a variance that vanishes",
        lambda: ex.Gaussian([0.0], [[1e-40]]),
        ValueError,
        ("`cov`", "range", "1e-40", "units"),
    ),
    BadInput(
        "a complex mean", lambda: ex.Gaussian(np.array([1j, 0]), EYE), ValueError, ("`mean`", "real", "complex128")
    ),
    BadInput(
        "masked weights of a mixture",
        lambda: ex.GaussianMixture(np.ma.array([0.5, 0.5], mask=[False, True]), np.zeros((2, 2)), np.stack([EYE, EYE])),
        ValueError,
        ("`weights`", "masks 1 of 2"),
    ),
    BadInput(
        "a masked condition",
        lambda: ex.Conditioned(ex.Zero(), np.ma.array([0.0, 1.0], mask=[False, True])),
        ValueError,
        ("`y`", "masks 1 of 2"),
    ),
    BadInput(
        "a condition in words", lambda: ex.Conditioned(ex.Zero(), "a prompt"), ValueError, ("`y`", "numbers", "text")
    ),
    BadInput(
        "a complex weight",
        lambda: ex.Guided(ex.Zero(), np.complex64(1j)),
        ValueError,
        ("`weight`", "real", "complex64"),
    ),
]
