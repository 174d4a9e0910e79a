"""Convolutions are Equinox's, with their derivatives, and fast on a CPU within loops too."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from entropax.nn._conv import _channels_first, Conv2d


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
        _channels_first(stride, padding, image[0], ours.weight) + ours.bias, ours(image[0]), rtol=1e-5, atol=1e-5
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


def test_of_several_networks_and_twice_differentiated():
    ours = eqx.filter_vmap(lambda key: Conv2d(2, 3, 3, padding=(1, 1), key=key))(jr.split(jr.key(0), 2))
    theirs = eqx.filter_vmap(lambda key: eqx.nn.Conv2d(2, 3, 3, padding=1, key=key))(jr.split(jr.key(0), 2))
    images = jr.normal(jr.key(1), (4, 2, 6, 5))
    each = lambda conv: eqx.filter_vmap(lambda conv: jax.vmap(conv)(images))(conv)
    np.testing.assert_allclose(each(ours), each(theirs), rtol=1e-5, atol=1e-5)

    def curvature(several):
        conv = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, several)
        total = lambda image: jnp.sum(jnp.sin(conv(image)))
        return jax.jvp(jax.grad(total), (images[0],), (images[1],))[1], jax.jacrev(total)(images[0])

    for found, wanted in zip(curvature(ours), curvature(theirs)):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_on_a_cpu_every_convolution_of_a_loop_has_the_layout_of_the_fast_kernel(stride):
    conv = Conv2d(3, 3, 3, stride=stride, padding=(1, 1), key=jr.key(0))
    images = jnp.ones((2, 3, 8, 8))

    def loss(images, weight):
        again = jax.vmap(eqx.tree_at(lambda c: c.weight, conv, weight))
        step = lambda images, _: (images + jnp.sum(again(images)), None)
        return jnp.sum(jax.lax.scan(step, images, None, length=4)[0])

    compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(images, conv.weight).compile().as_text()
    assert compiled is not None
    layouts = re.findall(r" convolution\(.*dim_labels=([^\s,]*)", compiled)
    # Forwards, for the images and for the filters; of no groups, though the images are several.
    assert len(layouts) >= 3 and set(layouts) == {"b01f_01io->b01f"} and "group_count" not in compiled
