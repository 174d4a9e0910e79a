"""The network: what it can be by construction, and what it does not do to its input."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.nn._mlp import _cubic_splines, _KNOTS


def _mlp(condition, dim=3):
    return ex.nn.MLP(dim, condition, (-9.0, 9.0), depth=2, key=jr.key(1))


def test_splines_are_a_partition_of_unity_and_reproduce_cubics():
    positions = jnp.linspace(0.0, _KNOTS - 1.0, 57)
    basis = np.stack([_cubic_splines(position) for position in positions])
    np.testing.assert_allclose(basis.sum(1), 1.0, rtol=1e-5)
    cubic = np.asarray(positions) ** 3 - 5 * np.asarray(positions) ** 2
    coefficients, residual, rank, _ = np.linalg.lstsq(basis, cubic, rcond=None)
    np.testing.assert_allclose(basis @ coefficients, cubic, rtol=1e-3, atol=1e-2)


def test_an_untrained_network_predicts_nothing():
    net = _mlp(ex.nn.LabelCondition(4, 16, key=jr.key(0)))
    for y in (None, jnp.asarray(2)):
        np.testing.assert_array_equal(net(jnp.ones(3), jnp.asarray(1.0), y), jnp.zeros(3))


def test_it_does_not_squash_its_input():
    net = _mlp(ex.nn.NoCondition(16))
    net = eqx.tree_at(lambda net: net.output.weight, net, jr.normal(jr.key(2), (3, 16)))
    direction = jr.normal(jr.key(3), (3,))
    near, far = (net(scale * direction, jnp.asarray(0.0)) for scale in (1e3, 1e6))
    # Linear at infinity: a thousand times the input, a thousand times the output.
    np.testing.assert_allclose(far / near, 1e3, rtol=0.05)


def test_the_linear_part_alone_is_the_optimal_denoiser_of_a_gaussian(getkey):
    # With and without y it is a different linear map of (z, y), so that it can be the posterior in either case.
    y = jr.normal(getkey(), (500, 2))
    net = _mlp(ex.nn.VectorCondition(y, 16, key=getkey()))
    net = eqx.tree_at(lambda net: net.linear, net, jr.normal(getkey(), net.linear.shape))
    log_snr, z, other = jnp.asarray(1.3), jr.normal(getkey(), (3,)), jr.normal(getkey(), (3,))
    for condition in (None, y[0]):
        at = lambda z: net(z, log_snr, condition)
        np.testing.assert_allclose(at(z + other) - at(other), at(z) - at(jnp.zeros(3)), rtol=1e-3, atol=1e-4)
    alone = net(z, log_snr) - net(jnp.zeros(3), log_snr)
    given = net(z, log_snr, y[0]) - net(jnp.zeros(3), log_snr, y[0])
    assert float(jnp.max(jnp.abs(alone - given))) > 0.1


def test_vector_conditions_are_whitened(getkey):
    # A direction of variance 1e-4 counts as much as one of variance 1.
    y = jr.normal(getkey(), (2000, 2)) @ jnp.array([[1.0, 1.0], [0.01, -0.01]])
    condition = ex.nn.VectorCondition(y, 4, key=getkey())
    white = np.asarray((y - condition.mean) @ condition.whiten.T)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(2), atol=1e-3)


def test_conditions_of_the_wrong_kind():
    with pytest.raises(ValueError, match="`y` was given to a network that was made without a condition"):
        _mlp(ex.nn.NoCondition(8))(jnp.ones(3), jnp.asarray(0.0), jnp.asarray(1))


def test_a_label_only_moves_the_input(getkey):
    # Its token takes the place of the null token: with equal tokens a prediction does not hear that there is a label.
    net = _mlp(ex.nn.LabelCondition(4, 16, key=getkey()))
    net = eqx.tree_at(lambda net: net.linear, net, jr.normal(getkey(), net.linear.shape))
    net = eqx.tree_at(lambda net: net.condition.null, net, net.condition.tokens[2])
    z, log_snr = jr.normal(getkey(), (3,)), jnp.asarray(0.4)
    np.testing.assert_array_equal(net(z, log_snr), net(z, log_snr, jnp.asarray(2)))
    assert float(jnp.max(jnp.abs(net(z, log_snr) - net(z, log_snr, jnp.asarray(1))))) > 0.1


@pytest.mark.parametrize("label", [-1, -4, 4, 1000])
def test_a_label_that_was_never_seen_is_not_taken_for_another(label, getkey):
    condition = ex.nn.LabelCondition(4, 16, key=getkey())
    net = _mlp(condition)
    assert np.all(np.isnan(net(jnp.ones(3), jnp.asarray(0.0), jnp.asarray(label))))
    tokens = jnp.stack([net.embed(jnp.asarray(k, jnp.int8)).vector for k in range(4)])
    np.testing.assert_array_equal(tokens, condition.tokens)
