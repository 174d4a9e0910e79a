"""A variance-preserving process with knots: the linear one where there are two of them, its integral, its clock."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from entropax.process import ScheduledVariancePreserving, VariancePreserving


TIMES = jnp.array([1e-4, 0.03, 0.21, 0.5, 0.77, 1.0])


def test_two_knots_are_the_linear_schedule():
    knotted, linear = ScheduledVariancePreserving(log_rates=jnp.log(jnp.array([0.1, 16.0]))), VariancePreserving()
    for name in ("log_snr", "log_mean", "std", "drift_rate", "diffusion_squared", "log_snr_rate"):
        own, other = (jax.vmap(getattr(process, name))(TIMES) for process in (knotted, linear))
        np.testing.assert_allclose(own, other, rtol=2e-5, err_msg=name)
    np.testing.assert_allclose(
        jax.vmap(knotted.time)(jnp.array([8.0, 0.0, -5.0])),
        jax.vmap(linear.time)(jnp.array([8.0, 0.0, -5.0])),
        rtol=1e-5,
    )


def test_beta_is_linear_between_knots_and_has_the_integral_that_was_asked_for():
    rates = np.array([1.0, 4.0, 0.5, 2.0])
    process = ScheduledVariancePreserving(log_rates=jnp.asarray(np.log(rates), jnp.float32) + 3, total=6.0, T=2.0)
    s = np.linspace(0.01, 1.99, 67)
    beta = -2 * jax.vmap(process.drift_rate)(jnp.asarray(s, jnp.float32))
    expected = np.interp(s, np.linspace(0, 2, 4), rates)
    expected *= 6.0 / (2 / 3 * (0.5 * rates[0] + rates[1] + rates[2] + 0.5 * rates[3]))
    np.testing.assert_allclose(beta, expected, rtol=1e-4)
    np.testing.assert_allclose(process.log_mean(jnp.asarray(2.0)), -3.0, rtol=1e-6)


def test_its_knots_can_be_trained():
    # A rate that is the same everywhere does not care for a factor; and more at a knot brings more noise before it.
    process = ScheduledVariancePreserving(log_rates=jnp.zeros(5))
    slope = jax.grad(lambda process: process.log_snr(jnp.asarray(0.5)))(process).log_rates
    np.testing.assert_allclose(slope.sum(), 0, atol=1e-5)
    moved = ScheduledVariancePreserving(log_rates=jnp.zeros(5).at[1].set(1e-2))
    change = (moved.log_snr(jnp.asarray(0.5)) - process.log_snr(jnp.asarray(0.5))) / 1e-2
    np.testing.assert_allclose(slope[1], change, rtol=0.02)
    assert slope[1] < 0 < slope[4]


def test_too_few_knots_are_refused():
    with pytest.raises(ValueError, match="`log_rates` must be two numbers or more along one axis"):
        ScheduledVariancePreserving(log_rates=jnp.zeros(1))
