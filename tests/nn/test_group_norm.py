"""The group norm: the numbers and derivatives of Equinox's, and statistics that no mean of the image spoils."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


def _pair(key):
    """Ours and Equinox's, with the same scales and shifts."""
    weight, bias = 1 + 0.3 * jr.normal(key, (6,)), 0.3 * jr.normal(jr.fold_in(key, 1), (6,))
    parts = lambda norm: (norm.weight, norm.bias)
    return [eqx.tree_at(parts, norm, (weight, bias)) for norm in (ex.nn.GroupNorm(2, 6), eqx.nn.GroupNorm(2, 6))]


@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_values_and_derivatives_of_first_and_second_order_are_those_of_equinox(mean, getkey):
    key, h, direction = getkey(), mean + jr.normal(getkey(), (6, 5, 4)), jr.normal(getkey(), (6, 5, 4))
    found, expected = [], []
    for norm, results in zip(_pair(key), (found, expected)):
        # The cube, as sums of what is normalised, and of its squares, do not depend on the image.
        rate = lambda norm, h: jnp.sum(norm(h) ** 3)
        gradient = lambda h: jax.grad(rate, 1)(norm, h)
        results += [norm(h), *jax.tree.leaves(eqx.filter_grad(rate)(norm, h))]
        results += jax.jvp(gradient, (h,), (direction,))
        results.append(jax.grad(lambda h: jnp.sum(jax.jvp(norm, (h,), (direction,))[1] ** 3))(h))
    for one, other in zip(found, expected, strict=True):
        assert float(jnp.max(jnp.abs(other))) > 0.1
        np.testing.assert_allclose(one, other, atol=3e-4 * float(jnp.max(jnp.abs(other))))


def test_a_mean_far_from_zero_does_not_spoil_the_variance(getkey):
    h = jr.normal(getkey(), (4, 8, 8))
    norm = ex.nn.GroupNorm(1, 4)
    # Float32 resolves 1000 to 6e-5; squares of it, to 0.06, would.
    np.testing.assert_allclose(norm(1000 + h), norm(h), atol=1e-3)


def test_statistics_are_in_float32(getkey):
    h = jr.normal(getkey(), (4, 64, 64)).astype(jnp.bfloat16)
    found = ex.nn.GroupNorm(1, 4)(h)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), ex.nn.GroupNorm(1, 4)(h.astype(jnp.float32)), rtol=2**-8)
