"""The Gaussian information bottleneck beside what is found by descent, and at its ends."""

import jax.random as jr
import numpy as np
import pytest
from scipy.optimize import minimize

import entropax as ex


PROBLEM = ex.data.JointGaussian.random(jr.key(3), dim_x=5, dim_y=3, noise_std=0.7)


def told(problem, encoder):
    """I(X;Z) and I(Z;Y) of Z = Ex + N(0, I), from the covariances alone."""
    logs = lambda cov: np.linalg.slogdet(np.eye(len(encoder)) + encoder @ cov @ encoder.T)[1]
    rate = 0.5 * logs(problem.cov_x)
    return rate, rate - 0.5 * logs(problem.cov_x_given_y)


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.8])
def test_no_encoder_does_better(weight):
    def cost(entries):
        rate, relevance = told(PROBLEM, entries.reshape(3, 5))
        return rate - relevance / weight

    rng = np.random.default_rng(0)
    found = min((minimize(cost, rng.normal(size=15)) for _ in range(3)), key=lambda one: one.fun)
    best = ex.data.gaussian_bottleneck(PROBLEM, weight)
    np.testing.assert_allclose(found.fun, best.rate - best.relevance / weight, atol=1e-5)
    np.testing.assert_allclose(told(PROBLEM, found.x.reshape(3, 5)), best, atol=5e-3)


def test_the_curve_goes_from_nothing_to_all_with_the_slope_of_its_weight():
    assert ex.data.gaussian_bottleneck(PROBLEM, 1.0) == (0.0, 0.0)
    np.testing.assert_allclose(
        ex.data.gaussian_bottleneck(PROBLEM, 1e-12).relevance, PROBLEM.mutual_information, atol=1e-9
    )
    for weight in (0.05, 0.4):
        low, high = (np.array(ex.data.gaussian_bottleneck(PROBLEM, weight * step)) for step in (1.001, 0.999))
        np.testing.assert_allclose((high - low)[1] / (high - low)[0], weight, rtol=1e-3)


def test_a_weight_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="`weight` must be positive; got 0"):
        ex.data.gaussian_bottleneck(PROBLEM, 0.0)
