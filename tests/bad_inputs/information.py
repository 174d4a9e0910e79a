"""Bad inputs of estimands."""

# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


KEY = jr.key(0)
PROBLEM = ex.data.JointGaussian.random(jr.key(7), dim_x=2, dim_y=2, noise_std=1.0)
X, Y = PROBLEM.sample(jr.key(1), 40)
MODEL = PROBLEM.denoiser()
LABELS = jnp.arange(40) % 2


def _mixture():
    return ex.GaussianMixture([0.5, 0.5], np.array([[-2.0, 0.0], [2.0, 0.0]]), np.stack([np.eye(2)] * 2))


def _information(model=MODEL, x=X, y=Y, **options):
    return ex.mutual_information(model, x, y, key=KEY, **options)


def _of_labels(y):
    return ex.mutual_information(_mixture(), X, y, key=KEY)


INPUTS = [
    BadInput("half a dimension", lambda: ex.bits_per_dim(1.0, 0.5), ValueError, ("`dim`", "whole", "0.5")),
    BadInput(
        "a negative bin width",
        lambda: ex.bits_per_dim(1.0, 2, spacing=-1.0),
        ValueError,
        ("`spacing`", "-1"),
    ),
    BadInput(
        "a negative error on a curve",
        lambda: ex.nll_from_mse_curve([0.0, 1.0, 2.0, 3.0], [1.0, 0.5, -0.5, 0.1], dim=2),
        ValueError,
        ("`mse`", "negative", "-0.5", "λ = 2"),
    ),
    BadInput(
        "text on a curve",
        lambda: ex.nll_from_mse_curve("abcd", [1.0, 0.5, 0.5, 0.1], dim=2),
        ValueError,
        ("`log_snr`", "numbers", "text"),
    ),
    BadInput("no temperature", lambda: ex.Posterior(()), ValueError, ("`temperatures`", "one number or more", "()")),
    BadInput("a negative temperature", lambda: ex.Posterior((-1.0,)), ValueError, ("`temperatures`", "positive", "-1")),
    BadInput("no condition", lambda: _information(y=None), ValueError, ("`y`", "must be given", "None")),
    BadInput("an empty condition", lambda: _information(y=()), ValueError, ("`y`", "must be given", "()")),
    BadInput(
        "no condition for an entropy given it",
        lambda: ex.conditional_entropy(MODEL, X, None, key=KEY),
        ValueError,
        ("`y`", "must be given", "None"),
    ),
    BadInput(
        "no condition for a map",
        lambda: ex.information_map(MODEL, X, None, key=KEY),
        ValueError,
        ("`y`", "must be given", "None"),
    ),
    BadInput("one column of two", lambda: _information(y=Y[:, :1]), ValueError, ("`y`", "(2,)", "(1,)")),
    BadInput("one column as a vector", lambda: _information(y=Y[:, 0]), ValueError, ("`y`", "(2,)", "()")),
    BadInput("two columns too many", lambda: _information(y=jnp.hstack([Y, Y])), ValueError, ("`y`", "(2,)", "(4,)")),
    BadInput("transposed conditions", lambda: _information(y=Y.T), ValueError, ("`y`", "40", "(2, 40)")),
    BadInput("fewer conditions than samples", lambda: _information(y=Y[:39]), ValueError, ("`y`", "40", "(39, 2)")),
    BadInput("a dictionary of conditions", lambda: _information(y={"y": Y}), ValueError, ("`y`", "(2,)", "a dict")),
    BadInput(
        "labels that count from 1",
        lambda: _of_labels(LABELS + 1),
        ValueError,
        ("`y`", "0 to 1", "from 1 to 2", "`y - 1`"),
    ),
    BadInput("a negative label", lambda: _of_labels(-LABELS), ValueError, ("`y`", "0 to 1", "from -1 to 0")),
    BadInput(
        "labels held as floats", lambda: _of_labels(LABELS.astype(float)), ValueError, ("`y`", "integer", "float32")
    ),
    BadInput("labels in a column", lambda: _of_labels(LABELS[:, None]), ValueError, ("`y`", "integer", "(1,)")),
    BadInput(
        "an unknown label in a likelihood",
        lambda: ex.nll(_mixture(), X, LABELS + 5, key=KEY),
        ValueError,
        ("`y`", "0 to 1", "from 5 to 6"),
    ),
    BadInput(
        "an unknown label in a bound",
        lambda: ex.variational_bound(_mixture(), X, LABELS + 5, key=KEY, log_snr=[3.0, -3.0]),
        ValueError,
        ("`y`", "0 to 1", "from 5 to 6"),
    ),
    BadInput(
        "a model that ignores its condition",
        lambda: _information(ex.Gaussian(np.zeros(2), np.eye(2))),
        ValueError,
        ("`denoiser`", "use its condition", "Gaussian", "same noise"),
    ),
    BadInput(
        "a wrapper that leaves the condition out",
        lambda: _information(ex.Unconditional(MODEL), method=ex.Orthogonal()),
        ValueError,
        ("`denoiser`", "use its condition", "Unconditional"),
    ),
    BadInput(
        "a model as its own reference",
        lambda: _information(reference=MODEL),
        ValueError,
        ("`reference`", "know less", "the same noise"),
    ),
    BadInput(
        "a guided model",
        lambda: _information(ex.Guided(MODEL, 1.0)),
        ValueError,
        ("`denoiser`", "Guided", "without a condition", "`reference=`"),
    ),
    BadInput(
        "a function as a model",
        lambda: ex.neural_entropy(lambda z, log_snr, y=None: z, X, key=KEY),
        ValueError,
        ("`denoiser`", "AbstractDenoiser", "a function", "class Model(ex.AbstractDenoiser)"),
    ),
    BadInput(
        "the class of a model",
        lambda: ex.nll(ex.Gaussian, X, key=KEY),
        ValueError,
        ("class", "Gaussian("),
    ),
    BadInput(
        "a function as the second of two models",
        lambda: ex.kl_divergence(MODEL, lambda z, log_snr, y=None: z, X, key=KEY),
        ValueError,
        ("`q`", "AbstractDenoiser", "a function"),
    ),
    BadInput(
        "the class of a method",
        lambda: _information(method=ex.Orthogonal),
        ValueError,
        ("`method`", "class", "Orthogonal(...)"),
    ),
    BadInput(
        "the class of a process",
        lambda: ex.neural_entropy(MODEL, X, key=KEY, process=ex.VariancePreserving),
        ValueError,
        ("`process`", "class", "VariancePreserving(...)"),
    ),
    BadInput("a number as a key", lambda: ex.nll(MODEL, X, key=7), ValueError, ("`key`", "7", "jax.random.key(7)")),
    BadInput(
        "NaN in a likelihood", lambda: ex.nll(MODEL, X.at[3, 0].set(jnp.nan), key=KEY), ValueError, ("`x`", "x[3, 0]")
    ),
    BadInput(
        "NaN in a map", lambda: ex.nll_map(MODEL, X.at[3, 0].set(jnp.nan), key=KEY), ValueError, ("`x`", "x[3, 0]")
    ),
    BadInput(
        "NaN in a total correlation",
        lambda: ex.total_correlation(MODEL, X.at[3, 0].set(jnp.nan), key=KEY),
        ValueError,
        ("`x`", "finite", "x[3, 0]"),
    ),
    BadInput(
        "infinity in a condition",
        lambda: _information(y=Y.at[2, 1].set(-jnp.inf)),
        ValueError,
        ("`y`", "finite", "y[2, 1] = -inf"),
    ),
    BadInput(
        "something else than a grid",
        lambda: ex.discrete_nll(MODEL, X, key=KEY, grid=256),
        ValueError,
        ("`grid`", "Grid", "256"),
    ),
    BadInput(
        "something else than a baseline",
        lambda: ex.nll(MODEL, X, key=KEY, baseline=MODEL),
        ValueError,
        ("`baseline`", "Gaussian", "ConditionalGaussian"),
    ),
    BadInput("no labels", lambda: ex.label_entropy([]), ValueError, ("`y`", "labels", "(0,)")),
    BadInput("labels of None", lambda: ex.label_entropy(None), ValueError, ("`y`", "None")),
    BadInput(
        "the entropy of floats", lambda: ex.label_entropy([np.nan, 1.0]), ValueError, ("`y`", "labels", "float64")
    ),
    BadInput("the entropy of words", lambda: ex.label_entropy(["a", "b"]), ValueError, ("`y`", "labels", "<U1")),
    BadInput("the entropy of a table", lambda: ex.label_entropy(np.eye(2, dtype=int)), ValueError, ("`y`", "(2, 2)")),
    BadInput(
        "masked labels",
        lambda: ex.label_entropy(np.ma.array([0, 0, 0, 7], mask=[False, False, False, True])),
        ValueError,
        ("`y`", "masks 1 of 4"),
    ),
    BadInput("traced labels", lambda: jax.jit(ex.label_entropy)(LABELS), ValueError, ("`y`", "traced", "jax.jit")),
    BadInput("information above NaN", lambda: ex.information_above(X, Y, np.nan), ValueError, ("`log_snr`", "nan")),
    BadInput("information of NaN", lambda: ex.information_above(X * np.nan, Y, 0.0), ValueError, ("`x`", "finite")),
    BadInput(
        "information of masked samples",
        lambda: ex.information_above(np.ma.array(X, mask=X > 1), Y, 0.0),
        ValueError,
        ("`x`", "masks"),
    ),
    BadInput(
        "information of traced samples",
        lambda: jax.jit(lambda x: ex.information_above(x, Y, 0.0))(X),
        ValueError,
        ("`x`", "traced", "jax.jit"),
    ),
    BadInput(
        "a traced fit of marginals",
        lambda: jax.jit(lambda x: ex.total_correlation(MODEL, x, key=KEY).value)(X),
        ValueError,
        ("`x`", "traced", "jax.jit"),
    ),
    BadInput("NaN in bits", lambda: ex.bits_per_dim(np.nan, 3), ValueError, ("`nats`", "nan")),
    BadInput("a list in bits", lambda: ex.bits_per_dim([1.0], 3), ValueError, ("`nats`", "Estimate", "[1.0]")),
    BadInput("words in bits", lambda: ex.bits_per_dim("a", 3), ValueError, ("`nats`", "Estimate", "'a'")),
    BadInput(
        "no estimate to bound", lambda: ex.check_mutual_information(None, LABELS), ValueError, ("`estimate`", "None")
    ),
    BadInput("a number's resolution", lambda: ex.check_resolution(3.0, X, Y, 1.0), ValueError, ("`estimate`", "3.0")),
    BadInput(
        "the class of a Gaussian",
        lambda: ex.negentropy(MODEL, X, key=KEY, gaussian=ex.Gaussian),
        ValueError,
        ("`gaussian`", "denoiser", "Gaussian"),
    ),
    BadInput(
        "the bottleneck of nothing", lambda: ex.data.gaussian_bottleneck(None, 1.0), ValueError, ("`problem`", "None")
    ),
    BadInput(
        "a masked curve",
        lambda: ex.nll_from_mse_curve(np.ma.array([0.0, 1, 2, 3], mask=[False, False, False, True]), np.ones(4), dim=1),
        ValueError,
        ("`log_snr`", "masks 1 of 4"),
    ),
    BadInput(
        "masked noise levels",
        lambda: ex.variational_bound(MODEL, X, key=KEY, log_snr=np.ma.array([1.0, 0.0], mask=[False, True])),
        ValueError,
        ("`log_snr`", "masks 1 of 2"),
    ),
]
