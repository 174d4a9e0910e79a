"""Every SDE solver of Diffrax on the forward and the reverse SDE: terminal laws, strong orders, gradients."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROCESS = ex.VariancePreserving()
MEAN, STD = 0.7, 0.4
DENOISER = ex.Gaussian(np.array([MEAN]), np.array([[STD**2]]))
SOLVERS = (
    dfx.Euler(),
    dfx.EulerHeun(),
    dfx.Heun(),
    dfx.ItoMilstein(),
    dfx.StratonovichMilstein(),
    dfx.SEA(),
    dfx.SRA1(),
    dfx.ShARK(),
    dfx.GeneralShARK(),
    dfx.SlowRK(),
    dfx.SPaRK(),
)
S_MIN = 1e-3
# Those whose kind another one of them stands for, and SEA, by which the churn is tested.
LONG = dfx.EulerHeun, dfx.GeneralShARK, dfx.ItoMilstein, dfx.SEA, dfx.SlowRK, dfx.SPaRK, dfx.StratonovichMilstein
every_solver = pytest.mark.parametrize(
    "solver",
    [pytest.param(solver, marks=[pytest.mark.slow] if isinstance(solver, LONG) else []) for solver in SOLVERS],
    ids=lambda solver: type(solver).__name__,
)


def solve(terms, solver, ts, start, args=None):
    controller = dfx.StepTo(ts)
    out = dfx.diffeqsolve(
        terms, solver, ts[0], ts[-1], None, start, args, stepsize_controller=controller, max_steps=ts.size - 1
    )
    assert out.ys is not None
    return jax.tree.map(lambda leaf: leaf[0], out.ys)


@jax.jit
def law_of(process, s):
    return process.mean_factor(s), process.std(s)


def law(process, s):
    """Mean and variance of the diffused data, in float64."""
    mu, std = (float(value) for value in law_of(process, jnp.asarray(s)))
    return mu * MEAN, mu**2 * STD**2 + std**2


def assert_law(x, mean, variance):
    x = np.asarray(x, np.float64).ravel()
    assert abs(x.mean() - mean) < 4 * np.sqrt(variance / x.size), (x.mean(), mean)
    assert abs(x.var() - variance) < 4 * variance * np.sqrt(2 / x.size), (x.var(), variance)


@every_solver
def test_terminal_laws(solver, getkey):
    # There and back: data to noise by the forward SDE, fresh noise to data by the reverse one. The grid is uniform in λ
    # on the way back, where all happens late. ItoMilstein squares its increments, all with all: states by themselves.
    groups = 8192 if isinstance(solver, dfx.ItoMilstein) else 1
    batch, T = 8192 // groups, PROCESS.T

    @jax.jit
    @jax.vmap
    def there_and_back(data_key, forward_key, noise_key, reverse_key):
        x = MEAN + STD * jr.normal(data_key, (batch, 1))
        ts = jnp.linspace(0.0, T, 513)
        path = ex.terms.GridBrownianPath(ts, forward_key, x.shape)
        noised = solve(ex.terms.forward(PROCESS, path), solver, ts, x)
        ts = T - ex.solve.uniform_in_log_snr(PROCESS, 192, S_MIN)
        path = ex.terms.GridBrownianPath(ts, reverse_key, x.shape)
        start = jr.normal(noise_key, x.shape)
        return noised, solve(ex.terms.reverse(PROCESS, DENOISER, path), solver, ts, start)

    noised, data = there_and_back(*(jr.split(getkey(), groups) for _ in range(4)))
    assert_law(noised, *law(PROCESS, T))
    assert_law(data, *law(PROCESS, S_MIN))


@eqx.filter_jit
def reversed_with(churn, path, start):
    return solve(ex.terms.reverse(PROCESS, DENOISER, path, churn), dfx.SEA(), path.ts, start)


# A number is an argument of what is compiled, once for both.
@pytest.mark.parametrize("churn", [jnp.asarray(0.0), jnp.asarray(0.5), jax.nn.sigmoid], ids=["flow", "half", "of λ"])
def test_churn_leaves_the_law_alone(churn, getkey):
    ts = PROCESS.T - ex.solve.uniform_in_log_snr(PROCESS, 192, S_MIN)
    path = ex.terms.GridBrownianPath(ts, getkey(), (8192, 1))
    data = reversed_with(churn, path, jr.normal(getkey(), (8192, 1)))
    assert_law(data, *law(PROCESS, S_MIN))


@pytest.mark.parametrize(
    "solver, order",
    [
        pytest.param(dfx.SEA(), 1.0, marks=pytest.mark.slow),
        pytest.param(dfx.SRA1(), 1.5, marks=pytest.mark.slow),
        (dfx.ShARK(), 1.5),
    ],
)
@pytest.mark.parametrize("direction", [pytest.param("forward", marks=pytest.mark.slow), "reverse"])
def test_strong_order(solver, order, direction, getkey):
    # On one Brownian path, which only a tree can give at several step sizes.
    process = ex.VariancePreserving(beta_min=1.0, beta_max=3.0)
    key, batch, end = getkey(), 128, 0.8
    start = jr.normal(getkey(), (batch, 1))

    @jax.jit
    def terminal(ts):
        path = dfx.VirtualBrownianTree(0.0, end, end / 1024, (batch, 1), key, dfx.SpaceTimeLevyArea)
        if direction == "forward":
            terms = ex.terms.forward(process, path)
        else:
            terms = ex.terms.reverse(process, DENOISER, path)
        return solve(terms, solver, ts, start)

    exact = terminal(jnp.linspace(0.0, end, 257))
    errors = [float(jnp.sqrt(jnp.mean((terminal(jnp.linspace(0.0, end, n + 1)) - exact) ** 2))) for n in (8, 16)]
    measured = np.log2(errors[0] / errors[1])
    assert measured > order - 0.3, errors


def test_gradients_through_a_reverse_solve_are_finite_differences(getkey):
    ts = PROCESS.T - ex.solve.uniform_in_log_snr(PROCESS, 24, S_MIN)
    path = ex.terms.GridBrownianPath(ts, getkey(), (64, 1))
    start = jr.normal(getkey(), (64, 1))

    def of(mean, beta_max):
        denoiser = eqx.tree_at(lambda law: law.mean, DENOISER, mean[None])
        process = eqx.tree_at(lambda process: process.beta_max, PROCESS, beta_max)
        return jnp.mean(solve(ex.terms.reverse(process, denoiser, path), dfx.ShARK(), ts, start) ** 2)

    both = jax.jit(jax.value_and_grad(of, (0, 1)))
    loss = lambda mean, beta_max: both(mean, beta_max)[0]
    mean, beta_max = jnp.asarray(MEAN), jnp.asarray(16.0)
    _, gradients = both(mean, beta_max)
    step = jnp.asarray(1e-2)
    difference = (loss(mean + step, beta_max) - loss(mean - step, beta_max)) / (2 * step)
    np.testing.assert_allclose(gradients[0], difference, rtol=5e-3)
    step = jnp.asarray(0.2)
    difference = (loss(mean, beta_max + step) - loss(mean, beta_max - step)) / (2 * step)
    np.testing.assert_allclose(gradients[1], difference, rtol=2e-2, atol=1e-5)
