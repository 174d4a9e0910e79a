"""Entropies, total correlation, negentropy and divergences against closed forms."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROBLEM = ex.data.JointGaussian.random(jr.key(3), dim_x=5, dim_y=3, noise_std=0.7)


def _close(estimate, exact):
    assert abs(float(estimate.value) - exact) < 4 * float(estimate.stderr), (str(estimate), exact)
    assert float(estimate.stderr) < 0.1 * abs(exact) + 0.02


@pytest.mark.parametrize("kappa", [1.0, 0.5])
def test_neural_and_total_entropy_are_the_divergence_from_equilibrium(kappa, getkey):
    x, y = PROBLEM.sample(getkey(), 4000)
    process, denoiser = ex.VariancePreserving(kappa=kappa), PROBLEM.denoiser()
    for estimand in (ex.neural_entropy, ex.total_entropy):
        _close(estimand(denoiser, x, key=getkey(), process=process), PROBLEM.total_entropy(kappa))
        _close(estimand(denoiser, x, y, key=getkey(), process=process), PROBLEM.conditional_entropy(kappa))
    _close(ex.conditional_entropy(denoiser, x, y, key=getkey(), process=process), PROBLEM.conditional_entropy(kappa))


def test_neural_entropy_over_the_times_of_the_paper(getkey):
    process = ex.VariancePreserving()
    low, high = process.log_snr_range(1e-3)
    x, _ = PROBLEM.sample(getkey(), 4000)
    integrator = ex.Integrator(log_snr_range=(low, high))
    found = ex.neural_entropy(PROBLEM.denoiser(), x, key=getkey(), process=process, integrator=integrator)
    _close(found, PROBLEM.total_entropy_between(low, high))


def test_a_wrong_model_overstates_its_neural_entropy_but_not_the_total_entropy(getkey):
    # The data are at equilibrium; the model believes in N(0, ½): KL(p ‖ model) = ½(2 − 1 − log 2) a dimension.
    x, model = jr.normal(getkey(), (4000, 2)), ex.Gaussian(np.zeros(2), 0.5 * np.eye(2))
    assert float(ex.neural_entropy(model, x, key=getkey()).value) > 0.1
    with pytest.warns(ex.BoundWarning, match="S_tot >= 0"):
        found = ex.total_entropy(model, x, key=getkey())
    _close(found, -(2 - 1 - np.log(2)))


def test_a_model_at_equilibrium_stores_nothing(getkey):
    x = jr.normal(getkey(), (100, 3))
    assert float(ex.neural_entropy(ex.Equilibrium(), x, key=getkey()).value) == 0.0


def test_entropy_rate_is_the_closed_form(getkey):
    x, _ = PROBLEM.sample(getkey(), 4000)
    profile = ex.entropy_rate(PROBLEM.denoiser(), x, key=getkey())
    exact = np.asarray(PROBLEM.total_entropy_rate(np.asarray(profile.log_snr, np.float64)))
    deviations = (np.asarray(profile.rate) - exact) / np.maximum(np.asarray(profile.stderr), 1e-3 * exact.max())
    assert np.mean(deviations**2) < 2


def test_total_correlation_with_exact_fitted_and_learned_marginals(getkey):
    x, _ = PROBLEM.sample(getkey(), 4000)
    denoiser = PROBLEM.denoiser()
    _close(ex.total_correlation(denoiser, x, key=getkey(), marginals=PROBLEM.marginals()), PROBLEM.total_correlation)
    _close(ex.total_correlation(denoiser, x, key=getkey()), PROBLEM.total_correlation)
    columns = ex.GaussianMixture(np.full(5, 0.2), np.zeros((5, 1)), np.diag(PROBLEM.cov_x)[:, None, None])
    learned = ex.LearnedProduct(columns)
    _close(ex.total_correlation(denoiser, x, key=getkey(), marginals=learned), PROBLEM.total_correlation)


def test_negentropy_and_divergence_of_a_mixture(getkey):
    mixture = ex.data.GaussianMixture(np.array([0.5, 0.5]), np.array([[-1.5], [1.5]]), 0.2 * np.ones((2, 1, 1)))
    x, _ = mixture.sample(getkey(), 8000)
    grid = np.linspace(-8, 8, 20001)
    density = sum(0.5 * np.exp(-((grid - m) ** 2) / 0.4) / np.sqrt(0.4 * np.pi) for m in (-1.5, 1.5))
    entropy = -np.trapezoid(density * np.log(np.maximum(density, 1e-300)), grid)
    variance = 1.5**2 + 0.2
    gaussian = ex.Gaussian(np.zeros(1), variance * np.eye(1))
    negentropy = 0.5 * np.log(2 * np.pi * np.e * variance) - entropy
    _close(ex.negentropy(mixture.denoiser(), x, key=getkey(), gaussian=gaussian), negentropy)
    _close(ex.negentropy(mixture.denoiser(), x, key=getkey()), negentropy)
    # KL(p ‖ N(0, 1)) = −h(p) + ½ log 2π + ½ E x².
    divergence = -entropy + 0.5 * np.log(2 * np.pi) + 0.5 * variance
    _close(ex.kl_divergence(mixture.denoiser(), ex.Equilibrium(), x, key=getkey()), divergence)


def test_processes_without_an_equilibrium_have_no_entropy(getkey):
    x = jnp.ones((4, 5))
    for process in (ex.VarianceExploding(), ex.SubVariancePreserving()):
        with pytest.raises(ValueError, match="has no .*equilibrium"):
            ex.neural_entropy(PROBLEM.denoiser(), x, key=getkey(), process=process)
