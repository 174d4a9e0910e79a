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


def _train(denoiser=None, x=None, **arguments):
    network = ex.nn.MLP(3, ex.nn.NoCondition(8), (-9.0, 9.0), key=jr.key(0))
    scheme = ex.entropy_matching()
    model = ex.Neural(
        network, scheme.baseline, scheme.scale, ex.Whitening.fit(jnp.asarray(X, jnp.float32)), (-9.0, 9.0)
    )
    x = jnp.asarray(X, jnp.float32) if x is None else x
    return ex.train(denoiser or model, x, **(dict(held_out=(X[:5], None), key=jr.key(0)) | arguments))


def _file() -> pathlib.Path:
    file = pathlib.Path(tempfile.mkdtemp()) / "taken"
    file.write_text("")
    return file


def _bad(name, call, *says) -> BadInput:
    return BadInput(name, call, ValueError, says)


def _setting(value, *says, **arguments) -> BadInput:
    (name,) = arguments
    return _bad(f"{name}={value}", lambda: ex.Settings(**arguments), f"`{name}`", *says)


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
    _bad("rows of unequal length", lambda: _fit([[1.0, 2.0], [3.0]]), "`x` must be an array of numbers", "list"),
    _bad("text", lambda: _fit(X.astype(str)), "`x` must be an array of real numbers", "<U"),
    _bad("objects", lambda: _fit(X.astype(object)), "`x` must be an array of real numbers", "object"),
    _bad("complex numbers", lambda: _fit(X + 1j), "`x` must be an array of real numbers", "complex128"),
    _bad("masked samples", lambda: _fit(np.ma.masked_greater(X, 1.0)), "`x` must not be masked", "Leave"),
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
]  # fmt: skip
