"""Samplers: DDIM, laws of SDEs, encoding and back, counted evaluations, one compilation, grids."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jaxtyping
import numpy as np
import pytest

import entropax as ex


PROCESS = ex.VariancePreserving()
PROBLEM = ex.data.JointGaussian.random(jr.key(3), dim_x=3, dim_y=2, noise_std=0.5)
MEAN, COV = np.array([0.7, -0.3]), np.array([[0.16, 0.05], [0.05, 0.3]])


def gaussian():
    return ex.Gaussian(MEAN, COV)


def test_euler_in_the_noise_ratio_clock_is_ddim():
    denoiser, latent = gaussian(), jr.normal(jr.key(0), (16, 2))
    log_snr = np.linspace(-8.0, 8.0, 13)
    sampler = ex.Sampler(dfx.Euler(), grid=ex.solve.Nodes(log_snr))
    path = ex.trajectory(PROCESS, denoiser, latent, sampler=sampler)
    z = np.asarray(latent, np.float64)
    for now, then in zip(log_snr[:-1], log_snr[1:]):
        a, a_next = (1 / (1 + np.exp(-value)) for value in (now, then))
        eps = np.asarray(jax.vmap(denoiser, (0, None))(jnp.asarray(z, jnp.float32), jnp.float32(now)), np.float64)
        # Song, Meng and Ermon (2021), Eq. (12), with σ = 0.
        z = np.sqrt(a_next) * (z - np.sqrt(1 - a) * eps) / np.sqrt(a) + np.sqrt(1 - a_next) * eps
    np.testing.assert_allclose(path.z[-1], z, atol=1e-5)


def test_one_prediction_of_the_data_is_ddim_too():
    latent = jr.normal(jr.key(0), (4, 2))
    first, second = (
        ex.decode(PROCESS, gaussian(), latent, sampler=ex.Sampler(solver, steps=8)).x
        for solver in (dfx.Euler(), ex.solve.DPMSolverPlusPlus(1))
    )
    np.testing.assert_allclose(first, second, atol=1e-5)


SDE = {
    "DPM": (ex.solve.SDEDPMSolverPlusPlus(), None, 1.0, 48),
    "DPM, little churn": (ex.solve.SDEDPMSolverPlusPlus(), None, 0.4, 48),
    "ShARK, log-SNR": (dfx.ShARK(), ex.LogSNR(), 1.0, 128),
    "Heun, native": (dfx.Heun(), ex.VariancePreserving(beta_max=20.0), 0.7, 256),
    "DPM, churn by level": (ex.solve.SDEDPMSolverPlusPlus(), None, ex.Interval(1.0, -2.0, 3.0), 64),
}


@pytest.mark.parametrize("solver, clock, churn, steps", SDE.values(), ids=SDE)
def test_law_of_the_reverse_sde(getkey, solver, clock, churn, steps):
    grid = ex.solve.UniformLogSNR()
    sampler = ex.Sampler(solver, steps=steps, grid=grid, clock=clock, churn=churn, log_snr_range=(-9.0, 9.0))
    x = np.asarray(ex.sample(PROCESS, gaussian(), (20_000, 2), key=getkey(), sampler=sampler).x, np.float64)
    errors = np.sqrt(np.diag(COV) / len(x))
    assert np.all(np.abs(x.mean(0) - MEAN) < 4 * errors), x.mean(0)
    spread = np.sqrt((np.outer(np.diag(COV), np.diag(COV)) + COV**2) / len(x))
    assert np.all(np.abs(np.cov(x, rowvar=False) - COV) < 4 * spread), np.cov(x, rowvar=False)


def test_adaptive_solves_meet_their_tolerance():
    latent = jr.normal(jr.key(1), (8, 2))
    tight = dfx.PIDController(rtol=1e-6, atol=1e-6)
    sampler = ex.Sampler(dfx.Tsit5(), controller=tight, log_snr_range=(-9.0, 9.0), finish=None)
    x = np.asarray(ex.decode(PROCESS, gaussian(), latent, sampler=sampler).x)
    a, b = 1 / (1 + np.exp(9.0)), 1 / (1 + np.exp(-9.0))
    values, axes = np.linalg.eigh(COV)
    ratio = np.sqrt((b * values + 1 - b) / (a * values + 1 - a))
    exact = MEAN + (np.asarray(latent) - np.sqrt(a) * MEAN) @ (axes * ratio) @ axes.T / np.sqrt(b)
    np.testing.assert_allclose(x, exact, atol=2e-5)


@pytest.mark.slow
def test_adaptive_sde(getkey):
    loose = dfx.PIDController(rtol=0.05, atol=0.05)
    sampler = ex.Sampler(dfx.ShARK(), clock=ex.LogSNR(), churn=1.0, controller=loose, log_snr_range=(-9.0, 9.0))
    x = np.asarray(ex.sample(PROCESS, gaussian(), (2_000, 2), key=getkey(), sampler=sampler).x, np.float64)
    assert np.all(np.abs(x.mean(0) - MEAN) < 4 * np.sqrt(np.diag(COV) / len(x)))
    assert np.all(np.abs(x.var(0) / np.diag(COV) - 1) < 4 * np.sqrt(2 / len(x)))


@pytest.mark.parametrize("solver", [dfx.Heun(), ex.solve.DPMSolverPlusPlus(3)], ids=["Heun", "DPM"])
def test_encoding_and_back(solver):
    denoiser = PROBLEM.denoiser()
    x, y = PROBLEM.sample(jr.key(4), 4_000)
    sampler = ex.Sampler(solver, steps=200, grid=ex.solve.UniformLogSNR(), finish=None, log_snr_range=(-9.0, 12.0))
    latent = ex.encode(PROCESS, denoiser, x, y, sampler=sampler)
    # Of an exact conditional denoiser the noise is standard, and knows nothing of the condition.
    joint = np.cov(np.concatenate([latent, y], 1), rowvar=False)
    assert np.all(np.abs(joint[:3, :3] - np.eye(3)) < 4 * np.sqrt((1 + np.eye(3)) / len(x)))
    assert np.all(np.abs(joint[:3, 3:]) < 4 * np.sqrt(np.diag(joint)[3:] / len(x)))
    np.testing.assert_allclose(ex.decode(PROCESS, denoiser, latent, y, sampler=sampler).x, x, atol=5e-3)


class Counting(ex.AbstractDenoiser):
    """Counts the calls that a compiled program makes, one for each state."""

    denoiser: ex.AbstractDenoiser
    calls: list = eqx.field(static=True)

    @property
    def log_snr_range(self):
        return self.denoiser.log_snr_range

    def __call__(self, z, log_snr, y=None):
        jax.debug.callback(lambda _: self.calls.append(1), z[0])
        return self.denoiser(z, log_snr, y)


COUNTED = {
    "Euler": ex.Sampler(dfx.Euler(), steps=7),
    "Heun, unfinished": ex.Sampler(dfx.Heun(), steps=5, finish=None),
    "Tsit5": ex.Sampler(dfx.Tsit5(), steps=5),
    "DPM": ex.Sampler(steps=7),
    "UniPC": ex.Sampler(ex.solve.UniPC(3), steps=7),
    "ShARK": ex.Sampler(dfx.ShARK(), steps=5, churn=1.0),
    "SDE-DPM": ex.Sampler(ex.solve.SDEDPMSolverPlusPlus(), steps=5, churn=1.0),
}


@pytest.mark.parametrize("sampler", COUNTED.values(), ids=COUNTED)
def test_evaluations_are_those_that_were_made(sampler):
    calls = []
    samples = ex.sample(PROCESS, Counting(gaussian(), calls), (2, 2), key=jr.key(0), sampler=sampler)
    jax.effects_barrier()
    assert samples.evaluations is not None
    assert len(calls) == int(jnp.sum(samples.evaluations)), samples.evaluations


def test_evaluations_are_counted_inside_of_compiled_code_too():
    # Of a solver that no one has asked about: a count that a trace made would be zero, and kept.
    solver, found = dfx.Ralston(), []
    jax.jit(lambda x: found.append(ex.solve.evaluations(solver)) or x)(1.0)
    assert found == [ex.solve.evaluations(solver)] == [(0, 2)]


def test_settings_that_are_numbers_do_not_compile_anew():
    traces = []

    class Traced(ex.AbstractDenoiser):
        @property
        def log_snr_range(self):
            return -9.0, 9.0

        def __call__(self, z, log_snr, y=None):
            traces.append(1)
            return 0.5 * z

    def draw(churn, rho, top, seed):
        sampler = ex.Sampler(
            ex.solve.SDEDPMSolverPlusPlus(),
            steps=6,
            grid=ex.solve.Karras(rho),
            churn=churn,
            log_snr_range=(-8.0, top),
            finish=None,
        )
        return ex.sample(PROCESS, Traced(), (4, 2), key=jr.key(seed), sampler=sampler).x

    draw(1.0, 7.0, 8.0, 0)
    before = len(traces)
    ends = [
        draw(*setting) for setting in ((0.5, 7.0, 8.0, 0), (1.0, 3.0, 8.0, 0), (1.0, 7.0, 6.0, 0), (1.0, 7.0, 8.0, 1))
    ]
    assert len(traces) == before
    assert len({float(jnp.sum(end)) for end in ends}) == len(ends)


GRIDS = {
    "λ": ex.solve.UniformLogSNR(),
    "time": ex.solve.UniformTime(),
    "Karras": ex.solve.Karras(),
    "cosine": ex.solve.CosineGrid(),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("steps", [1, 10, 500])
def test_grids_increase_between_their_ends(grid, steps):
    nodes = np.asarray(grid(PROCESS, jnp.float32(-9.0), jnp.float32(13.0), steps))
    assert nodes.shape == (steps + 1,) and nodes[0] == -9.0 and nodes[-1] == 13.0
    assert np.all(np.diff(nodes) > 0)


def test_spacing_of_grids():
    low, high = jnp.float32(-9.0), jnp.float32(9.0)
    ratios = np.exp(-0.5 * np.asarray(ex.solve.Karras(3.0)(PROCESS, low, high, 40), np.float64))
    np.testing.assert_allclose(np.diff(ratios ** (1 / 3), 2), 0, atol=1e-5)
    times = np.asarray(jax.vmap(PROCESS.time)(ex.solve.UniformTime()(PROCESS, low, high, 40)))
    np.testing.assert_allclose(np.diff(times, 2), 0, atol=1e-5)
    angles = np.arctan(np.exp(-0.5 * np.asarray(ex.solve.CosineGrid()(PROCESS, low, high, 40), np.float64)))
    np.testing.assert_allclose(np.diff(angles, 2), 0, atol=1e-5)


def test_entropic_steps_produce_equal_entropy(getkey):
    denoiser, (x, _) = PROBLEM.denoiser(), PROBLEM.sample(getkey(), 500)
    estimate = ex.total_entropy(denoiser, x, key=getkey())
    assert estimate.profile is not None
    exact = jnp.asarray(PROBLEM.total_entropy_rate(np.asarray(estimate.profile.log_snr)), jnp.float32)
    grid = ex.solve.Entropic(eqx.tree_at(lambda e: e.profile.rate, estimate, exact), even=0.0)
    nodes = np.asarray(grid(PROCESS, jnp.float32(-9.0), jnp.float32(9.0), 8), np.float64)
    shares = [PROBLEM.total_entropy_between(low, high) for low, high in zip(nodes[:-1], nodes[1:])]
    np.testing.assert_allclose(shares, np.mean(shares), rtol=0.05)


def test_samples_on_two_devices_are_those_of_one():
    mesh = ex.parallel.make_mesh()
    latent = jr.normal(jr.key(0), (8, 2))
    one, two = (
        ex.decode(PROCESS, gaussian(), latent, sampler=ex.Sampler(steps=6, mesh=chosen)).x for chosen in (None, mesh)
    )
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert len(two.sharding.device_set) == mesh.size


def test_gradients_are_those_of_finite_differences():
    latent = jr.normal(jr.key(0), (4, 2))

    def loss(mean):
        denoiser = eqx.tree_at(lambda d: d.mean, gaussian(), mean)
        return jnp.sum(ex.decode(PROCESS, denoiser, latent, sampler=ex.Sampler(steps=6)).x ** 2)

    mean = jnp.asarray(MEAN, jnp.float32)
    slope, step = jax.grad(loss)(mean), 1e-2
    shift = jnp.array([step, 0.0])
    assert abs((loss(mean + shift) - loss(mean - shift)) / (2 * step) - slope[0]) < 1e-2 * abs(slope[0])


def test_milstein_solvers_are_euler_and_need_no_more_memory():
    # The square of all increments of this batch would take 5 TB.
    law, latent = ex.Equilibrium(0.3), jr.normal(jr.key(0), (64, 17_000))
    milstein, euler = (
        ex.decode(PROCESS, law, latent, key=jr.key(1), sampler=ex.Sampler(solver, steps=4, churn=1.0)).x
        for solver in (dfx.ItoMilstein(), dfx.Euler())
    )
    np.testing.assert_array_equal(milstein, euler)


def test_samples_that_fail_are_named():
    class Fragile(ex.AbstractDenoiser):
        @property
        def log_snr_range(self):
            return -9.0, 9.0

        def __call__(self, z, log_snr, y=None):
            assert y is not None
            return jnp.where(y > 0, jnp.nan, 1.0) * z

    y, latent = jnp.array([0.0, 0.0, 1.0, 0.0]), jnp.ones((4, 2))
    with pytest.raises(RuntimeError, match="Sample 2 became infinite or NaN under DPMSolverPlusPlus in 3 steps"):
        ex.decode(PROCESS, Fragile(), latent, y, sampler=ex.Sampler(steps=3))
    with pytest.raises(RuntimeError, match="3 samples, the first at index 0, became infinite or NaN"):
        ex.encode(PROCESS, Fragile(), latent, 1 - y, sampler=ex.Sampler(steps=3))
    with pytest.raises(RuntimeError, match="Sample 2 became infinite or NaN"):
        ex.trajectory(PROCESS, Fragile(), latent, y, sampler=ex.Sampler(steps=3))
    tight = ex.Sampler(dfx.Tsit5(), controller=dfx.PIDController(rtol=1e-5, atol=1e-5), max_steps=3)
    message = "4 samples, the first at index 0, did not reach the end under Tsit5 in `max_steps` = 3"
    with pytest.raises(RuntimeError, match=message):
        ex.decode(PROCESS, gaussian(), latent, sampler=tight)


@pytest.mark.parametrize(
    "sampler",
    [ex.Sampler(steps=3), ex.Sampler(dfx.ShARK(), steps=3, churn=1.0, clock=ex.LogSNR())],
    ids=["flow", "SDE"],
)
def test_ranks_need_not_be_promoted(sampler):
    y = jnp.zeros((4, 2))
    with jax.numpy_rank_promotion("raise"):
        samples = ex.sample(PROCESS, PROBLEM.denoiser(), (4, 3), y, key=jr.key(0), sampler=sampler)
        if not sampler.noisy:
            ex.log_density(PROCESS, PROBLEM.denoiser(), samples.x, y)
            ex.solve.path_nll(PROCESS, gaussian(), jnp.ones((4, 2)), key=jr.key(0), paths=ex.solve.Paths(steps=4))
    assert samples.x.shape == (4, 3)


@pytest.mark.slow
def test_states_are_read_as_integrals_read_samples():
    """Lists, integers and masks of nothing are arrays of floats, within compiled code too."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        whole = np.array([[1, -2], [0, 3]])
        sampler = ex.Sampler(steps=4)
        encode = lambda x: ex.encode(PROCESS, gaussian(), x, sampler=sampler)
        decode = lambda x: ex.decode(PROCESS, gaussian(), x, sampler=sampler).x
        path = lambda x: ex.trajectory(PROCESS, gaussian(), x, sampler=sampler).z
        bound = lambda x: ex.solve.nll_bound(PROCESS, lambda s, x, y: x, x, key=jr.key(0)).value
        for draw in (encode, decode, path, bound):
            expected = draw(jnp.asarray(whole, jnp.float32))
            for x in (whole, whole.tolist(), whole.astype(float), np.ma.masked_greater(whole, 9)):
                np.testing.assert_array_equal(draw(x), expected)
                np.testing.assert_allclose(jax.jit(lambda x=x: draw(x))(), expected, rtol=1e-5, atol=1e-6)
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
