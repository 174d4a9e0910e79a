"""Bad inputs of integrals: samples, nodes, ranges, and the estimates that come out."""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportIncompatibleMethodOverride=false

import warnings

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


KEY = jr.key(0)
X = jr.normal(jr.key(1), (40, 2))
GAP = ex.Gap(ex.Gaussian(np.zeros(2), np.eye(2)), ex.Equilibrium(2.0))


def _integrate(x=X, y=None, key=KEY, **options):
    return ex.integrate(GAP, x, y, key=key, integrator=ex.Integrator(**options))


def _nodes(density):
    return _integrate(nodes=ex.Stratified(4, density))


def _piecewise(edges, heights):
    return ex.Piecewise(jnp.asarray(edges), jnp.asarray(heights))


class _Broken(ex.AbstractDenoiser):
    """NaN for large states at low noise."""

    log_snr_range = (-9.0, 9.0)

    def __call__(self, z, log_snr, y=None):
        return jnp.where((log_snr > 3.0) & (z[0] > 1.0), jnp.nan, z)


class _Low(ex.AbstractDenoiser):
    log_snr_range = (-9.0, 0.0)

    def __call__(self, z, log_snr, y=None):
        return z


class _High(ex.AbstractDenoiser):
    log_snr_range = (1.0, 9.0)

    def __call__(self, z, log_snr, y=None):
        return z


INPUTS = [
    BadInput("a number as a key", lambda: _integrate(key=3), ValueError, ("`key`", "3", "jax.random.key(3)")),
    BadInput(
        "the class of an integrator",
        lambda: ex.integrate(GAP, X, key=KEY, integrator=ex.Integrator),
        ValueError,
        ("`integrator`", "the class", "Integrator(...)"),
    ),
    BadInput(
        "a denoiser instead of a rate",
        lambda: ex.integrate(ex.Zero(), X, key=KEY),
        ValueError,
        ("`integrands`", "AbstractIntegrand", "Zero"),
    ),
    BadInput("no rates", lambda: ex.integrate({}, X, key=KEY), ValueError, ("`integrands`", "at least one", "{}")),
    BadInput(
        "a function in a gap",
        lambda: ex.Gap(lambda z, log_snr, y=None: z, ex.Zero()),
        ValueError,
        ("`denoiser`", "AbstractDenoiser", "a function", "class Model(ex.AbstractDenoiser)"),
    ),
    BadInput(
        "infinity in one sample",
        lambda: _integrate(X.at[5, 1].set(jnp.inf)),
        ValueError,
        ("`x`", "finite", "x[5, 1] = inf"),
    ),
    BadInput(
        "NaN in a condition in a tree",
        lambda: _integrate(y=(jnp.arange(40), X.at[7, 0].set(jnp.nan))),
        ValueError,
        ("`y`", "finite", "y[7, 0] = nan"),
    ),
    BadInput(
        "samples too large for their precision",
        lambda: _integrate(np.full((40, 2), 1e160)),
        ValueError,
        ("`x`", "finite", "inf in float32"),
    ),
    BadInput(
        "samples too small for their precision",
        lambda: _integrate(np.full((40, 2), 1e-200)),
        ValueError,
        ("`x`", "vanish in float32", "1e-200"),
    ),
    BadInput("text", lambda: _integrate(np.array([["a", "b"]] * 40)), ValueError, ("`x`", "numbers", "text")),
    BadInput("text as labels", lambda: _integrate(y=["cat", "dog"] * 20), ValueError, ("`y`", "text", "numpy.unique")),
    BadInput("complex samples", lambda: _integrate(np.asarray(X) + 1j), ValueError, ("`x`", "real", "complex")),
    BadInput("a ragged list", lambda: _integrate([[1.0, 2.0], [3.0]]), ValueError, ("`x`", "array", "a list")),
    BadInput(
        "a masked entry",
        lambda: _integrate(np.ma.masked_greater(np.asarray(X), 1.0)),
        ValueError,
        ("`x`", "masked", "missing"),
    ),
    BadInput(
        "labels beyond 32 bits",
        lambda: _integrate(y=np.arange(40) + 2**40),
        ValueError,
        ("`y`", "int32", "1099511627776"),
    ),
    BadInput("a sample instead of a batch", lambda: _integrate(X[0]), ValueError, ("(2,)", "()", "batch")),
    BadInput("no samples", lambda: _integrate(X[:0]), ValueError, ("`x`", "at least one", "(0, 2)")),
    BadInput(
        "a model that predicts NaN",
        lambda: ex.integrate(ex.Gap(_Broken(), ex.Zero()), X, key=KEY),
        RuntimeError,
        ("NaN", "x[", "λ = "),
    ),
    BadInput(
        "a range that falls", lambda: ex.Integrator(log_snr_range=(9.0, -9.0)), ValueError, ("`log_snr_range`", "-9.0")
    ),
    BadInput(
        "a range of NaN", lambda: ex.Integrator(log_snr_range=(np.nan, 9.0)), ValueError, ("`log_snr_range`", "nan")
    ),
    BadInput(
        "a range without end",
        lambda: ex.Integrator(log_snr_range=(-9.0, np.inf)),
        ValueError,
        ("`log_snr_range`", "finite", "inf"),
    ),
    BadInput(
        "denoisers that are trusted nowhere at once",
        lambda: ex.integrate(ex.Gap(_Low(), _High()), X, key=KEY),
        ValueError,
        ("`log_snr_range`", "_Low, _High", "(1.0, 0.0)"),
    ),
    BadInput(
        "integrands that are trusted nowhere at once",
        lambda: ex.integrate([ex.Gap(_Low(), ex.Zero()), ex.Gap(_High(), ex.Zero())], X, key=KEY),
        ValueError,
        ("`log_snr_range`", "all integrands", "(1.0, 0.0)"),
    ),
    BadInput("half a chunk", lambda: ex.Integrator(chunk=0.5), ValueError, ("`chunk`", "whole", "0.5")),
    BadInput("a number of nodes alone", lambda: ex.Integrator(nodes=16), ValueError, ("`nodes`", "Nodes", "16")),
    BadInput("two and a half nodes", lambda: ex.Stratified(2.5), ValueError, ("`num`", "whole", "2.5")),
    BadInput("no nodes", lambda: ex.Stratified(0), ValueError, ("`num`", "at least 1", "0")),
    BadInput("negative panels", lambda: ex.GaussLegendre(-3), ValueError, ("`panels`", "at least 1", "-3")),
    BadInput(
        "the class of a density",
        lambda: ex.Stratified(4, ex.Uniform),
        ValueError,
        ("`density`", "Uniform(...)"),
    ),
    BadInput("a density without width", lambda: ex.Logistic(2.0, 0.0), ValueError, ("`scale`", "positive", "0.0")),
    BadInput("a density centred nowhere", lambda: ex.Logistic(np.nan), ValueError, ("`loc`", "finite", "nan")),
    BadInput(
        "a density beyond the range",
        lambda: _nodes(ex.Logistic(40.0, 0.5)),
        ValueError,
        ("`density`", "cover", "-16", "λ = -16"),
    ),
    BadInput(
        "a density too narrow for the range",
        lambda: _nodes(ex.Logistic(0.0, 0.5)),
        ValueError,
        ("`density`", "cover", "hardly ever"),
    ),
    BadInput(
        "a density of half of the range",
        lambda: _nodes(_piecewise([0.0, 24.0], [1.0])),
        ValueError,
        ("`density`", "cover", "λ = 0 to 24"),
    ),
    BadInput(
        "a density next to nothing on half of the range",
        lambda: _nodes(_piecewise([-16.0, 0.0, 24.0], [1e-9, 1.0])),
        ValueError,
        ("`density`", "cover"),
    ),
    BadInput("a height of zero", lambda: _piecewise([0.0, 1.0, 2.0], [1.0, 0.0]), ValueError, ("`heights`",)),
    BadInput("edges that fall", lambda: _piecewise([0.0, -1.0], [1.0]), ValueError, ("`edges`", "increase", "-1")),
    BadInput(
        "as many heights as edges", lambda: _piecewise([0.0, 1.0], [1.0, 1.0]), ValueError, ("`edges`", "(2,)", "(2,)")
    ),
    BadInput(
        "samples in other units than the model's",
        lambda: _warning(lambda: _integrate(100 * X)),
        ex.UnitsWarning,
        ("`x`", "Gaussian", "standard deviation"),
    ),
    BadInput(
        "a float of several numbers",
        lambda: float(ex.Estimate(jnp.ones(3), jnp.ones(3), jnp.ones(3))),
        ValueError,
        ("(3,)", "one number", ".sum()"),
    ),
    BadInput("no centre", lambda: ex.Logistic(loc=None), ValueError, ("`loc`", "number", "None")),
    BadInput(
        "masked edges",
        lambda: ex.Piecewise(np.ma.array([0.0, 1.0], mask=[False, True]), [1.0]),
        ValueError,
        ("`edges`", "masks"),
    ),
    BadInput("heights in words", lambda: ex.Piecewise([0.0, 1.0], "a"), ValueError, ("`heights`", "numbers", "text")),
    BadInput(
        "classes of NaN", lambda: ex.ClassLosses(ex.Zero(), np.array([np.nan])), ValueError, ("`classes`", "integers")
    ),
    BadInput("a difference of numbers", lambda: ex.Difference(GAP, 3), ValueError, ("`second`", "Integrand", "3")),
    BadInput(
        "the mean of a control as a number", lambda: ex.Controlled(GAP, GAP, 3), ValueError, ("`mean`", "function", "3")
    ),
    BadInput("a list of levels", lambda: _integrate().interval([0.5]), ValueError, ("`level`", "number", "[0.5]")),
    BadInput("nothing to divide by", lambda: _integrate() / 0, ZeroDivisionError, ("divided", "/ 0")),
    BadInput(
        "a traced estimate as a number",
        lambda: jax.jit(lambda x: float(_integrate(x)))(X),
        ValueError,
        ("traced", "outside of jax.jit"),
    ),
]


def _warning(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ex.UnitsWarning)
        return call()
