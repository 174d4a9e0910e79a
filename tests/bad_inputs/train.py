"""Bad inputs of trainings: samples, conditions, settings, keys and folders."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import pathlib
import tempfile

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.arange(20) % 4


def _fit(x=X, y=None, key=None, **arguments):
    return ex.fit(x, y, key=jr.key(0) if key is None else key, **arguments)


def _with(row: int, column: int, value: float) -> np.ndarray:
    x = X.copy()
    x[row, column] = value
    return x


def _train(denoiser=None, x=X, y=None, **arguments):
    return ex.train(denoiser or _neural(), x, y, **(dict(held_out=(X[:5], None), key=jr.key(0)) | arguments))


def _file() -> pathlib.Path:
    file = pathlib.Path(tempfile.mkdtemp()) / "taken"
    file.write_text("")
    return file


def _bad(name, call, *says) -> BadInput:
    return BadInput(name, call, ValueError, says)


def _setting(value, *says, **arguments) -> BadInput:
    (name,) = arguments
    return _bad(f"{name}={value}", lambda: ex.Settings(**arguments), f"`{name}`", *says)


def _neural() -> ex.Neural:
    network = ex.nn.MLP(3, ex.nn.NoCondition(8), (-9.0, 9.0), key=jr.key(0))
    scheme = ex.entropy_matching()
    return ex.Neural(network, scheme.baseline, scheme.scale, ex.Whitening.fit(jnp.asarray(X, jnp.float32)), (-9.0, 9.0))


def _nothing() -> ex.Neural:
    scheme = ex.entropy_matching()
    return ex.Neural(lambda z, log_snr, y=None: z, scheme.baseline, scheme.scale, lambda z, log_snr: z, (-9.0, 9.0))


def _loss(x=X, y=None, *, denoiser=None, **arguments):
    return ex.denoising_loss(denoiser or _neural(), x, y, **(dict(key=jr.key(0)) | arguments))


def _in_a_circle() -> ex.Checkpoints:
    circle = {}
    circle["circle"] = circle
    return ex.Checkpoints(tempfile.mkdtemp(), circle)


FLOATS = X.astype(np.float32)
MASKED = np.ma.masked_greater(X, 1.0)

INPUTS = [
    # Samples.
    _bad("NaN in x", lambda: _fit(_with(7, 2, np.nan)), "`x` must be finite", "1 of them", "row 7, column 2"),
    _bad("infinity in x", lambda: _fit(_with(0, 1, -np.inf)), "`x` must be finite", "row 0, column 1"),
    _bad("one row", lambda: _fit(X[:1]), "`x`", "at least two samples", "(1, 3)"),
    _bad("two rows, one held out", lambda: _fit(X[:2]), "`x`", "beside those held out", "2 samples, 1"),
    _bad("no rows", lambda: _fit(X[:0]), "`x`", "at least two samples", "(0, 3)"),
    _bad("no columns", lambda: _fit(X[:, :0]), "`x`", "(20, 0)"),
    _bad("one axis", lambda: _fit(X[:, 0]), "`x` must have shape (batch, dim)", "(20,)", "x[:, None]"),
    _bad("images", lambda: _fit(np.ones((20, 3, 8, 8))), "`x`", "(20, 3, 8, 8)", "ex.train", "ex.nn.UNet"),
    _bad("series", lambda: _fit(np.ones((20, 8, 3))), "`x`", "(20, 8, 3)", "reshape"),
    _bad("a constant column", lambda: _fit(X * [1, 0, 1]), "`x`", "constant", "column 1 of 3", "Leave it out"),
    _bad("a generator", lambda: _fit(row for row in X), "`x` must be an array", "generator", "np.concatenate"),
    _bad("an iterator", lambda: _fit(iter(X)), "`x` must be an array", "iterator", "np.concatenate"),
    _bad("a dictionary", lambda: _fit({"a": X}), "`x` must be an array", "dict"),
    _bad("rows of unequal length", lambda: _fit([[1.0, 2.0], [3.0]]), "`x` cannot be made an array", "list"),
    _bad("text", lambda: _fit(X.astype(str)), "`x` must be an array of real numbers", "<U"),
    _bad("objects", lambda: _fit(X.astype(object)), "`x` must hold real numbers", "Python objects"),
    _bad("complex numbers", lambda: _fit(X + 1j), "`x` must hold real numbers", "complex128"),
    _bad("masked samples", lambda: _fit(np.ma.masked_greater(X, 1.0)), "`x` masks", "of 60 entries", "Leave"),
    _bad("inside jit", lambda: jax.jit(_fit)(X), "`x`", "traced", "jax.jit"),
    _bad(
        "digits that float32 lost",
        lambda: _fit((1e6 + 0.05 * X).astype(np.float32)),
        "`x` must have more digits",
        "column",
        "mean 1e+06",
        "float32",
        "Subtract the mean",
    ),
    _bad("digits that float64 lost", lambda: _fit(1e20 + X * 1e3), "`x`"),
    _bad("squares that overflow", lambda: _fit(X * 1e160), "`x`", "float32 can square", "e+160", "Multiply"),
    _bad("squares that underflow", lambda: _fit(X * 1e-200), "`x`", "float32 can square", "e-200", "Multiply"),
    _bad("sizes far apart", lambda: _fit(X * [1e9, 1, 1e-9]), "`x`", "comparable size", "column 2", "column 0"),
    # Conditions.
    _bad("too few conditions", lambda: _fit(X, Y[:10]), "`y` must hold as many samples as `x`, 20", "(10,)"),
    _bad("float labels", lambda: _fit(X, Y.astype(float)), "`y`", "float64 of shape (20,)", "y[:, None]"),
    _bad("labels in a column", lambda: _fit(X, Y[:, None]), "`y`", "of shape (20, 1)", "y[:, 0]"),
    _bad("text labels", lambda: _fit(X, Y.astype(str)), "`y`", "<U"),
    _bad("a negative label", lambda: _fit(X, Y - 1), "`y`", "from 0 on", "-1"),
    _bad("identifiers", lambda: _fit(X, 10**6 + Y), "`y`", "1000003", "20 samples", "np.unique"),
    _bad("NaN in y", lambda: _fit(X, _with(3, 1, np.nan)), "`y` must be finite", "row 3, column 1"),
    _bad("an iterator of conditions", lambda: _fit(X, iter(Y)), "`y` must be an array", "iterator"),
    # Arguments of a fit.
    _bad("a number for a key", lambda: _fit(key=3), "`key`", "jax.random.key(3)"),
    _bad("several keys", lambda: _fit(key=jr.split(jr.key(0))), "`key`", "(2,)"),
    _bad("all held out", lambda: _fit(held_out=1.0), "`held_out`", "between 0 and 1", "1.0"),
    _bad("a negative share held out", lambda: _fit(held_out=-0.1), "`held_out`", "-0.1"),
    _bad("fractional width", lambda: _fit(width=12.5), "`width`", "whole number", "12.5"),
    _bad("no depth", lambda: _fit(depth=0), "`depth`", "at least 1", "0"),
    _bad("settings, a class", lambda: _fit(settings=ex.Settings), "`settings`", "the class", "Settings(...)"),
    _bad("settings as a dictionary", lambda: _fit(settings={"steps": 3}), "`settings`", "dict"),
    _bad(
        "a parameterisation without parentheses",
        lambda: _fit(parameterisation=ex.entropy_matching),
        "`parameterisation`",
        "function, entropy_matching",
    ),
    _bad("a range that decreases", lambda: _fit(log_snr_range=(9.0, -9.0)), "`log_snr_range`", "increase", "(9.0"),
    _bad("an infinite range", lambda: _fit(log_snr_range=(-np.inf, 9.0)), "`log_snr_range`", "finite", "-inf"),
    _bad("a path for checkpoints", lambda: _fit(checkpoints="folder"), "`checkpoints`", "Checkpoints", "folder"),
    _bad("checkpoints in a file", lambda: _fit(checkpoints=ex.Checkpoints(_file(), {})), "`directory`", "is a file"),
    # Settings.
    _setting(0, "at least 1", "0", steps=0),
    _setting(100.5, "whole number", "100.5", steps=100.5),
    _setting(1e3, "whole number", "1000.0", batch_size=1e3),
    _setting(-3, "at least 1", "-3", chunk=-3),
    _setting(-1e-3, "not negative", "-0.001", learning_rate=-1e-3),
    _setting("nan", "finite", "nan", learning_rate=float("nan")),
    _setting(0.0, "positive", "0.0", clip=0.0),
    _setting(-1.0, "positive", "-1.0", clip=-1.0),
    _setting(-0.1, "not negative", "-0.1", weight_decay=-0.1),
    _setting(1.5, "share", "1.5", unconditional=1.5),
    _setting(0.999, "tuple", "0.999", averages=0.999),
    _setting((1.0,), "less than 1", "1.0", averages=(1.0,)),
    _setting(0, "at least 1", "0", patience=0),
    _setting("a class", "the class", "Likelihood(...)", weighting=ex.Likelihood),
    # Trainings of any denoiser.
    _bad("a function as denoiser", lambda: _train(lambda z, log_snr, y=None: z), "`denoiser`", "function, <lambda>"),
    _bad("a loader as samples", lambda: _train(x=iter(X)), "`x` must be an array", "iterator", "np.concatenate"),
    _bad("no samples", lambda: _train(x=jnp.zeros((0, 3))), "`x`", "at least one sample", "(0, 3)"),
    _bad("samples alone held out", lambda: _train(held_out=X), "`held_out`", "(x, None)", "ndarray"),
    _bad("a number for a key of a training", lambda: _train(key=3), "`key`", "jax.random.key(3)"),
    _bad("an objective without parentheses", lambda: _train(objective=ex.Denoising), "`objective`", "Denoising(...)"),
    # Trainings: samples, and those held out.
    _bad("masked samples of a training", lambda: _train(x=MASKED), "`x` masks", "of 60 entries", "Leave"),
    _bad("masked conditions", lambda: _train(y=MASKED), "`y`", "masked", "Leave"),
    _bad("masked rows held out", lambda: _train(held_out=(MASKED, None)), "`held_out[0]` masks", "Leave"),
    _bad("a list of masked rows", lambda: _fit(list(MASKED)), "`x` masks", "Leave"),
    _bad("NaN in a training", lambda: _train(x=_with(3, 1, np.nan)), "`x` must be finite", "[3, 1]", "nan"),
    _bad("NaN held out", lambda: _train(held_out=(_with(3, 1, np.nan), None)), "must be finite; held_out[0][3, 1]"),
    _bad("complex samples of a training", lambda: _train(x=X + 1j), "`x` must hold real numbers", "complex128"),
    _bad("text in a training", lambda: _train(x=X.astype(str)), "`x` must hold numbers", "<U"),
    _bad("keys as samples", lambda: _train(x=jr.split(jr.key(0))), "`x` must hold real numbers", "key<fry>"),
    _bad("a key as samples of a fit", lambda: _fit(jr.key(0)), "`x` must have shape (batch, dim)", "()"),
    _bad("conditions in words", lambda: _train(y="labels"), "`y` must hold numbers", "text"),
    _bad("an iterator of a training's conditions", lambda: _train(y=iter(Y)), "`y` must hold real numbers", "iterator"),
    _bad("no conditions held out", lambda: _train(y=Y), "`held_out[1]`", "conditions", "`y`", "got None"),
    _bad("conditions held out alone", lambda: _train(held_out=(X, X)), "`held_out[1]`", "None", "got (3,)"),
    _bad("held out, swapped", lambda: _train(y=X[:, :1], held_out=(X[:, :1], X)), "`held_out[0]`", "(3,)", "(1,)"),
    _bad("conditions too large", lambda: _train(y=1e200 * X), "`y` must be finite", "inf"),
    _bad("conditions of a fit too large", lambda: _fit(X, 1e200 * X), "`y` must be of a size", "column 0", "e+20"),
    _bad("conditions of a fit too small", lambda: _fit(X, 1e-90 * X), "`y` must be of a size", "e-9", "Multiply"),
    _bad("labels that do not repeat", lambda: _fit(X, np.arange(20)), "`y` must be labels that repeat", "20 different"),
    # Trainings: the other arguments.
    _bad("a transform in words", lambda: _train(transform="a"), "`transform` must be a function", "'a'"),
    _bad("no transform", lambda: _train(transform=None), "`transform` must be a function", "None"),
    _bad("a transform to integers", lambda: _train(transform=lambda key, x: x.astype(int)), "`transform`", "int"),
    _bad("no loggers", lambda: _train(loggers=None), "`loggers` must be a list", "JSONLines(path)", "None"),
    _bad("one logger", lambda: _train(loggers=ex.JSONLines("log")), "`loggers` must be a list", "JSONLines"),
    _bad("a logger's class", lambda: _train(loggers=[ex.JSONLines]), "`loggers` must be a list", "class"),
    _bad("loggers in words", lambda: _train(loggers="a"), "`loggers` must be a list", "'a'"),
    _bad("an observer that is none", lambda: _train(observe=3), "`observe` must be a function", "3"),
    _bad("an objective of autoencoders", lambda: _train(objective=ex.latent.NegativeELBO()), "`objective`", "Neural"),
    _bad("a training as denoiser", lambda: _train(ex.Training(_neural(), None)), "`denoiser`", "AbstractDenoiser"),
    _bad("nothing to train", lambda: _train(_nothing()), "`denoiser` must have parameters", "Neural"),
    _bad("an exact denoiser", lambda: _train(ex.Gaussian(np.zeros(3), np.eye(3))), "`denoiser`", "Gaussian", "inf"),
    _bad("a loss of an exact denoiser", lambda: _loss(denoiser=ex.Zero()), "`denoiser`", "Zero", "inf"),
    _bad("a mesh that is none", lambda: _train(mesh=2), "`mesh`", "int"),
    _bad("a class that normalises", lambda: _fit(normalise=ex.Standardising), "`normalise`", "Standardising"),
    _bad("a range in words", lambda: _fit(log_snr_range=("a", None)), "`log_snr_range`", "'a'"),
    _bad("a list held out", lambda: _fit(held_out=[0.1]), "`held_out` must be a number", "[0.1]"),
    _setting([0.1], "must be a number", "[0.1]", learning_rate=[0.1]),
    _setting("ones", "one number", "(3,)", clip=np.ones(3)),
    _setting("halves", "one number", "(2,)", unconditional=np.full(2, 0.5)),
    _setting("no number", "number", "None", weight_decay=None),
    # Objectives, weightings, and where they go.
    _bad("a negative share", lambda: ex.Denoising(unconditional=-1.0), "`unconditional`", "-1.0"),
    _bad("a share above one", lambda: ex.Denoising(unconditional=2.0), "`unconditional`", "share", "2.0"),
    _bad("a share of NaN", lambda: ex.Denoising(unconditional=np.nan), "`unconditional`", "nan"),
    _bad("a weighting in words", lambda: ex.Denoising(weighting="a"), "`weighting`", "str"),
    _bad("a weighting, a class", lambda: ex.Denoising(ex.Sigmoid), "`weighting`", "the class", "Sigmoid(...)"),
    _bad("a bias of NaN", lambda: ex.Sigmoid(np.nan), "`bias` must be finite", "nan"),
    _bad("a bias in words", lambda: ex.Sigmoid("a"), "`bias`", "number", "'a'"),
    _bad("a number as process", lambda: ex.Epsilon(3), "`process`", "AbstractProcess", "int"),
    _bad("no process", lambda: ex.Unit(None), "`process`", "AbstractProcess"),
    _bad("a loss of NaN", lambda: _loss(_with(3, 1, np.nan)), "`x` must be finite", "[3, 1]"),
    _bad("a loss of masked samples", lambda: _loss(MASKED), "`x`", "masked", "Leave"),
    _bad("a loss given what is too large", lambda: _loss(FLOATS, 1e200 * X), "`y` must be finite", "inf"),
    _bad("a loss of objects", lambda: _loss(X.astype(object)), "`x` must hold real numbers", "object"),
    _bad("a loss of no denoiser", lambda: _loss(denoiser=lambda *z: 0), "`denoiser`", "AbstractDenoiser", "function"),
    _bad("a loss with a seed", lambda: _loss(FLOATS, key=3), "`key`", "jax.random.key(3)"),
    _bad("a loss with a seed for masks", lambda: _loss(FLOATS, dropout=3), "`dropout`", "jax.random.key(3)"),
    _bad("a loss without weights", lambda: _loss(FLOATS, weighting=None), "`weighting`", "AbstractWeighting"),
    _bad("a loss of half its share", lambda: _loss(FLOATS, unconditional=1e30), "`unconditional`", "share"),
    _bad("checkpoints without a folder", lambda: ex.Checkpoints(None, {}), "`directory`", "path", "None"),
    _bad("an identity in words", lambda: ex.Checkpoints("folder", "ab"), "`identity`", "mapping", "'ab'"),
    _bad("an identity in a circle", lambda: _train(checkpoints=_in_a_circle()), "`identity`", "JSON", "Circular"),
    _bad("lines without a file", lambda: ex.JSONLines(None), "`path`", "None"),
]  # fmt: skip
