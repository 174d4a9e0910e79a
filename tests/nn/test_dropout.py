"""Dropout: nothing unless it is switched on, right in the mean when it is, and of its own for each sample and place."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


class _Linear(eqx.Module):
    matrix: jax.Array
    before: ex.nn.Dropout
    after: ex.nn.Dropout

    def __call__(self, z):
        return self.after(self.matrix @ self.before(z))


def _linear(rate=0.3):
    return _Linear(jr.normal(jr.key(0), (4, 6)), ex.nn.Dropout(rate), ex.nn.Dropout(rate))


def test_in_a_stored_model_it_is_the_identity(getkey):
    z = jr.normal(getkey(), (6,))
    np.testing.assert_array_equal(_linear()(z), _linear().matrix @ z)


def test_its_mean_over_masks_is_the_identity(getkey):
    z = jr.normal(getkey(), (6,))
    net, num = _linear(), 20_000
    draws = np.asarray(jax.jit(jax.vmap(lambda key: ex.nn.with_dropout(net, key)(z)))(jr.split(getkey(), num)))
    error = draws.std(0) / np.sqrt(num)
    assert np.all(np.abs(draws.mean(0) - net(z)) < 4.5 * error)
    # Two masks in a row: E m² = 1/(1 − p) for each.
    matrix, kept = np.asarray(net.matrix, np.float64), 0.7
    spread = (matrix**2 @ np.asarray(z, np.float64) ** 2) * (1 / kept - 1)
    exact = (spread + np.asarray(net(z), np.float64) ** 2) / kept - np.asarray(net(z), np.float64) ** 2
    np.testing.assert_allclose(draws.var(0), exact, rtol=0.05)


def test_each_sample_and_each_place_has_a_mask_of_its_own(getkey):
    ones = jnp.ones((8, 500))
    pair = (ex.nn.Dropout(0.5), ex.nn.Dropout(0.5))
    masks = jax.vmap(lambda key, h: jnp.stack([layer(h) for layer in ex.nn.with_dropout(pair, key)]))
    drawn = np.asarray(masks(jr.split(getkey(), 8), ones)).reshape(16, 500)
    assert set(np.unique(drawn)) == {0.0, 2.0}
    np.testing.assert_array_less(np.abs(np.corrcoef(drawn) - np.eye(16)), 0.25)


def test_trees_without_dropout_and_rates_of_zero_stay_as_they_are(getkey):
    mlp = ex.nn.MLP(3, ex.nn.NoCondition(8), (-9.0, 9.0), key=getkey())
    for tree in (mlp, {"a": jnp.ones(2), "b": None}):
        same = ex.nn.with_dropout(tree, getkey())
        assert jax.tree.structure(same) == jax.tree.structure(tree)
        for one, other in zip(jax.tree.leaves(same), jax.tree.leaves(tree), strict=True):
            assert one is other
    z = jr.normal(getkey(), (6,))
    np.testing.assert_array_equal(ex.nn.with_dropout(_linear(0.0), getkey())(z), _linear(0.0)(z))


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rates_that_are_none(rate):
    with pytest.raises(ValueError, match="`rate` must be (at least 0 and below 1|finite and not negative)"):
        ex.nn.Dropout(rate)


class _Net(eqx.Module):
    """A token for each label and one for none, added to a linear map between two layers of dropout."""

    linear: _Linear
    tokens: jax.Array

    def __call__(self, z, log_snr, y=None):
        token = self.tokens[3] if y is None else self.tokens[y]
        return self.linear(z) + jnp.tanh(log_snr) * token


def _denoiser(rate):
    linear = _Linear(jr.normal(jr.key(0), (4, 4)), ex.nn.Dropout(rate), ex.nn.Dropout(rate))
    net = _Net(linear, jr.normal(jr.key(1), (4, 4)))
    see = ex.Standardising(jnp.zeros(4), jnp.ones(4))
    return ex.Neural(net, ex.Equilibrium(), jnp.ones_like, see, (-5.0, 5.0))


X, Y = jr.normal(jr.key(5), (16, 4)), jr.randint(jr.key(6), (16,), 0, 3)
loss = eqx.filter_jit(ex.denoising_loss)


@pytest.mark.parametrize("y", [None, Y], ids=["alone", "labels"])
def test_the_loss_drops_nothing_unless_it_is_told_to(y, getkey):
    key, dropout = getkey(), getkey()
    with_rate, without = _denoiser(0.4), _denoiser(0.0)
    expected = float(loss(without, X, y, key=key))
    # To the bit: a network without dropout knows nothing of the key, a stored one with it nothing of its rate.
    assert float(loss(without, X, y, key=key, dropout=dropout)) == expected
    assert float(loss(with_rate, X, y, key=key)) == expected
    dropped = float(loss(with_rate, X, y, key=key, dropout=dropout))
    assert abs(dropped - expected) > 1e-4 * expected
    # Of a network of another kind, too.
    mlp = ex.nn.MLP(4, ex.nn.LabelCondition(3, 8, key=getkey()), (-5.0, 5.0), key=getkey())
    neural = ex.Neural(mlp, ex.Equilibrium(), jnp.ones_like, ex.Whitening.fit(X), (-5.0, 5.0))
    assert float(loss(neural, X, y, key=key, dropout=dropout)) == float(loss(neural, X, y, key=key))


def test_training_drops_and_what_is_held_out_is_measured_whole(getkey):
    # With a learning rate of zero the held-out loss is that of the network as it is, whatever its rate; the training
    # losses are of the same states, less what is dropped.
    settings = ex.Settings(steps=4, chunk=2, batch_size=8, learning_rate=0.0)
    key = getkey()
    histories = [
        ex.train(_denoiser(rate), X, Y, held_out=(X[:4], Y[:4]), key=key, settings=settings) for rate in (0.0, 0.4)
    ]
    plain, dropped = (training.history for training in histories)
    np.testing.assert_array_equal(plain.held_out, dropped.held_out)
    assert np.all(np.abs(plain.loss / dropped.loss - 1) > 1e-4)
    # Nothing of it is left in the model.
    assert jax.tree.structure(histories[1].denoiser) == jax.tree.structure(_denoiser(0.4))
