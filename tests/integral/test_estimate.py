"""Error bars are true, and stay so under addition and subtraction."""

import math
import operator

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.integral import mean_of


PROBLEM = ex.data.JointGaussian.random(jr.key(10), dim_x=25, dim_y=15, noise_std=1.0)


def test_ninety_five_percent_intervals_cover(getkey):
    denoiser, marginals = PROBLEM.denoiser(), PROBLEM.marginals()
    alone = ex.Unconditional(denoiser)
    integrands = {
        "I": ex.Gap(denoiser, alone),
        "I, loss gap": ex.LossGap(alone, denoiser),
        "S_NN": ex.Gap(alone, ex.Equilibrium()),
        "TC": ex.Gap(alone, marginals),
    }
    exact = {
        "I": PROBLEM.mutual_information,
        "I, loss gap": PROBLEM.mutual_information,
        "S_NN": PROBLEM.total_entropy(),
        "TC": PROBLEM.total_correlation,
    }
    measure = jax.jit(lambda x, y, key: ex.integrate(integrands, x, y, key=key))
    inside = dict.fromkeys(integrands, 0)
    for _ in range(100):
        found = measure(*PROBLEM.sample(getkey(), 500), getkey())
        for name, estimate in found.items():
            low, high = estimate.interval(0.95)
            inside[name] += bool(low <= exact[name] <= high)
    assert all(90 <= count <= 99 for count in inside.values()), inside


def test_the_error_of_a_difference_is_that_of_common_noise(getkey):
    x, y = PROBLEM.sample(getkey(), 1000)
    denoiser, key = PROBLEM.denoiser(), getkey()
    given = ex.conditional_entropy(denoiser, x, y, key=key)
    alone = ex.neural_entropy(denoiser, x, key=key)
    difference = given - alone
    direct = ex.mutual_information(denoiser, x, y, key=key, method=ex.EntropyDifference())
    np.testing.assert_allclose(difference.value, direct.value, rtol=1e-4)
    np.testing.assert_allclose(difference.stderr, direct.stderr, rtol=1e-3)
    assert float(difference.stderr) < 0.9 * math.hypot(float(given.stderr), float(alone.stderr))
    # Of independent samples, the errors add in quadrature.
    other = ex.neural_entropy(denoiser, x[:500], key=getkey())
    np.testing.assert_allclose((given - other).stderr, jnp.hypot(given.stderr, other.stderr), rtol=1e-3)


def test_profiles_integrate_to_their_estimate_in_log_snr_and_in_time(getkey):
    x, _ = PROBLEM.sample(getkey(), 2000)
    process = ex.VariancePreserving()
    estimate = ex.neural_entropy(PROBLEM.denoiser(), x, key=getkey())
    profile = estimate.profile
    assert profile is not None
    whole = np.trapezoid(profile.rate, profile.log_snr)
    np.testing.assert_allclose(whole, estimate.value, rtol=0.02)
    np.testing.assert_allclose(profile.cumulative()[0], whole, rtol=1e-4)
    s, rate, stderr = profile.in_time(process)
    # ∫ ds, on a logarithmic axis.
    in_time = np.trapezoid(np.asarray(s * rate), np.log(s))
    np.testing.assert_allclose(in_time, estimate.value, rtol=0.03)
    # The closed form of Kelly (4): β/2 (tr Σ_s − 2D + tr Σ_s⁻¹).
    node = int(np.searchsorted(s, 0.1))
    beta = 0.1 + 15.9 * float(s[node])
    mu2 = float(process.mean_factor(s[node])) ** 2
    variances = mu2 * np.linalg.eigvalsh(PROBLEM.cov_x) + 1 - mu2
    exact = beta / 2 * np.sum(variances - 2 + 1 / variances)
    assert abs(float(rate[node]) - exact) < 4 * float(stderr[node]) + 0.02 * exact


def test_many_samples_have_an_error_too(getkey):
    # Their number squared is beyond 2³¹.
    x = jr.normal(getkey(), (60_000, 1))
    integrator = ex.Integrator(nodes=ex.Stratified(1))
    found = ex.neural_entropy(ex.Equilibrium(2.0), x, key=getkey(), integrator=integrator)
    spread = np.std(np.asarray(found.residuals), ddof=1) / np.sqrt(60_000)
    np.testing.assert_allclose(found.stderr_data, spread, rtol=1e-4)


def test_units_and_printing():
    estimate = ex.Estimate(jnp.asarray(20.0439), jnp.asarray(0.03), jnp.asarray(0.04))
    assert str(estimate) == "20.044 ± 0.050 nats"
    assert repr(estimate) == "Estimate(20.044 ± 0.050 nats)"
    np.testing.assert_allclose(estimate.bits.value, 20.0439 / math.log(2), rtol=1e-6)
    assert str(estimate.bits) == "28.917 ± 0.072 bits"
    low, high = estimate.interval(0.95)
    np.testing.assert_allclose([low, high], [20.0439 - 1.96 * 0.05, 20.0439 + 1.96 * 0.05], rtol=1e-4)
    with pytest.raises(ValueError, match="nats and in bits do not add"):
        _ = estimate + estimate.bits
    with pytest.raises(ValueError, match="`level` must be between 0 and 1; got 95"):
        estimate.interval(95.0)


@pytest.fixture(scope="module")
def two():
    """Two estimates on the same samples, whose errors are nearly one."""
    x = jr.normal(jr.key(5), (1000,))
    return mean_of(2.0 + x), mean_of(5.0 + 1.01 * x)


def test_a_sum_of_estimates_keeps_what_their_errors_share(two):
    first, second = two
    total, mean = sum(two), sum(two) / len(two)
    assert isinstance(total, ex.Estimate) and isinstance(mean, ex.Estimate)
    np.testing.assert_allclose(total.value, first.value + second.value, rtol=1e-6)
    np.testing.assert_allclose(total.stderr, first.stderr + second.stderr, rtol=1e-4)
    np.testing.assert_allclose(mean.value, np.mean([float(one) for one in two]), rtol=1e-6)
    np.testing.assert_allclose(mean.stderr, 0.5 * total.stderr, rtol=1e-6)
    assert mean.pointwise is not None and first.pointwise is not None and second.pointwise is not None
    np.testing.assert_allclose(mean.pointwise, 0.5 * (first.pointwise + second.pointwise), rtol=1e-6)


NUMBERS = [2, 2.0, np.float32(2), np.float64(2), np.int64(2), np.asarray(2.0), jnp.asarray(2.0), jnp.asarray(2)]


@pytest.mark.parametrize(
    "number", NUMBERS, ids=lambda number: f"{type(number).__name__} {getattr(number, 'dtype', '')}"
)
def test_a_number_shifts_an_estimate_or_scales_it_from_either_side(number, two):
    estimate = two[1]
    value, stderr = float(estimate.value), float(estimate.stderr)
    expected = {
        "+": (estimate + number, value + 2, stderr),
        "reflected +": (number + estimate, value + 2, stderr),
        "-": (estimate - number, value - 2, stderr),
        "reflected -": (number - estimate, 2 - value, stderr),
        "*": (estimate * number, 2 * value, 2 * stderr),
        "reflected *": (number * estimate, 2 * value, 2 * stderr),
        "/": (estimate / number, value / 2, stderr / 2),
        "/ negative": (estimate / -number, -value / 2, stderr / 2),
    }
    for name, (found, wanted, error) in expected.items():
        assert isinstance(found, ex.Estimate) and found.pointwise is not None, name
        np.testing.assert_allclose(found.value, wanted, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(found.stderr, error, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(np.mean(found.pointwise), wanted, rtol=1e-5, err_msg=name)
        assert found.unit == "nats"


def test_only_numbers_and_estimates_take_part_in_arithmetic(two):
    estimate = two[0]
    for wrong in (np.ones(3), jnp.ones(3), "2", 1j, None, [1.0]):
        for operation in (operator.add, operator.sub, operator.mul, operator.truediv):
            with pytest.raises(TypeError):
                operation(estimate, wrong)
            with pytest.raises(TypeError):
                operation(wrong, estimate)
    with pytest.raises(TypeError):
        _ = estimate * estimate
    with pytest.raises(ZeroDivisionError):
        _ = estimate / 0


def test_an_estimate_is_a_float_and_is_formatted_as_one():
    estimate = ex.Estimate(jnp.asarray(20.0439), jnp.asarray(0.03), jnp.asarray(0.04))
    assert math.isclose(float(estimate), 20.0439, rel_tol=1e-6)
    assert f"{estimate:.2f}" == "20.04 ± 0.05 nats"
    assert f"{estimate.bits:.1f}" == "28.9 ± 0.1 bits"
    assert f"{estimate}" == str(estimate)
    assert jax.jit(lambda one: one / 2 if f"{one:.2f} {one}" else one)(estimate).value == estimate.value / 2
    many = ex.Estimate(jnp.ones(3), jnp.ones(3), jnp.zeros(3))
    assert f"{many:.1f}" == "3.0 ± 3.0 nats in sum over (3,)"
    with pytest.raises(ValueError, match=r"shape \(3,\) is not one number"):
        float(many)


def test_nodes_of_one_sample_in_one_cell_are_not_independent():
    # The rate is that of each sample, without noise: its error is that of the samples, however many nodes there are.
    gap = ex.Gap(_Own(), ex.denoiser.Zero())
    x = jr.normal(jr.key(0), (500, 1))
    expected = float(jnp.std(0.5 * x**2))
    for nodes in (ex.Stratified(16), ex.Stratified(48), ex.Stratified(256), ex.GaussLegendre()):
        integrator = ex.Integrator(nodes=nodes, log_snr_range=(-4.0, 4.0))
        profile = ex.integral.integrate(gap, x, x, key=jr.key(1), integrator=integrator).profile
        # As many samples as have a node in a cell.
        seen = 500 * min(1.0, nodes.per_sample / nodes.cells)
        found = float(jnp.sqrt(jnp.mean(profile.stderr**2)))
        np.testing.assert_allclose(found, expected / np.sqrt(seen), rtol=0.1)


class _Own(ex.AbstractDenoiser):
    """Predicts the sample itself, which comes as its condition."""

    @property
    def log_snr_range(self):
        return -jnp.inf, jnp.inf

    def __call__(self, z, log_snr, y=None):
        return jnp.zeros_like(z) if y is None else jnp.asarray(y)


def test_profiles_of_estimates_on_the_same_samples_have_errors_that_bound_those_of_their_sum():
    x = jr.normal(jr.key(0), (400, 1))
    integrator = ex.Integrator(nodes=ex.GaussLegendre(), log_snr_range=(-4.0, 4.0))
    first, second = (ex.Gap(ex.Gaussian(np.array([m]), np.eye(1)), ex.Equilibrium(2.0)) for m in (0.0, 0.5))
    a, b = (ex.integral.integrate(gap, x, key=jr.key(1), integrator=integrator) for gap in (first, second))
    joint = ex.integral.integrate(ex.Difference(first, second), x, key=jr.key(1), integrator=integrator).profile
    difference, double = (a - b).profile, (a + a).profile
    np.testing.assert_allclose(double.stderr, 2 * a.profile.stderr, rtol=1e-5)
    np.testing.assert_allclose(double.second_moment, 4 * a.profile.second_moment, rtol=1e-5)
    np.testing.assert_allclose(difference.rate, joint.rate, rtol=1e-3, atol=1e-5)
    assert bool(jnp.all(difference.stderr >= joint.stderr - 1e-6))
    other = ex.integral.integrate(first, jr.normal(jr.key(3), (300, 1)), key=jr.key(4), integrator=integrator)
    apart = (a + other).profile
    np.testing.assert_allclose(apart.stderr, np.hypot(a.profile.stderr, other.profile.stderr), rtol=1e-5)
    # Of independent rates, E(f + g)² = Ef² + Eg² + 2 Ef Eg.
    wanted = a.profile.second_moment + other.profile.second_moment + 2 * a.profile.rate * other.profile.rate
    np.testing.assert_allclose(apart.second_moment, wanted, rtol=1e-5)


def test_one_sample_has_an_error_that_is_not_known(getkey):
    x, y = PROBLEM.sample(getkey(), 1)
    model, process = PROBLEM.denoiser(), ex.VariancePreserving()
    integrator = ex.Integrator(nodes=ex.Stratified(256))
    likelihood = ex.nll(model, x, key=getkey(), integrator=integrator)
    assert likelihood.pointwise is not None
    for found in (
        likelihood,
        ex.mutual_information(model, x, y, key=getkey(), integrator=integrator),
        ex.solve.path_nll(process, model, x, key=getkey(), paths=ex.solve.Paths(steps=8)),
        likelihood.shifted(likelihood.pointwise),
        likelihood + likelihood,
        2 * likelihood,
    ):
        assert found.stderr == np.inf and np.isfinite(float(found.value))
        assert tuple(float(end) for end in found.interval()) == (-np.inf, np.inf)
    assert str(likelihood).endswith("± inf nats") and f"{likelihood:.1f}".endswith("± inf nats")
    assert (0 * likelihood).stderr == 0
