"""Exact denoisers of data in any units: information depends on no unit, densities by the Jacobian alone."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


SCALES = 1e-7, 1e-4, 3e3, 1e7
CORRELATED = np.array([[1.0, 0.8], [0.8, 1.0]])


@pytest.mark.parametrize("scale", SCALES)
def test_information_depends_on_no_unit(scale, getkey):
    square = np.array([[scale**2]])
    problem = ex.data.JointGaussian(square, np.eye(1), square)
    x, y = problem.sample(getkey(), 1_000)
    found = ex.mutual_information(problem.denoiser(), x, y, key=getkey())
    assert abs(found.value - 0.5 * np.log(2)) < 3.5 * found.stderr
    assert found.stderr < 0.06

    model, x = _correlated(scale, getkey())
    found = ex.total_correlation(model, x, key=getkey())
    assert abs(found.value + 0.5 * np.log(0.36)) < 3.5 * found.stderr


@pytest.mark.parametrize("scale", SCALES)
def test_a_likelihood_has_the_jacobian(scale, getkey):
    model, x = _correlated(scale, getkey())
    exact = -np.asarray(jax.vmap(model.log_density)(x), np.float64)
    found = ex.nll(model, x, key=jr.key(3))
    wrong = np.asarray(found.pointwise) - exact
    assert abs(wrong.mean()) < 3.5 * wrong.std() / len(wrong) ** 0.5
    assert wrong.std() < 3
    assert np.allclose(ex.nll_map(model, x, key=jr.key(3)).sum().value, found.value)
    # Units are those of the model within a function that JAX traces too.
    assert np.allclose(jax.jit(lambda x: ex.nll(model, x, key=jr.key(3)).value)(x), found.value, atol=1e-3)
    by_flow = ex.log_density(ex.VariancePreserving(), model, x[:20])
    assert np.allclose(-by_flow.value, exact[:20], atol=0.02)


def _correlated(scale, key):
    model = ex.Gaussian(np.zeros(2), CORRELATED * scale**2)
    return model, scale * jr.multivariate_normal(key, jnp.zeros(2), jnp.asarray(CORRELATED), (1_000,))


def test_a_mean_far_from_zero(getkey):
    model = ex.Gaussian(np.array([1e4]), np.array([[2_500.0]]))
    x = 1e4 + 50 * jr.normal(getkey(), (1_000, 1))
    found = ex.nll(model, x, key=getkey())
    assert abs(found.value - (0.5 + 0.5 * np.log(2 * np.pi * 2_500))) < 3.5 * found.stderr
    assert found.stderr < 0.1


def test_two_scales_at_once(getkey):
    # The divergence of distributions of which one is a hundred times the other, both far from unit variance.
    narrow, wide = (ex.Gaussian(np.zeros(1), np.array([[scale**2]])) for scale in (1e5, 1e7))
    x = 1e5 * jr.normal(getkey(), (2_000, 1))
    found = ex.kl_divergence(narrow, wide, x, key=getkey())
    assert abs(found.value - (np.log(100) + 0.5e-4 - 0.5)) < 3.5 * found.stderr


def test_scales_beyond_the_range_of_float32_are_refused(getkey):
    model = ex.Gaussian(np.zeros(1), np.array([[1e36]]))
    with pytest.raises(ValueError, match="standard deviations of 1e\\+18.*beyond the range of float32"):
        ex.kl_divergence(model, model, 1e18 * jr.normal(getkey(), (100, 1)), key=getkey())


def test_a_rate_that_does_not_fall_off_at_the_lower_end_is_named(getkey):
    class Reaching(ex.AbstractDenoiser):
        """Of variance 1, trusted from λ = 3 on only."""

        @property
        def log_snr_range(self):
            return 3.0, 20.0

        def __call__(self, z, log_snr, y=None):
            return z * jnp.exp(-0.5 * jnp.logaddexp(0.0, log_snr))

    wide = ex.Gaussian(np.zeros(1), np.array([[0.01]]))
    with pytest.warns(ex.TruncationWarning, match="At the lower end of the range, λ = 3.0"):
        ex.kl_divergence(wide, Reaching(), 0.1 * jr.normal(getkey(), (500, 1)), key=getkey())
