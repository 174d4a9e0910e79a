"""Predictions under several conditions: of a network in one batch, and the same as from calls of their own."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

import entropax as ex


DIM, WIDTH, RANGE = 3, 16, (-9.0, 9.0)
PROBLEM = ex.data.JointGaussian.random(jr.key(1), dim_x=DIM, dim_y=2, noise_std=0.5)
X, Y = PROBLEM.sample(jr.key(2), 200)
LABELS = jr.randint(jr.key(3), (200,), 0, 4)
VECTORS, TOKENS = ex.nn.VectorCondition(Y, WIDTH, key=jr.key(4)), ex.nn.LabelCondition(4, WIDTH, key=jr.key(5))
LAMBDA = jnp.asarray(0.7)


def _neural(condition, parameterisation=ex.entropy_matching()):
    net = ex.nn.MLP(DIM, condition, RANGE, depth=1, key=jr.key(6))
    noisy = lambda leaf: leaf + 0.1 * jr.normal(jr.key(leaf.size), leaf.shape) if eqx.is_array(leaf) else leaf
    net = eqx.tree_at(lambda net: net.condition, jax.tree.map(noisy, net), condition)
    return ex.Neural(net, parameterisation.baseline, parameterisation.scale, ex.Whitening.fit(X), RANGE)


def _products(function, *args):
    """How many matrix products a function takes."""

    def count(jaxpr):
        total = 0
        for equation in jaxpr.eqns:
            total += equation.primitive.name == "dot_general"
            for inner in jax.tree.leaves(equation.params, is_leaf=lambda leaf: isinstance(leaf, (ClosedJaxpr, Jaxpr))):
                if isinstance(inner, (ClosedJaxpr, Jaxpr)):
                    total += count(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)
        return total

    return count(jax.make_jaxpr(function)(*args).jaxpr)


CASES = pytest.mark.parametrize("condition, y", [(VECTORS, Y), (TOKENS, LABELS)], ids=["vectors", "labels"])


@CASES
def test_a_guided_network_multiplies_each_of_its_matrices_once(condition, y):
    neural = _neural(condition)
    batched = lambda denoiser: jax.jit(jax.vmap(denoiser, (0, None, 0)))
    alone = _products(batched(neural), X, LAMBDA, y)
    assert alone > 5
    assert _products(batched(ex.Guided(neural, 2.0)), X, LAMBDA, y) == alone
    assert _products(batched(ex.Rescaled(ex.Guided(neural, 2.0), 0.5)), X, LAMBDA, y) == alone
    wrapped = ex.Given(neural, lambda y: y)
    assert _products(batched(ex.Guided(wrapped, 2.0)), X, LAMBDA, y) == alone
    # That the count can tell: a reference is called by itself.
    assert _products(batched(ex.Guided(neural, 2.0, ex.Unconditional(neural))), X, LAMBDA, y) > alone + 5


@CASES
@pytest.mark.parametrize("baseline", ["equilibrium", "gaussian"])
def test_one_batch_predicts_what_calls_of_their_own_do(condition, y, baseline):
    if baseline == "gaussian" and condition is TOKENS:
        parameterisation = ex.gaussian_matching(X)
    else:
        parameterisation = ex.gaussian_matching(X, Y) if baseline == "gaussian" else ex.entropy_matching()
    neural = _neural(condition, parameterisation)
    given = eqx.filter_jit(jax.vmap(neural, (0, None, 0)))(X, LAMBDA, y)
    alone = eqx.filter_jit(jax.vmap(neural, (0, None)))(X, LAMBDA)
    assert float(jnp.max(jnp.abs(given - alone))) > 0.1
    several = jax.jit(jax.vmap(lambda x, y: ex.predictions(neural, x, LAMBDA, (y, None, y))))(X, y)
    for found, expected in zip(several, (given, alone, given)):
        np.testing.assert_allclose(found, expected, atol=1e-6 * float(jnp.max(jnp.abs(expected))))
    guided = eqx.filter_jit(jax.vmap(ex.Guided(neural, 2.0), (0, None, 0)))(X, LAMBDA, y)
    np.testing.assert_allclose(guided, 3 * given - 2 * alone, atol=3e-6 * float(jnp.max(jnp.abs(guided))))


def test_networks_of_any_other_kind_are_called_one_by_one():
    net = lambda z, log_snr, y=None: z if y is None else z * y
    neural = ex.Neural(net, ex.Equilibrium(), jnp.ones_like, ex.Whitening.fit(X), RANGE)
    conditions = (jnp.asarray(2.0), None, jnp.asarray(-1.0))
    for found, y in zip(ex.predictions(neural, X[0], LAMBDA, conditions), conditions):
        np.testing.assert_array_equal(found, neural(X[0], LAMBDA, y))


@pytest.mark.parametrize(
    "wrap",
    [
        ex.Unconditional,
        lambda denoiser: ex.Conditioned(denoiser, Y[5]),
        lambda denoiser: ex.Given(denoiser, lambda y: -y),
        lambda denoiser: ex.Ensemble([ex.Equilibrium(), denoiser], [-9.0, 0.0, 9.0], [0, 1]),
        lambda denoiser: ex.HardRounding(denoiser, ex.Grid(-1.0, 1.0, 3)),
    ],
    ids=["Unconditional", "Conditioned", "Given", "Ensemble", "by default"],
)
@pytest.mark.parametrize("log_snr", [-1.0, 0.7])
def test_wrappers_pass_all_conditions_on(wrap, log_snr):
    denoiser, log_snr = wrap(_neural(VECTORS)), jnp.asarray(log_snr)
    conditions = (Y[0], None, Y[1])
    for found, y in zip(ex.predictions(denoiser, X[0], log_snr, conditions), conditions, strict=True):
        expected = denoiser(X[0], log_snr, y)
        np.testing.assert_allclose(found, expected, atol=1e-6 * float(jnp.max(jnp.abs(expected))))


def test_neither_baseline_nor_normalisation_is_trained_through_guidance():
    neural = _neural(VECTORS, ex.gaussian_matching(X, Y))
    total = lambda denoiser: jnp.sum(ex.Guided(denoiser, 1.0)(X[0], LAMBDA, Y[0]))
    gradients = eqx.filter_jit(eqx.filter_grad(total))(neural)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves((gradients.baseline, gradients.normalise)))
    # To the network the gradient comes as from two calls.
    apart = lambda denoiser: jnp.sum(2 * denoiser(X[0], LAMBDA, Y[0]) - denoiser(X[0], LAMBDA))
    wanted = eqx.filter_jit(eqx.filter_grad(apart))(neural)
    for found, expected in zip(jax.tree.leaves(gradients.net), jax.tree.leaves(wanted.net), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(float(jnp.max(jnp.abs(expected))), 1.0))
