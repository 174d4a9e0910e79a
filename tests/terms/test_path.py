"""The grid Brownian path: its law, its Lévy area, its gradients."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np

import entropax as ex


def _path(key, ts, shape=(20_000,)):
    return ex.terms.GridBrownianPath(ts, key, shape)


def test_increments_and_areas_have_their_laws(getkey):
    ts = jnp.asarray([0.3, 0.5, 1.7])
    path = _path(getkey(), ts)
    first, second = (path.evaluate(ts[i], ts[i + 1], use_levy=True) for i in (0, 1))
    for levy, width in ((first, 0.2), (second, 1.2)):
        error = 4 * np.sqrt(2 / 20_000)
        np.testing.assert_allclose(jnp.var(levy.W), width, rtol=error)
        np.testing.assert_allclose(jnp.var(levy.H), width / 12, rtol=error)
        assert abs(float(jnp.corrcoef(levy.W, levy.H)[0, 1])) < 4 / np.sqrt(20_000)
    assert abs(float(jnp.corrcoef(first.W, second.W)[0, 1])) < 4 / np.sqrt(20_000)
    # The same whichever way it is asked for.
    np.testing.assert_array_equal(path.evaluate(ts[0], ts[1]), first.W)


def test_gradients_flow_through_a_solve_and_not_into_the_noise(getkey):
    # dX = −aX dt + dB from 0: Var X_T = (1 − e^{−2aT})/2a.
    ts = jnp.linspace(0.3, 1.7, 41)
    path = ex.terms.GridBrownianPath(ts, getkey(), (4000, 1))

    @jax.jit
    @jax.value_and_grad
    def variance(a):
        noise = ex.terms.IsotropicNoise(lambda t: jnp.ones_like(t), path)
        terms = dfx.MultiTerm(dfx.ODETerm(lambda t, x, y: -a * x), noise)
        out = dfx.diffeqsolve(
            terms,
            dfx.ShARK(),
            ts[0],
            ts[-1],
            None,
            jnp.zeros((4000, 1)),
            stepsize_controller=dfx.StepTo(ts),
            max_steps=40,
        )
        assert out.ys is not None
        return jnp.var(out.ys)

    value, slope = variance(jnp.asarray(1.0))
    decay = np.exp(-2 * 1.4)
    np.testing.assert_allclose(value, 0.5 * (1 - decay), rtol=0.1)
    np.testing.assert_allclose(slope, -0.5 * (1 - decay) + 1.4 * decay, rtol=0.15)
