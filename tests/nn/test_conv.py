"""Convolutions by patches are Equinox's, with their gradients, within loops too."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from entropax.nn._conv import _by_convolution, Conv2d


@pytest.mark.parametrize(
    ("size", "stride", "padding", "shape"),
    [(3, 1, (1, 1), (8, 7)), (3, 2, (1, 1), (7, 8)), (3, 2, (0, 1), (8, 8)), (1, 1, (0, 0), (4, 4))],
)
def test_is_the_convolution_of_equinox(size, stride, padding, shape):
    ours = Conv2d(3, 5, size, stride=stride, padding=padding, key=jr.key(0))
    theirs = eqx.nn.Conv2d(3, 5, size, stride, (padding, padding), key=jr.key(0))
    image = jr.normal(jr.key(1), (2, 3, *shape))
    np.testing.assert_allclose(jax.vmap(ours)(image), jax.vmap(theirs)(image), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        _by_convolution(stride, padding, image[0], ours.weight) + ours.bias, ours(image[0]), rtol=1e-5, atol=1e-5
    )

    @eqx.filter_grad
    def gradient(both):
        conv, image = both
        return jnp.sum(jnp.sin(jax.vmap(conv)(image)))

    for found, wanted in zip(
        jax.tree.leaves(gradient((ours, image))), jax.tree.leaves(gradient((theirs, image))), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    # Forwards too, as divergences ask for it.
    tangent = jr.normal(jr.key(2), image[0].shape)
    np.testing.assert_allclose(*(jax.jvp(conv, (image[0],), (tangent,))[1] for conv in (ours, theirs)), atol=1e-5)


def test_on_a_cpu_no_convolution_is_left_to_a_loop():
    conv = Conv2d(3, 3, 3, padding=(1, 1), key=jr.key(0))

    def loss(image, weight):
        step = lambda image, _: (eqx.tree_at(lambda c: c.weight, conv, weight)(image), None)
        return jnp.sum(jax.lax.scan(step, image, None, length=4)[0])

    compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(jnp.ones((3, 8, 8)), conv.weight).compile().as_text()
    assert compiled is not None and " dot(" in compiled and " convolution(" not in compiled
