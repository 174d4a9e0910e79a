# pyright: reportArgumentType=false
"""Bad inputs of terms: classes for instances, single states, a score of data without noise."""

import diffrax as dfx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


def of(name, call, *says):
    return BadInput(name, call, ValueError, says)


PROCESS, MODEL = ex.VariancePreserving(), ex.Equilibrium()
TS = np.linspace(0.1, 0.9, 5, dtype=np.float32)


def path(ts=TS, key=None, shape=(4, 2), **settings):
    return ex.terms.GridBrownianPath(jnp.asarray(ts), jr.key(0) if key is None else key, shape, **settings)


def ask(field, x=None, s=0.5, y=None):
    return field(jnp.asarray(s), jnp.ones((4, 2)) if x is None else x, y)


def rate_of(rate):
    terms = ex.terms.accumulate(dfx.ODETerm(lambda t, x, y: -x), rate)
    return terms.vf(0.0, ex.terms.PathState.start(jnp.ones((4, 2))), None)


def integral_of(integrand):
    terms = ex.terms.stochastic_integral(ex.terms.forward(PROCESS, path()), integrand, dfx.Euler())
    return terms.terms[1].vf(jnp.asarray(0.5), ex.terms.PathState.start(jnp.ones((4, 2))), None)


FLOW, REVERSE = ex.terms.ProbabilityFlow(PROCESS, MODEL), ex.terms.ReverseDrift(PROCESS, MODEL)
INPUTS = [
    of(
        "process as a class",
        lambda: ex.terms.probability_flow(ex.Cosine, MODEL),
        "`process`",
        "the class",
        "Cosine(...)",
    ),
    of("a function as model", lambda: ex.terms.reverse(PROCESS, lambda z, t, y: z, path()), "`denoiser`", "a function"),
    of("model and process swapped", lambda: ex.terms.probability_flow(MODEL, PROCESS), "`process`", "Equilibrium"),
    of("a single state in the flow", lambda: ask(FLOW, jnp.ones(2)), "`x`", "batch", "(2,)", "x[None]"),
    of("a single state in the reverse drift", lambda: ask(REVERSE, jnp.ones(2)), "`x`", "batch", "(2,)", "x[None]"),
    of("conditions of other length", lambda: ask(FLOW, y=jnp.ones((3, 1))), "`y`", "4 states", "(3, 1)"),
    of("one number as a path's state", lambda: ex.terms.PathState.start(jnp.ones(())), "`x`", "batch"),
    of(
        "a path as a class", lambda: ex.terms.forward(PROCESS, dfx.VirtualBrownianTree), "`path`", "VirtualBrownianTree"
    ),
    of("negative churn", lambda: ex.terms.reverse(PROCESS, MODEL, path(), churn=-1.0), "`churn`", "negative", "-1.0"),
    of("times as a list", lambda: ex.terms.GridBrownianPath([0.0, 1.0], jr.key(0), (2,)), "`ts`", "array", "list"),
    of("times that fall", lambda: path(TS[::-1]), "`ts`", "increase", "ts[0] = 0.8999"),
    of("a number as key", lambda: path(key=3), "`key`", "3", "jax.random.key(3)"),
    of("a shape of a number", lambda: path(shape=4), "`shape`", "tuple", "4"),
    of("a shape of fractions", lambda: path(shape=(4, 2.0)), "`shape`", "whole", "2.0"),
    of("a rate for the whole batch", lambda: rate_of(lambda t, x, y: jnp.sum(x**2)), "`rate`", "(4,)", "()"),
    of("a rate for each coordinate", lambda: rate_of(lambda t, x, y: x**2), "`rate`", "(4,)", "(4, 2)"),
    of("no rate", lambda: ex.terms.accumulate(dfx.ODETerm(lambda t, x, y: x), 1.0), "`rate`", "function", "float"),
    of(
        "noise before the drift",
        lambda: ex.terms.accumulate(dfx.MultiTerm(*ex.terms.forward(PROCESS, path()).terms[::-1]), lambda t, x, y: x),
        "`terms`",
        "IsotropicNoise",
        "drift first",
    ),
    of("an integrand of another shape", lambda: integral_of(lambda t, x, y: x[:, 0]), "`integrand`", "(4, 2)", "(4,)"),
    of(
        "a solver that takes all memory",
        lambda: ex.terms.stochastic_integral(ex.terms.forward(PROCESS, path()), lambda t, x, y: x, dfx.ItoMilstein()),
        "`solver`",
        "ItoMilstein",
        "StratonovichMilstein()",
    ),
    of(
        "an integral along an ODE",
        lambda: ex.terms.stochastic_integral(ex.terms.probability_flow(PROCESS, MODEL), lambda t, x, y: x, dfx.Euler()),
        "`terms`",
        "IsotropicNoise",
        "got ODETerm",
    ),
    of(
        "reversed from a negative T",
        lambda: ex.terms.TimeReversed(lambda t, x, y: x, -1.0),
        "`T`",
        "not negative",
        "-1",
    ),
    of("reversed from NaN", lambda: ex.terms.ReverseDrift(PROCESS, MODEL, start=np.nan), "`start`", "finite", "nan"),
    of("noise from a start in words", lambda: ex.terms.ReverseScale(PROCESS, start="a"), "`start`", "number", "'a'"),
    of(
        "masked times of a path",
        lambda: ex.terms.GridBrownianPath(np.ma.array(TS, mask=TS > 0.8), jr.key(0), (4, 2)),
        "`ts`",
        "masks 1 of 5",
    ),
]
