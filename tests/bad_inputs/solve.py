# pyright: reportArgumentType=false
"""Bad inputs of samplers, densities and functionals of paths."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


def of(name, call, *says):
    return BadInput(name, call, ValueError, says)


PROCESS, MODEL = ex.VariancePreserving(), ex.Equilibrium()
MASKED = np.ma.masked_greater(np.eye(4, 2, dtype=np.float32), 0.5)
ONE = dict(finish=lambda process, denoiser, x, s, y: x[:1])


def draw(process=PROCESS, model=MODEL, shape=(4, 2), y=None, key=None, sampler=None, **settings):
    sampler = ex.Sampler(steps=2, **settings) if sampler is None else sampler
    return ex.sample(process, model, shape, y, key=jr.key(0) if key is None else key, sampler=sampler)


def density(x=None, y=None, **settings):
    return ex.log_density(PROCESS, MODEL, jnp.ones((4, 2)) if x is None else x, y, **settings)


def produced(x=None, key=None, **settings):
    x = jnp.ones((4, 2)) if x is None else x
    return ex.solve.entropy_production(PROCESS, MODEL, x, key=jr.key(0) if key is None else key, **settings)


def bound(x=None, control=lambda s, x, y: x):
    return ex.solve.nll_bound(PROCESS, control, jnp.ones((4, 2)) if x is None else x, key=jr.key(0))


def injected(churn):
    return ex.solve.information_injected(PROCESS, MODEL, jnp.ones((4, 2)), churn=churn, key=jr.key(0))


def explicit():
    return jax.make_mesh((1,), ("batch",), axis_types=(jax.sharding.AxisType.Explicit,), devices=jax.devices()[:1])


INPUTS = [
    of(
        "process as a class",
        lambda: draw(process=ex.VariancePreserving),
        "`process`",
        "the class",
        "VariancePreserving(",
    ),
    of("a function as model", lambda: draw(model=lambda z, s, y=None: z), "`denoiser`", "function", "AbstractDenoiser"),
    of("model as a class", lambda: draw(model=ex.Equilibrium), "`denoiser`", "the class", "Equilibrium("),
    of("solver as a class", lambda: ex.Sampler(dfx.Heun), "`solver`", "the class diffrax.Heun", "Heun("),
    of("a solver as the sampler", lambda: draw(sampler=dfx.Heun()), "`sampler`", "Heun", "entropax.Sampler(solver)"),
    of("sampler as a class", lambda: draw(sampler=ex.Sampler), "`sampler`", "the class entropax.Sampler", "Sampler("),
    of("grid as a class", lambda: ex.Sampler(grid=ex.solve.Karras), "`grid`", "the class", "Karras("),
    of("nodes as a list", lambda: ex.Sampler(grid=[-8.0, 0.0, 8.0]), "`grid`", "list", "entropax.solve.Nodes("),
    of("clock as a class", lambda: ex.Sampler(clock=ex.LogSNR), "`clock`", "the class", "LogSNR("),
    of("fractional steps", lambda: ex.Sampler(steps=2.5), "`steps`", "whole", "2.5"),
    of("steps as text", lambda: ex.Sampler(steps="20"), "`steps`", "whole", "'20'"),
    of("no max_steps", lambda: ex.Sampler(max_steps=0), "`max_steps`", "at least 1", "0"),
    of("NaN churn", lambda: ex.Sampler(churn=float("nan")), "`churn`", "finite", "nan"),
    of("range reversed", lambda: ex.Sampler(log_snr_range=(8.0, -8.0)), "`log_snr_range`", "increase", "(8.0, -8.0)"),
    of("range of one number", lambda: ex.Sampler(log_snr_range=8.0), "`log_snr_range`", "two", "8.0"),
    of("infinite range", lambda: ex.Sampler(log_snr_range=(-8.0, np.inf)), "`log_snr_range`", "finite", "inf"),
    of(
        "negative tolerance of a controller",
        lambda: ex.Sampler(dfx.Tsit5(), controller=dfx.PIDController(rtol=-1e-3, atol=1e-3)),
        "`rtol`",
        "not negative",
        "-0.001",
    ),
    of("finish of another shape", lambda: draw(**ONE), "`finish`", "(2,)", "(1,)"),
    of("finish that is no function", lambda: ex.Sampler(finish=True), "`finish`", "function", "True"),
    of("mesh of explicit axes", lambda: ex.Sampler(mesh=explicit()), "`mesh`", "Explicit", "make_mesh(mesh.devices"),
    of("devices as a mesh", lambda: ex.Sampler(mesh=jax.devices()), "`mesh`", "list", "make_mesh(devices)"),
    of("mesh of explicit axes for densities", lambda: density(mesh=explicit()), "`mesh`", "Explicit", "make_mesh("),
    of("implicit without tolerances", lambda: ex.Sampler(dfx.Kvaerno3()), "`solver`", "Kvaerno3", "PIDController("),
    of("a number as key", lambda: draw(key=3), "`key`", "3", "jax.random.key(3)"),
    of("a NumPy key", lambda: draw(key=np.array([0, 3], np.uint32)), "`key`", "uint32", "wrap_key_data"),
    of("several keys", lambda: draw(key=jr.split(jr.key(0), 4)), "`key`", "(4,)", "key[0]"),
    of("a number as shape", lambda: draw(shape=4), "`shape`", "(batch, *shape)", "4"),
    of("no samples", lambda: draw(shape=(0, 2)), "`shape`", "at least 1", "0"),
    of("labels in words", lambda: draw(y="0120"), "`y`", "numbers", "text"),
    of("masked data to encode", lambda: ex.encode(PROCESS, MODEL, MASKED), "`x`", "masked", "Leave"),
    of("masked noise", lambda: ex.decode(PROCESS, MODEL, MASKED), "`latent`", "masked", "Leave"),
    of("masked noise of a path", lambda: ex.solve.trajectory(PROCESS, MODEL, MASKED), "`latent`", "masked", "Leave"),
    of("complex data to encode", lambda: ex.encode(PROCESS, MODEL, 1j * np.ones((4, 2))), "`x`", "real", "complex128"),
    of("a bound of masked data", lambda: bound(MASKED), "`x`", "masked", "Leave"),
    of("a control of one argument", lambda: bound(control=lambda x: x), "`control`", "control(s, x, y)", "positional"),
    of("a list of churns", lambda: ex.Sampler(dfx.ShARK(), churn=[1.0]), "`churn` must be a number", "[1.0]"),
    of("churns", lambda: ex.Sampler(dfx.ShARK(), churn=np.ones(3)), "`churn` must be one number", "(3,)"),
    of("churn injected", lambda: injected([1.0]), "`churn` must be a number", "[1.0]"),
    of("a list of tolerances", lambda: density(rtol=[1e-3]), "`rtol` must be a number", "[0.001]"),
    of("text as x", lambda: density([["0.0", "1.0"]]), "`x`", "must hold numbers", "text"),
    of("complex numbers as x", lambda: produced(jnp.ones((4, 2), jnp.complex64)), "`x`", "real numbers", "complex64"),
    of(
        "masked entries in x",
        lambda: density(np.ma.array(np.ones((4, 2)), mask=np.eye(4, 2) > 0)),
        "`x`",
        "masked",
        "2 of 8",
    ),
    of("one number as x", lambda: ex.encode(PROCESS, MODEL, jnp.ones(())), "`x`", "first axis", "()"),
    of(
        "NaN in noise",
        lambda: ex.decode(PROCESS, MODEL, jnp.full((2, 2), jnp.nan)),
        "`latent`",
        "finite; latent[0, 0]",
        "NaN",
    ),
    of("negative rtol", lambda: density(rtol=-1e-6), "`rtol`", "not negative", "-1e-06"),
    of("NaN atol", lambda: density(atol=float("nan")), "`atol`", "finite", "nan"),
    of("no tolerance", lambda: density(rtol=0.0, atol=0.0), "`rtol`", "positive", "0.0"),
    of(
        "a solver for SDEs for densities",
        lambda: density(solver=dfx.ShARK()),
        "`solver`",
        "AbstractERK",
        "ShARK",
        "Tsit5",
    ),
    of("divergence as a class", lambda: density(divergence=ex.solve.ExactDivergence), "`divergence`", "the class"),
    of("probes by halves", lambda: ex.solve.Hutchinson(1.5), "`num`", "whole", "1.5"),
    of("paths as a class", lambda: produced(paths=ex.solve.Paths), "`paths`", "the class", "Paths("),
    of("paths of a solver for ODEs", lambda: ex.solve.Paths(solver=dfx.Tsit5()), "`solver`", "SDEs", "Tsit5"),
    of("paths from a negative time", lambda: ex.solve.Paths(s_min=-1.0), "`s_min`", "positive", "-1.0"),
    of("a number as the key of paths", lambda: produced(key=0), "`key`", "0", "jax.random.key(0)"),
    of("order by halves", lambda: ex.solve.DPMSolverPlusPlus(1.5), "`steps`", "1 to 3", "1.5"),
    of(
        "a control that is no function",
        lambda: ex.solve.nll_bound(PROCESS, MODEL.log_snr_range, jnp.ones((4, 2)), key=jr.key(0)),
        "`control`",
        "function",
    ),
    of("rho as an array", lambda: ex.solve.Karras(rho=jnp.ones(3)), "`rho`", "one number", "(3,)"),
    of("nodes in words", lambda: ex.solve.Nodes("a"), "`log_snr`", "numbers", "text"),
    of(
        "masked nodes", lambda: ex.solve.Nodes(np.ma.array([0.0, 1.0], mask=[False, True])), "`log_snr`", "masks 1 of 2"
    ),
    of("times from None", lambda: ex.solve.uniform_in_log_snr(PROCESS, 3, None), "`s_min`", "number", "None"),
]
