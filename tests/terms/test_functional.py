"""Functionals along paths: entropy production, and stochastic integrals with one meaning for every solver."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import entropax as ex


def _solve(terms, solver, ts, x):
    out = dfx.diffeqsolve(
        terms,
        solver,
        ts[0],
        ts[-1],
        None,
        ex.terms.PathState.start(x),
        stepsize_controller=dfx.StepTo(ts),
        max_steps=ts.size - 1,
    )
    assert out.ys is not None
    return jax.tree.map(lambda leaf: leaf[0], out.ys)


def test_a_rate_beside_an_ode_is_its_integral():
    # dx/dt = −x, ∫ x² dt = x²(1 − e^{−2t})/2.
    term = ex.terms.accumulate(dfx.ODETerm(lambda t, x, y: -x), lambda t, x, y: jnp.sum(x**2, 1))
    x = jnp.asarray([[1.0, 2.0], [0.5, 0.0]])
    end = _solve(term, dfx.Tsit5(), jnp.linspace(0.0, 1.0, 21), x)
    np.testing.assert_allclose(end.x, x * np.exp(-1), rtol=1e-5)
    np.testing.assert_allclose(end.total, jnp.sum(x**2, 1) * (1 - np.exp(-2)) / 2, rtol=1e-5)


@pytest.mark.parametrize("solver", [dfx.Euler(), dfx.SEA(), dfx.ShARK(), dfx.SPaRK()], ids=lambda s: type(s).__name__)
def test_a_rate_beside_an_sde_has_its_mean_and_leaves_the_path_alone(solver, getkey):
    # Brownian motion from 0: E ∫ B² dt = T²/2, with variance T⁴/3.
    batch, ts = 8192, jnp.linspace(0.0, 1.0, 65)
    process = ex.Brownian(T=1.0)
    plain = ex.terms.forward(process, ex.terms.GridBrownianPath(ts, getkey(), (batch, 1)))
    end = jax.jit(lambda x: _solve(ex.terms.accumulate(plain, lambda t, x, y: jnp.sum(x**2, 1)), solver, ts, x))(
        jnp.zeros((batch, 1))
    )
    bias = 1 / 128 if isinstance(solver, dfx.Euler) else 0.0
    assert abs(float(jnp.mean(end.total)) + bias - 0.5) < 4 * np.sqrt(1 / 3 / batch)
    increments = jnp.stack([plain.terms[1].contr(ts[i], ts[i + 1]) for i in range(64)])
    np.testing.assert_allclose(end.x, jnp.sum(increments, 0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "solver",
    [dfx.Euler(), dfx.Heun(), dfx.EulerHeun(), dfx.SPaRK(), dfx.StratonovichMilstein()],
    ids=lambda s: type(s).__name__,
)
def test_a_stochastic_integral_is_that_of_ito_for_every_solver(solver, getkey):
    # ∫⟨B, dB⟩ = ½(‖B_T‖² − dT), path by path.
    batch, dim, ts = 256, 3, jnp.linspace(0.0, 1.0, 257)
    terms = ex.terms.forward(ex.Brownian(T=1.0), ex.terms.GridBrownianPath(ts, getkey(), (batch, dim)))
    carried = ex.terms.stochastic_integral(terms, lambda t, x, y: x, solver)
    end = jax.jit(lambda x: _solve(carried, solver, ts, x))(jnp.zeros((batch, dim)))
    exact = 0.5 * (jnp.sum(end.x**2, 1) - dim)
    # Euler's error per step is ½(ΔB² − Δt) in each dimension.
    spread = np.sqrt(0.5 * dim / 256)
    assert float(jnp.sqrt(jnp.mean((end.total - exact) ** 2))) < (
        1.2 * spread if isinstance(solver, dfx.Euler) else 1e-3
    )
    assert abs(float(jnp.mean(end.total))) < 4 * np.sqrt(0.5 * dim / batch)


def test_solvers_for_additive_noise_are_refused(getkey):
    ts = jnp.linspace(0.0, 1.0, 3)
    terms = ex.terms.forward(ex.Brownian(T=1.0), ex.terms.GridBrownianPath(ts, getkey(), (2, 1)))
    with pytest.raises(ValueError, match=r"`solver` ShARK is for noise that does not depend on the state"):
        ex.terms.stochastic_integral(terms, lambda t, x, y: x, dfx.ShARK())
    with pytest.raises(ValueError, match="marked neither Itô nor Stratonovich"):
        ex.terms.stochastic_integral(terms, lambda t, x, y: x, dfx.Tsit5())


def test_a_rate_beside_three_terms_is_that_beside_their_sum(getkey):
    ts, x = jnp.linspace(0.0, 1.0, 17), jnp.asarray([[1.0, 2.0], [0.5, 0.0]])
    pull, push = dfx.ODETerm(lambda t, x, y: -x), dfx.ODETerm(lambda t, x, y: jnp.cos(t) * jnp.ones_like(x))
    both = dfx.ODETerm(lambda t, x, y: jnp.cos(t) - x)
    noise = ex.terms.IsotropicNoise(lambda t: 0.5 + t, ex.terms.GridBrownianPath(ts, getkey(), x.shape))
    rate = lambda t, x, y: t + jnp.sum(x**2, 1)
    three, two = (
        _solve(ex.terms.accumulate(dfx.MultiTerm(*terms), rate), dfx.Euler(), ts, x)
        for terms in ((pull, push, noise), (both, noise))
    )
    np.testing.assert_allclose(three.x, two.x, rtol=1e-5)
    np.testing.assert_allclose(three.total, two.total, rtol=1e-5)
