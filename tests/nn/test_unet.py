"""The U-Net: images of any size, what starts at zero, what every precision keeps, and that nothing of it is idle."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.nn._blocks import nearest


WIDTH = 16
LABELS = ex.nn.LabelCondition(4, WIDTH, key=jr.key(0))
LAMBDA = jnp.asarray(0.7)


def _unet(condition: ex.nn.AbstractCondition = LABELS, **settings: Any) -> ex.nn.UNet:
    small: dict[str, Any] = dict(widths=(8, 16), depth=1, attention=(1,), heads=2, groups=4, key=jr.key(1))
    return ex.nn.UNet(2, condition, **small | settings)


def _moved(net):
    """As after some training: what started at zero no longer is."""
    arrays, static = eqx.partition(net, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(arrays)
    keys = jr.split(jr.key(2), len(leaves))
    leaves = [leaf + 0.1 * jr.normal(key, leaf.shape) for key, leaf in zip(keys, leaves)]
    return eqx.combine(jax.tree.unflatten(structure, leaves), static)


NET = _moved(_unet())
Z = jr.normal(jr.key(3), (2, 5, 6))
call = eqx.filter_jit(lambda net, z, log_snr, y=None: net(z, log_snr, y))


def test_an_untrained_network_predicts_nothing():
    for y in (None, jnp.asarray(3)):
        np.testing.assert_array_equal(call(_unet(), Z, LAMBDA, y), jnp.zeros_like(Z))


@pytest.mark.parametrize("m, n", [(4, 8), (4, 7), (3, 7), (1, 1), (1, 2), (8, 15)])
def test_the_nearest_pixel(m, n):
    image = jnp.arange(m * m, dtype=jnp.float32).reshape(1, m, m)
    rows = np.floor(np.arange(n) * m / n).astype(int)
    np.testing.assert_array_equal(nearest(image, (n, n)), np.asarray(image)[:, rows][:, :, rows])
    wide = nearest(image, (n, 2 * m))
    np.testing.assert_array_equal(wide, np.asarray(image)[:, rows][:, :, np.arange(2 * m) // 2])


def test_rows_and_columns_are_alike_whatever_their_number():
    # 5 x 6 goes 3 x 3 and back: with every filter transposed, a transposed image gives the transposed prediction.
    transposed = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 2, 3) if jnp.ndim(leaf) == 4 else leaf, NET)
    expected = call(NET, Z, LAMBDA)
    assert float(jnp.std(expected)) > 0.1
    found = call(transposed, jnp.swapaxes(Z, 1, 2), LAMBDA)
    np.testing.assert_allclose(jnp.swapaxes(found, 1, 2), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (15, 8), (28, 28)])
def test_the_output_is_an_image_of_the_same_size(size, getkey):
    z = jr.normal(getkey(), (2, *size))
    assert jax.eval_shape(_unet(widths=(8, 8, 8)), z, LAMBDA).shape == z.shape


def test_attention_does_not_know_where_a_pixel_is(getkey):
    attention = _moved(ex.nn.SelfAttention(8, ex.nn.GroupNorm(4, 8), heads=2, key=getkey()))
    h = jr.normal(getkey(), (8, 3, 5))
    order = jr.permutation(getkey(), 15)
    permuted = lambda h: h.reshape(8, 15)[:, order].reshape(8, 3, 5)
    attend = eqx.filter_jit(attention)
    np.testing.assert_allclose(attend(permuted(h)), permuted(attend(h)), atol=1e-5)
    assert float(jnp.max(jnp.abs(attend(h) - h))) > 0.1


def test_attention_is_a_mean_of_values_where_nothing_is_asked(getkey):
    # With queries of zero all pixels are heard alike, each head in its own channels.
    attention = ex.nn.SelfAttention(4, ex.nn.GroupNorm(1, 4), heads=2, key=getkey())
    weight = attention.inputs.weight.at[:4].set(0.0)
    get = lambda part: (part.inputs.weight, part.inputs.bias, part.output.weight)
    attention = eqx.tree_at(get, attention, (weight, jnp.zeros(12), jnp.eye(4)))
    h = jr.normal(getkey(), (4, 3, 5))
    mean = jnp.mean(attention.norm(h), axis=(1, 2))
    np.testing.assert_allclose(eqx.filter_jit(attention)(h), h + (weight[8:] @ mean)[:, None, None], atol=1e-5)


def test_bfloat16_is_a_matter_of_speed():
    coarse = _moved(_unet(dtype=jnp.bfloat16))
    expected, found = call(NET, Z, LAMBDA), call(coarse, Z, LAMBDA)
    assert found.dtype == jnp.float32
    # Eight bits, over a dozen convolutions: within 3 % of the output's spread.
    error = float(jnp.sqrt(jnp.mean((found - expected) ** 2)) / jnp.std(expected))
    assert 1e-4 < error < 0.03, error
    # Parameters stay in float32.
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(coarse, eqx.is_array))} == {jnp.dtype(jnp.float32)}
    # Convolutions between the first and the last are in bfloat16, norms and the softmax of attention are not.
    jaxpr = str(jax.make_jaxpr(lambda z: coarse(z, LAMBDA))(Z))
    kinds = [line.split("=")[0] for line in jaxpr.splitlines() if "= conv_general_dilated[" in line]
    assert len(kinds) > 10 and ["bf16" in kind for kind in kinds] == [False] + [True] * (len(kinds) - 2) + [False]
    delicate = [line.split("=")[0] for line in jaxpr.splitlines() if "= rsqrt" in line or "= exp " in line]
    assert len(delicate) > 15 and not any("bf16" in kind for kind in delicate)


def test_bfloat16_hears_noise_that_it_cannot_hold(getkey):
    # At λ = 14 the noise has a standard deviation of 1e-3; bfloat16 rounds a state near one by up to 4e-3.
    flat = jnp.ones(Z.shape)
    noisy = flat + 1e-3 * jr.normal(getkey(), Z.shape)
    assert float(jnp.mean(noisy.astype(jnp.bfloat16) == 1)) > 0.9
    # The first filters tell the two channels apart.
    net = _moved(_unet(dtype=jnp.bfloat16))
    apart = jnp.zeros_like(net.inputs.weight).at[:, 0, 1, 1].set(1e3).at[:, 1, 1, 1].set(-1e3)
    first = lambda net: (net.inputs.weight, net.inputs.bias)
    net = eqx.tree_at(first, net, (apart, jnp.zeros_like(net.inputs.bias)))
    change = call(net, noisy, LAMBDA) - call(net, flat, LAMBDA)
    assert float(jnp.sqrt(jnp.mean(change**2))) > 0.1


@pytest.mark.parametrize("modulation", [ex.nn.Shift, ex.nn.ScaleShift])
def test_a_label_that_was_never_seen_is_not_taken_for_another(modulation):
    net = _unet(widths=(8,), attention=(), modulation=modulation, dtype=jnp.bfloat16)
    z = Z[:, :3, :3]
    assert np.all(np.isnan(call(net, z, LAMBDA, jnp.asarray(4))))
    assert not np.any(np.isnan(call(net, z, LAMBDA, jnp.asarray(3))))


def test_predictions_under_two_conditions_are_those_of_calls_of_their_own():
    # With the baseline and the scale of noise matching a prediction is the network's output.
    neural = ex.Neural(NET, ex.Zero(), jnp.ones_like, lambda z, log_snr: z, (-9.0, 9.0))
    label = jnp.asarray(2)
    expected = [call(NET, Z, LAMBDA, y) for y in (label, None)]
    assert float(jnp.max(jnp.abs(expected[0] - expected[1]))) > 1e-2
    predicted = eqx.filter_jit(
        lambda z, y: (*ex.predictions(neural, z, LAMBDA, (y, None)), ex.Guided(neural, 1.5)(z, LAMBDA, y))
    )(Z, label)
    expected.append(2.5 * expected[0] - 1.5 * expected[1])
    for one, other in zip(predicted, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    "settings", [{}, dict(widths=(8,), attention=(0,), modulation=ex.nn.Shift)], ids=["two levels", "shift"]
)
def test_no_parameter_is_idle(settings, getkey):
    eps = jr.normal(getkey(), Z.shape)

    def loss(net):
        # With and without the label in one, so that both tokens are heard.
        (given, contrast), (alone, _) = net.embed(jnp.asarray(1)), net.embed(None)
        return jnp.sum((net.trunk(Z, LAMBDA, ex.nn.Embedding(given + alone, contrast)) - eps) ** 2)

    gradient = eqx.filter_jit(eqx.filter_grad(loss))
    idle = lambda net: [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradient(net))
        if not np.any(np.abs(leaf) > 1e-7)
    ]
    # At the start the output alone can move; once what is zero has, all of it can.
    net = _unet(**settings)
    assert len(idle(net)) > 20
    assert not idle(_moved(net))


def test_vector_conditions_are_heard_and_their_contrast_is_not_needed(getkey):
    y = jr.normal(getkey(), (50, 3))
    net = _moved(_unet(ex.nn.VectorCondition(y, WIDTH, key=getkey()), widths=(8,), attention=()))
    trunk = eqx.filter_jit(lambda embedding: net.trunk(Z, LAMBDA, embedding))
    one, other = (net.embed(row)._replace(contrast=jnp.asarray(1.0)) for row in y[:2])
    assert float(jnp.max(jnp.abs(trunk(one) - trunk(other)))) > 1e-3
    np.testing.assert_array_equal(trunk(one), trunk(one._replace(contrast=jnp.asarray(0.0))))


def test_modulations_by_their_formulas(getkey):
    norm = ex.nn.GroupNorm(2, 6)
    h, embedding = jr.normal(getkey(), (6, 3, 3)), jr.normal(getkey(), (WIDTH,))
    shift = ex.nn.Shift(WIDTH, 6, key=getkey())
    np.testing.assert_allclose(shift(norm, h, embedding), norm(h + shift.linear(embedding)[:, None, None]), atol=1e-6)
    film = ex.nn.ScaleShift(WIDTH, 6, key=getkey())
    a, b = np.split(np.asarray(film.linear(embedding)), 2)
    np.testing.assert_allclose(film(norm, h, embedding), (1 + a)[:, None, None] * norm(h) + b[:, None, None], atol=1e-6)


def test_what_does_not_fit():
    with pytest.raises(
        ValueError, match=r"`z` must be an image of shape \(2, height, width\), unbatched; got \(3, 4, 4\)"
    ):
        NET(jnp.ones((3, 4, 4)), LAMBDA)
    with pytest.raises(ValueError, match="`attention` must name levels from 0 to 1; got"):
        _unet(attention=(2,))
    with pytest.raises(ValueError, match="`heads` must divide the channels, 16; got 3"):
        _unet(heads=3)
    with pytest.raises(ValueError, match="`heads` must be one number, or 2, one for each level"):
        _unet(heads=(1, 1, 1))
    with pytest.raises(ValueError, match="`depth` must be a whole number, at least 1; got 0"):
        _unet(depth=0)
    with pytest.raises(ValueError, match="must have the same width; got 8 and 16"):
        _unet(log_snr_embedding=ex.nn.LogSNREmbedding(8, key=jr.key(0)))
    with pytest.raises(ValueError, match="`widths` must be one positive number or more"):
        _unet(widths=())


@pytest.mark.parametrize(
    "preset, channels, width, classes, wanted, share",
    [
        # The reference's own counts; that of the digits is by the time that two cores have.
        (ex.nn.unet_cifar10, 3, 1024, 10, 42_096_131, 0.02),
        (ex.nn.unet_cifar10, 3, 1024, None, 42_084_867, 0.02),
        (ex.nn.unet_mnist, 1, 128, None, 1_115_297, 0.05),
        (ex.nn.unet_digits, 1, 128, 10, 400_000, 0.25),
    ],
)
def test_presets_have_the_sizes_of_their_references(preset, channels, width, classes, wanted, share):
    def make():
        make_labels = lambda classes: ex.nn.LabelCondition(classes, width, key=jr.key(0))
        return preset(ex.nn.NoCondition(width) if classes is None else make_labels(classes), key=jr.key(1))

    net = eqx.filter_eval_shape(make)
    assert net.inputs.in_channels == channels
    assert abs(sum(leaf.size for leaf in jax.tree.leaves(net)) / wanted - 1) < share
