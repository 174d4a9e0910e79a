"""A batch of which some rows are without their condition: each has the prediction that it would have alone, and a
network that can take them all at once does."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.denoiser import mixed_predictions


LOG_SNR = jnp.linspace(-3.0, 3.0, 6)
# No two neighbours are alike.
LABELS = jnp.asarray([0, 3, 1, 2, 0, 2])


def _moved(net):
    """What starts at zero no longer is."""
    shifted = lambda leaf: leaf + 0.1 * jr.normal(jr.key(leaf.size), leaf.shape) if eqx.is_inexact_array(leaf) else leaf
    return jax.tree.map(shifted, net)


def _neural(net, baseline, shape):
    seen = ex.Standardising(0.1 * jnp.ones(shape), 2 * jnp.ones(shape))
    return ex.Neural(_moved(net), baseline, ex.entropy_matching().scale, seen, (-5.0, 5.0))


def _unet():
    labels = ex.nn.LabelCondition(4, 8, key=jr.key(0))
    net = ex.nn.UNet(1, labels, (4, 8), depth=1, attention=(1,), groups=2, dropout=0.4, key=jr.key(1))
    return _neural(net, ex.Equilibrium(), (1, 4, 3)), jr.normal(jr.key(2), (6, 1, 4, 3)), LABELS


def _mlp(condition, y):
    baseline = ex.data.JointGaussian.random(jr.key(4), dim_x=3, dim_y=2, noise_std=1.0).denoiser()
    baseline = ex.Equilibrium() if y is LABELS else baseline
    net = ex.nn.MLP(3, condition, (-5.0, 5.0), key=jr.key(1))
    return _neural(net, baseline, (3,)), jr.normal(jr.key(2), (6, 3)), y


VECTORS = jr.normal(jr.key(3), (6, 2))
CASES = {
    "U-Net, labels": _unet,
    "MLP, labels": lambda: _mlp(ex.nn.LabelCondition(4, 8, key=jr.key(0)), LABELS),
    "MLP, vectors": lambda: _mlp(ex.nn.VectorCondition(VECTORS, 8, key=jr.key(0)), VECTORS),
}


@pytest.mark.parametrize(
    ("case", "free"),
    [
        # A U-Net is compiled for long: the middle one alone, and not each time.
        pytest.param("U-Net, labels", 2, marks=pytest.mark.slow),
        *((case, free) for case in ("MLP, labels", "MLP, vectors") for free in (0, 2, 6)),
    ],
)
def test_each_row_has_the_prediction_that_it_has_alone(case, free, getkey):
    denoiser, z, y = CASES[case]()
    masks = jr.split(getkey(), 6) if case.startswith("U-Net") else None

    @eqx.filter_jit
    def one(z, log_snr, y, mask):
        return (denoiser if mask is None else ex.nn.with_dropout(denoiser, mask))(z, log_snr, y)

    found = eqx.filter_jit(mixed_predictions)(denoiser, z, LOG_SNR, y, free, masks)
    for i in range(6):
        mask = None if masks is None else masks[i]
        expected = one(z[i], LOG_SNR[i], None if i < free else y[i], mask)
        np.testing.assert_allclose(found[i], expected, atol=1e-5)
        assert float(jnp.max(jnp.abs(expected - one(z[i], LOG_SNR[i], y[(i + 1) % 6], mask)))) > 1e-3


def test_a_network_is_called_once(getkey):
    denoiser, z, y = _unet()
    masks = jr.split(getkey(), 6)
    calls = lambda function, *args: str(jax.make_jaxpr(function)(*args)).count("conv_general_dilated[")
    alone = calls(denoiser, z[0], LOG_SNR[0], y[0])
    assert alone > 8
    assert calls(lambda z, y: mixed_predictions(denoiser, z, LOG_SNR, y, 3, masks), z, y) == alone
