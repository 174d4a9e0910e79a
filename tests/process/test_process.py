"""Every process against its closed form: kernel, rates, inverse, equilibrium."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from entropax.process import Cosine, StraightLine, SubVariancePreserving, VarianceExploding, VariancePreserving


PROCESSES = {
    "VP": VariancePreserving(),
    "VPx": VariancePreserving(kappa=0.1),
    "sub-VP": SubVariancePreserving(),
    "VE": VarianceExploding(),
    "SL": StraightLine(),
    "SL, kappa=0.1": StraightLine(kappa=0.1),
    "cosine": Cosine(),
}
EQUILIBRIA = {"VP": 1.0, "VPx": 0.1, "SL": 1.0, "SL, kappa=0.1": 0.1, "cosine": 1.0}

every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())


def over(function):
    """Over a vector of times or noise levels, compiled whole: operation by operation is many times slower here."""
    return jax.jit(jax.vmap(function))


def beta(p, s):
    return p.beta_min + (p.beta_max - p.beta_min) * s / p.T


def integrated_beta(p, s):
    return p.beta_min * s + (p.beta_max - p.beta_min) * s**2 / (2 * p.T)


def beta_clock(p, B):
    """The time at which the integral of beta is B: the positive root of its quadratic, without cancellation."""
    slope = (p.beta_max - p.beta_min) / p.T
    return 2 * B / (p.beta_min + np.sqrt(p.beta_min**2 + 2 * slope * B))


def closed_form(p, s):
    """mu, Sigma, phi and sigma^2 as the papers print them, in NumPy and float64; nothing here calls the process."""
    if isinstance(p, VariancePreserving):
        B = integrated_beta(p, s)
        return np.exp(-B / 2), -(p.kappa**2) * np.expm1(-B), -beta(p, s) / 2, p.kappa**2 * beta(p, s)
    if isinstance(p, SubVariancePreserving):
        B = integrated_beta(p, s)
        return np.exp(-B / 2), np.expm1(-B) ** 2, -beta(p, s) / 2, -beta(p, s) * np.expm1(-2 * B)
    if isinstance(p, VarianceExploding):
        r = p.sigma_max / p.sigma_min
        sigma = p.sigma_min * r ** (s / p.T) * np.sqrt(2 * np.log(r) / p.T)
        return np.ones_like(s), p.sigma_min**2 * np.expm1(2 * s * np.log(r) / p.T), np.zeros_like(s), sigma**2
    if isinstance(p, StraightLine):
        return 1 - s, p.kappa**2 * s * (2 - s), -1 / (1 - s), 2 * p.kappa**2 / (1 - s)
    assert isinstance(p, Cosine)
    angle = np.pi * s / 2
    return np.cos(angle), np.sin(angle) ** 2, -np.pi / 2 * np.tan(angle), np.pi * np.tan(angle)


def inverse(p, log_snr):
    """s(lambda) in closed form and float64."""
    noise_to_signal = np.exp(-log_snr)
    if isinstance(p, VariancePreserving):
        return beta_clock(p, np.log1p(noise_to_signal / p.kappa**2))
    if isinstance(p, SubVariancePreserving):
        return beta_clock(p, 2 * np.arcsinh(np.sqrt(noise_to_signal) / 2))
    if isinstance(p, VarianceExploding):
        return p.T * np.log1p(noise_to_signal / p.sigma_min**2) / (2 * np.log(p.sigma_max / p.sigma_min))
    if isinstance(p, StraightLine):
        # 1 - sqrt(a), a = 1 / (1 + q), without cancellation where q is small.
        q = noise_to_signal / p.kappa**2
        return q / (1 + q) / (1 + 1 / np.sqrt(1 + q))
    assert isinstance(p, Cosine)
    return 2 / np.pi * np.arctan(np.sqrt(noise_to_signal))


def times_of(p, count=400, first=1e-8):
    """From `first` to T, increasing: geometrically, evenly, then close to T, where some rates diverge."""
    n = count // 4
    parts = np.geomspace(first, 0.1, 2 * n), np.linspace(0.1, 0.9, n), 1 - np.geomspace(0.1, 1e-6, n)
    return np.unique(np.append(p.T * np.concatenate(parts), p.T))


@every_process
def test_kernel_and_rates_are_the_closed_forms(process):
    s = times_of(process)
    mean, variance, drift_rate, diffusion_squared = closed_form(process, s)
    with jax.enable_x64(True):
        at = lambda function: np.asarray(over(function)(jnp.asarray(s)))
        np.testing.assert_allclose(at(process.mean_factor), mean, rtol=1e-10)
        np.testing.assert_allclose(at(process.std) ** 2, variance, rtol=1e-7)
        np.testing.assert_allclose(at(process.log_snr), np.log(mean**2 / variance), atol=1e-7)
        np.testing.assert_allclose(at(process.drift_rate), drift_rate, rtol=1e-10)
        np.testing.assert_allclose(at(process.diffusion_squared), diffusion_squared, rtol=1e-7)


@every_process
def test_rates_hold_in_float32(process):
    s = times_of(process, first=1e-5)
    s = s[s < 0.99].astype(np.float32)
    _, _, drift_rate, diffusion_squared = closed_form(process, s.astype(np.float64))
    np.testing.assert_allclose(over(process.drift_rate)(s), drift_rate, rtol=1e-4)
    np.testing.assert_allclose(over(process.diffusion_squared)(s), diffusion_squared, rtol=1e-4)


@every_process
def test_kernel_solves_its_equation(process):
    # Sigma = mu^2 int_0^s sigma^2 / mu^2 and log mu = int_0^s phi, the moments of a linear equation from a point.
    ends = process.T * np.asarray([1e-3, 0.3, 0.9, 0.99])
    nodes, weights = np.polynomial.legendre.leggauss(16)
    edges = np.linspace(0, ends, 201)
    half = np.diff(edges, axis=0)[..., None] / 2
    times = edges[:-1, :, None] + half * (1 + nodes)
    integral = lambda rate: np.sum(np.asarray(rate).reshape(times.shape) * half * weights, axis=(0, 2))
    with jax.enable_x64(True):
        s = jnp.asarray(times.ravel())
        spread = integral(over(lambda s: process.diffusion_squared(s) / process.mean_factor(s) ** 2)(s))
        log_mean = integral(over(process.drift_rate)(s))
        s = jnp.asarray(ends)
        np.testing.assert_allclose(over(process.std)(s) ** 2, over(process.mean_factor)(s) ** 2 * spread, rtol=1e-9)
        np.testing.assert_allclose(over(process.log_mean)(s), log_mean, rtol=1e-9, atol=1e-12)


@every_process
def test_inverse_over_the_whole_range_in_float32(process):
    log_snr = over(process.log_snr)(times_of(process).astype(np.float32))
    got = np.asarray(over(process.time)(log_snr), np.float64)
    exact = np.minimum(inverse(process, np.asarray(log_snr, np.float64)), process.T)
    np.testing.assert_allclose(got, exact, rtol=0, atol=1e-6)
    # Small times keep their relative precision too, as far as lambda itself has it in float32.
    small = exact < 0.1
    np.testing.assert_allclose(got[small], exact[small], rtol=5e-6)


@every_process
def test_log_snr_decreases_and_its_inverse_stops_at_the_end(process):
    with jax.enable_x64(True):
        assert np.all(np.diff(over(process.log_snr)(jnp.asarray(times_of(process)))) < 0)
    last = process.log_snr(jnp.asarray(process.T))
    below = last - jnp.asarray([0.0, 1.0, 100.0])
    np.testing.assert_array_equal(over(process.time)(below), np.float32(process.T))
    np.testing.assert_array_equal(over(jax.grad(process.time))(below), 0.0)


@every_process
def test_derivative_of_time_is_the_reciprocal_rate(process):
    with jax.enable_x64(True):
        s = jnp.asarray(times_of(process)[:-1])
        derivative = over(jax.grad(process.time))(over(process.log_snr)(s))
        np.testing.assert_allclose(derivative, 1 / over(process.log_snr_rate)(s), rtol=1e-7)


@every_process
def test_gradient_of_time_in_the_parameters_is_the_finite_difference(process):
    with jax.enable_x64(True):
        parameters, structure = jax.tree.flatten(process)
        log_snr = jnp.asarray([-3.0, 0.5, 6.0])

        @jax.jit
        def times(parameters):
            return jax.vmap(jax.tree.unflatten(structure, parameters).time)(log_snr)

        gradients = jax.jit(jax.jacrev(times))(parameters)
        for i, gradient in enumerate(gradients):
            moved = lambda factor: times(parameters[:i] + [factor * parameters[i]] + parameters[i + 1 :])
            difference = (moved(1 + 1e-6) - moved(1 - 1e-6)) / (2e-6 * parameters[i])
            np.testing.assert_allclose(gradient, difference, rtol=1e-6, atol=1e-10)


def test_gradient_of_time_in_beta_max():
    # B(s) = log(1 + e^-lambda) is fixed, so ds / dbeta_max = -s^2 / (2 T beta(s)).
    process = VariancePreserving()
    log_snr = jnp.asarray(1.5)
    gradient = jax.grad(lambda p: p.time(log_snr))(process).beta_max
    s = inverse(process, 1.5)
    np.testing.assert_allclose(gradient, -(s**2) / (2 * beta(process, s)), rtol=1e-5)


@pytest.mark.parametrize("name", EQUILIBRIA)
def test_equilibrium_is_invariant(name):
    # The stationary variance of the frozen equation, -sigma^2 / (2 phi), is kappa^2 at every time.
    process, kappa = PROCESSES[name], EQUILIBRIA[name]
    assert process.equilibrium_std == kappa
    with jax.enable_x64(True):
        s = jnp.asarray(times_of(process))
        variance = -over(process.diffusion_squared)(s) / (2 * over(process.drift_rate)(s))
        np.testing.assert_allclose(variance, kappa**2, rtol=1e-7)
        # Data with that variance keeps it: mu^2 kappa^2 + Sigma = kappa^2.
        kept = over(process.mean_factor)(s) ** 2 * kappa**2 + over(process.std)(s) ** 2
        np.testing.assert_allclose(kept, kappa**2, rtol=1e-10)


@pytest.mark.parametrize("name, reason", [("VE", "grows without bound"), ("sub-VP", "moves with time")])
def test_no_equilibrium_says_why(name, reason):
    with pytest.raises(ValueError, match=f"{type(PROCESSES[name]).__name__} has no .*equilibrium.*{reason}"):
        PROCESSES[name].equilibrium_std


@every_process
def test_log_snr_range_is_that_of_the_times(process):
    low, high = process.log_snr_range(1e-3, 0.7)
    mean, variance, _, _ = closed_form(process, np.asarray([0.7, 1e-3]))
    np.testing.assert_allclose([low, high], np.log(mean**2 / variance), rtol=1e-5, atol=1e-5)
    low_at_end, high = process.log_snr_range(1e-3)
    assert low_at_end == float(process.log_snr(jnp.asarray(process.T))) < low < high


@pytest.mark.parametrize("s_min, s_max", [(0.0, 0.5), (-0.1, 0.5), (0.5, 0.5), (0.6, 0.5), (0.1, 1.5)])
def test_log_snr_range_refuses_times_outside_the_process(s_min, s_max):
    with pytest.raises(ValueError, match=rf"0 < s_min < s_max <= T = 1.0; got {s_min}, {s_max}"):
        VariancePreserving().log_snr_range(s_min, s_max)


@st.composite
def processes(draw):
    between = lambda low, high: draw(st.floats(low, high, width=32))
    T = between(0.5, 2.0)
    schedule = dict(beta_min=between(0.0625, 1.0), beta_max=between(1.0, 32.0), T=T)
    kappa = between(0.0625, 4.0)
    return draw(
        st.sampled_from(
            [
                VariancePreserving(**schedule, kappa=kappa),
                SubVariancePreserving(**schedule),
                VarianceExploding(sigma_min=between(0.0078125, 0.5), sigma_max=between(1.0, 64.0), T=T),
                StraightLine(kappa=kappa),
                Cosine(),
            ]
        )
    )


# One trace for each class of process: its parameters are arguments.
_round_trip = eqx.filter_jit(lambda process, s: process.time(process.log_snr(s)))


@given(processes(), st.floats(1e-6, 1))
def test_round_trip(process, fraction):
    # Log-uniform over [1e-8, T]: `fraction` of the decades.
    process = jax.tree.map(jnp.float32, process)
    s = np.float32(1e-8 * (np.float64(process.T) / 1e-8) ** fraction)
    np.testing.assert_allclose(_round_trip(process, s), s, rtol=1e-5, atol=2e-6 * (s > 0.01))
