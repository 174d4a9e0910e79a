"""Gap and loss integrals against closed forms, over every process and down to flattened directions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.integral._integrate import _evaluate_chunk
from runs.exact import PROCESSES
from tests.trusted import Trusted


ALONE, EQUILIBRIUM = ex.Unconditional, ex.Equilibrium()
PROBLEMS = {
    "seed 10": ex.data.JointGaussian.random(jr.key(10), dim_x=25, dim_y=15, noise_std=1.0),
    "flat 1e-4": ex.data.JointGaussian.flattened(
        jr.key(0), dim_x=8, dim_y=4, rank=4, flat_variance=1e-4, noise_std=1.0
    ),
    "flat 1e-8": ex.data.JointGaussian.flattened(
        jr.key(0), dim_x=8, dim_y=4, rank=4, flat_variance=1e-8, noise_std=1.0
    ),
}


def _integrands(problem, std=1.0):
    denoiser, equilibrium = problem.denoiser(), ex.Equilibrium(std)
    return {
        "information": ex.Gap(denoiser, ex.Unconditional(denoiser)),
        "entropy": ex.Gap(ex.Unconditional(denoiser), equilibrium),
        "correlation": ex.Gap(ex.Unconditional(denoiser), problem.marginals()),
    }


@pytest.mark.parametrize("name", PROBLEMS)
def test_exact_denoisers_give_the_closed_forms(name):
    problem = PROBLEMS[name]
    x, y, noise = ex.data.cubature(problem)
    integrator = ex.Integrator(nodes=ex.GaussLegendre(panels=16), noise=noise)
    found = ex.integrate(_integrands(problem), x, y, key=jr.key(0), integrator=integrator)
    np.testing.assert_allclose(found["information"].value, problem.mutual_information, rtol=1e-4)
    np.testing.assert_allclose(found["entropy"].value, problem.total_entropy(), rtol=1e-4)
    np.testing.assert_allclose(found["correlation"].value, problem.total_correlation, rtol=1e-4)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_every_process_gives_its_part_of_the_closed_forms(process):
    # Over the times (s_min, T) of a process the integrals are those parts of the totals; what it lacks of them is the
    # divergence KL(p_T ‖ p_eq) left at T, and the tail before s_min.
    problem, std = PROBLEMS["flat 1e-4"], process.equilibrium_std
    low, high = process.log_snr_range(1e-9)
    x, y, noise = ex.data.cubature(problem)
    integrator = ex.Integrator(nodes=ex.GaussLegendre(panels=16), noise=noise, log_snr_range=(low, high))
    found = ex.integrate(_integrands(problem, std), x, y, key=jr.key(0), integrator=integrator)
    information = problem.mutual_information_between(low, high)
    np.testing.assert_allclose(found["information"].value, information, rtol=1e-4)
    entropy = problem.total_entropy_between(low, high, std)
    np.testing.assert_allclose(found["entropy"].value, entropy, rtol=1e-4)
    np.testing.assert_allclose(found["correlation"].value, problem.total_correlation_between(low, high), rtol=1e-4)
    # The remainder at T, by the process's own kernel.
    mu, std_end = (float(f(jnp.asarray(process.T))) for f in (process.mean_factor, process.std))
    variances = (mu**2 * np.linalg.eigvalsh(problem.cov_x) + std_end**2) / std**2
    remainder = 0.5 * np.sum(variances - 1 - np.log(variances))
    before = problem.total_entropy_between(high, np.inf, std)
    np.testing.assert_allclose(
        float(found["entropy"].value) + remainder + before, problem.total_entropy(std), rtol=1e-4
    )


def test_processes_that_share_an_equilibrium_share_the_total_entropy(getkey):
    problem = PROBLEMS["flat 1e-4"]
    x, _ = problem.sample(getkey(), 200)
    key, denoiser = getkey(), problem.denoiser()
    values = [
        ex.neural_entropy(denoiser, x, key=key, process=process).value
        for process in (ex.VariancePreserving(), ex.StraightLine(), ex.Cosine())
    ]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


def test_a_gaussian_control_variate_removes_the_noise(getkey):
    problem = PROBLEMS["seed 10"]
    x, y = problem.sample(getkey(), 500)
    entropy_rate, information_rate, correlation_rate = problem.controls()
    integrands, controls = _integrands(problem), _integrands(problem)
    rates = {"information": information_rate, "entropy": entropy_rate, "correlation": correlation_rate}
    controlled = {name: ex.Controlled(integrands[name], controls[name], rates[name]) for name in rates}
    found = ex.integrate(controlled, x, y, key=getkey())
    np.testing.assert_allclose(found["information"].value, problem.mutual_information, rtol=1e-4)
    np.testing.assert_allclose(found["entropy"].value, problem.total_entropy(), rtol=1e-4)
    np.testing.assert_allclose(found["correlation"].value, problem.total_correlation, rtol=1e-4)


def test_a_control_of_another_law_leaves_the_estimate_unbiased(getkey):
    # The control has the population's moments but is not the denoiser measured: its noise cancels in part.
    problem = PROBLEMS["flat 1e-4"]
    blunt = ex.Gaussian(np.zeros(8), problem.cov_x + 0.01 * np.eye(8))
    x, y = problem.sample(getkey(), 4000)
    rate, key = problem.controls()[0], getkey()
    wanted = ex.Gap(blunt, EQUILIBRIUM)
    control = ex.Gap(ex.Unconditional(problem.denoiser()), EQUILIBRIUM)
    both = ex.integrate({"plain": wanted, "controlled": ex.Controlled(wanted, control, rate)}, x, y, key=key)
    # E‖ε̂_blunt − ε̂_eq‖² over N(0, C), by eigenvalues.
    log_snr = np.linspace(-16, 30, 20001)
    a = 1 / (1 + np.exp(-log_snr))[:, None]
    b, variances = 1 / (1 + np.exp(log_snr))[:, None], np.linalg.eigvalsh(problem.cov_x)
    spread, wrong = a * variances + b, a * (variances + 0.01) + b
    rates = 0.5 * np.sum(b * (1 / wrong - 1) ** 2 * spread, 1)
    exact = np.trapezoid(rates, log_snr)
    assert abs(float(both["controlled"].value) - exact) < 4 * float(both["controlled"].stderr)
    assert abs(float(both["plain"].value) - exact) < 4 * float(both["plain"].stderr)


CHOICES = [
    (ex.Stratified(8), ex.antithetic_noise),
    (ex.Stratified(8, ex.Logistic()), ex.independent_noise),
    (ex.GaussLegendre(6, 4), ex.antithetic_noise),
    pytest.param(ex.Stratified(8), ex.independent_noise, marks=pytest.mark.slow),
    pytest.param(ex.Stratified(8, ex.Logistic()), ex.antithetic_noise, marks=pytest.mark.slow),
    pytest.param(ex.GaussLegendre(6, 4), ex.independent_noise, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("nodes, noise", CHOICES)
def test_every_choice_of_nodes_and_noise_is_unbiased(nodes, noise, getkey):
    problem = PROBLEMS["seed 10"]
    x, y = problem.sample(getkey(), 2000)
    integrator = ex.Integrator(nodes=nodes, noise=noise, log_snr_range=(-8.0, 10.0))
    integrands = _integrands(problem) | {"loss": ex.LossGap(ex.Unconditional(problem.denoiser()), problem.denoiser())}
    found = ex.integrate(integrands, x, y, key=getkey(), integrator=integrator)
    exact = {
        "information": problem.mutual_information_between(-8.0, 10.0),
        "entropy": problem.total_entropy_between(-8.0, 10.0),
        "correlation": problem.total_correlation_between(-8.0, 10.0),
        "loss": problem.mutual_information_between(-8.0, 10.0),
    }
    for name, estimate in found.items():
        assert abs(float(estimate.value) - exact[name]) < 4 * float(estimate.stderr), name
        assert float(estimate.stderr) < 0.05 * exact[name]


def test_a_pilot_run_finds_where_the_rate_is(getkey):
    problem = PROBLEMS["flat 1e-8"]
    x, _ = problem.sample(getkey(), 2000)
    integrand = ex.Gap(ALONE(problem.denoiser()), EQUILIBRIUM)
    pilot = ex.integrate(integrand, x[:200], key=getkey())
    density = ex.fit_density(pilot.profile)
    fitted = ex.integrate(integrand, x, key=getkey(), integrator=ex.Integrator(nodes=ex.Stratified(8, density)))
    uniform = ex.integrate(integrand, x, key=getkey(), integrator=ex.Integrator(nodes=ex.Stratified(8)))
    assert abs(float(fitted.value) - problem.total_entropy()) < 4 * float(fitted.stderr)
    assert float(fitted.stderr) < 0.8 * float(uniform.stderr)


def test_tails_make_up_for_a_short_range(getkey):
    problem = PROBLEMS["seed 10"]
    x, y, noise = ex.data.cubature(problem)
    # A denoiser that is trusted from -6 to 9 only, where the rates have died to percents.
    denoiser = Trusted(problem.denoiser(), (-6.0, 9.0))
    integrator = ex.Integrator(nodes=ex.GaussLegendre(panels=12), noise=noise)
    found = ex.integrate(ex.Gap(denoiser, ex.Unconditional(denoiser)), x, y, key=jr.key(0), integrator=integrator)
    without = problem.mutual_information_between(-6.0, 9.0)
    below, above = problem.mutual_information_between(-np.inf, -6.0), problem.mutual_information_between(9.0, np.inf)
    np.testing.assert_allclose(found.tails, [below, above], rtol=0.06)
    missing = abs(float(found.value) - problem.mutual_information)
    assert missing < 0.1 * (problem.mutual_information - without)


def test_a_rate_that_does_not_fall_off_is_left_out_and_said_to_be(getkey):
    problem = PROBLEMS["flat 1e-8"]
    x, _ = problem.sample(getkey(), 500)
    denoiser = Trusted(problem.denoiser(), (-9.0, 12.0))
    with pytest.warns(ex.TruncationWarning, match=r"λ = 12.0, the rate is still [12].* left out"):
        found = ex.neural_entropy(denoiser, x, key=getkey())
    # Below, where it does fall off, the tail is there.
    exact = problem.total_entropy_between(-np.inf, 12.0)
    assert abs(float(found.value) - exact) < 4 * float(found.stderr)


@pytest.mark.slow
def test_memory_is_bounded_by_the_chunk_and_chunks_change_nothing_but_the_draw(getkey):
    problem = PROBLEMS["seed 10"]
    x, y = problem.sample(getkey(), 1001)
    integrand, key = ex.Gap(problem.denoiser(), ALONE(problem.denoiser())), getkey()
    whole = ex.integrate(integrand, x, y, key=key)
    parts = ex.integrate(integrand, x, y, key=key, integrator=ex.Integrator(chunk=1600))
    assert parts.pointwise.shape == whole.pointwise.shape
    # The same samples: only noise and nodes differ.
    assert abs(float(whole.value) - float(parts.value)) < 4 * float(jnp.hypot(whole.stderr, parts.stderr))

    def temporaries(size):
        samples = x[:size], y[:size], jnp.ones(size, bool)
        denoisers = integrand.denoisers
        ends = jnp.asarray(-9.0), jnp.asarray(9.0)
        lower = _evaluate_chunk.lower  # pyright: ignore[reportFunctionMemberAccess]
        lowered = lower((integrand,), denoisers, ((0, 1),), samples, key, *ends, ex.Integrator(), True)
        return lowered.compile().compiled.memory_analysis().temp_size_in_bytes

    assert temporaries(1000) > 5 * temporaries(100)


def test_two_devices_equal_one(getkey):
    problem = PROBLEMS["seed 10"]
    x, y = problem.sample(getkey(), 1000)
    integrand, key = ex.Gap(problem.denoiser(), ALONE(problem.denoiser())), getkey()
    one = ex.integrate(integrand, x, y, key=key)
    two = ex.integrate(integrand, x, y, key=key, integrator=ex.Integrator(mesh=ex.parallel.make_mesh()))
    assert jax.device_count() == 2
    np.testing.assert_allclose(one.value, two.value, rtol=1e-5)
    np.testing.assert_allclose(one.pointwise, two.pointwise, rtol=1e-3, atol=1e-3)


def test_integrals_differentiate(getkey):
    # S_tot of N(0, v): ½(v − 1 − log v), with derivative ½(1 − 1/v), the samples √v ε moving with v.
    white = jr.normal(getkey(), (4000, 1))
    key = getkey()

    def entropy(variance):
        law = ex.Gaussian(np.zeros(1), np.eye(1))
        law = eqx.tree_at(lambda law: law.variances, law, variance[None])
        return ex.neural_entropy(law, jnp.sqrt(variance) * white, key=key).value

    gradient = jax.grad(entropy)(jnp.asarray(0.3))
    np.testing.assert_allclose(gradient, 0.5 * (1 - 1 / 0.3), rtol=0.03)
    difference = (entropy(jnp.asarray(0.303)) - entropy(jnp.asarray(0.297))) / 0.006
    np.testing.assert_allclose(gradient, difference, rtol=5e-3)


@pytest.mark.parametrize(("samples", "nodes", "chunk"), [(40, 6, 6), (40, 4, 160)])
def test_the_profile_is_coarser_where_evaluations_are_few(samples, nodes, chunk):
    # Of so few evaluations a profile of 64 cells follows the noise: with one for each evaluation errors would be 1.7
    # times as large as their bars. In chunks of one sample, some of 64 cells would see no node at all.
    covariance = np.array([[1.0, 0.6], [0.6, 0.5]])
    law, entropy = ex.Gaussian(np.zeros(2), covariance), 0.5 * np.log(np.linalg.det(2 * np.pi * np.e * covariance))
    integrator, distances = ex.Integrator(nodes=ex.Stratified(nodes), chunk=chunk), []
    for seed in range(60):
        sample_key, key = jr.split(jr.key(seed))
        x = jr.normal(sample_key, (samples, 2)) @ jnp.asarray(np.linalg.cholesky(covariance).T, jnp.float32)
        found = ex.nll(law, x, key=key, integrator=integrator)
        distances.append(float((found.value - entropy) / found.stderr))
        assert found.profile is not None and found.profile.rate.shape == (samples * nodes // 16,)
    # Of standard normal numbers.
    assert abs(np.mean(distances)) < 0.5 and 0.7 < np.std(distances) < 1.35


def test_bad_arguments_are_refused():
    x = jnp.ones((4, 8))
    denoiser = Trusted(PROBLEMS["flat 1e-4"].denoiser(), (-5.0, 5.0))
    with pytest.raises(ValueError, match=r"`x` must hold at least one sample.*\(0, 8\)"):
        ex.neural_entropy(denoiser, x[:0], key=jr.key(0))
    with pytest.raises(ValueError, match=r"`y` must hold as many samples as `x`, 4; got shape \(3, 4\)"):
        ex.neural_entropy(denoiser, x, jnp.ones((3, 4)), key=jr.key(0))
    with pytest.raises(ValueError, match=r"leaves \(-5.000, 5.000\), the range where the denoisers can be trusted"):
        ex.neural_entropy(denoiser, x, key=jr.key(0), integrator=ex.Integrator(log_snr_range=(-6.0, 5.0)))
    with pytest.raises(ValueError, match="`x` holds too few samples, 1 with 16 noise levels each"):
        ex.neural_entropy(denoiser, x[:1], key=jr.key(0))
    with pytest.raises(ValueError, match="`log_snr_range` must increase"):
        ex.Integrator(log_snr_range=(1.0, 0.0))
