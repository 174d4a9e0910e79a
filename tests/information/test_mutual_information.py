"""Mutual information by four methods, against closed forms and hard bounds."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROBLEM = ex.data.JointGaussian.random(jr.key(3), dim_x=5, dim_y=3, noise_std=0.7)
MIXTURE = ex.data.GaussianMixture(
    np.array([0.2, 0.5, 0.3]),
    np.array([[-1.0, 0.0], [1.0, 0.5], [0.5, -1.0]]),
    np.stack([0.15 * np.eye(2), np.array([[0.3, 0.1], [0.1, 0.2]]), 0.1 * np.eye(2)]),
)


@pytest.mark.parametrize("method", [ex.Orthogonal(), ex.EntropyDifference(), ex.LossGapForm(), None])
def test_continuous_conditions(method, getkey):
    x, y = PROBLEM.sample(getkey(), 4000)
    found = ex.mutual_information(PROBLEM.denoiser(), x, y, key=getkey(), method=method)
    assert abs(float(found.value) - PROBLEM.mutual_information) < 4 * float(found.stderr)
    assert float(found.stderr) < 0.03 * PROBLEM.mutual_information


@pytest.mark.parametrize("method", [ex.Orthogonal(), ex.LossGapForm()])
def test_a_control_variate_leaves_only_what_it_does_not_know(method, getkey):
    x, y = PROBLEM.sample(getkey(), 300)
    controlled = ex.ControlledBy(method, PROBLEM.denoiser(), PROBLEM.controls()[1])
    found = ex.mutual_information(PROBLEM.denoiser(), x, y, key=getkey(), method=controlled)
    np.testing.assert_allclose(found.value, PROBLEM.mutual_information, rtol=1e-4)


@pytest.mark.parametrize("method", [ex.Orthogonal(), ex.EntropyDifference(), ex.LossGapForm(), ex.Posterior()])
def test_labels_of_a_mixture(method, getkey):
    # The reference is Monte Carlo over exact densities.
    exact, exact_error = MIXTURE.mutual_information(getkey(), 200_000)
    x, labels = MIXTURE.sample(getkey(), 2000)
    found = ex.mutual_information(MIXTURE.denoiser(), x, labels, key=getkey(), method=method)
    error = 4 * float(np.hypot(found.stderr, exact_error))
    np.testing.assert_allclose(found.value, exact, atol=error)


@pytest.mark.slow
def test_noise_in_the_likelihoods_does_not_lower_the_posterior_form():
    shares, means, std = np.array([0.3, 0.3, 0.4]), np.array([-1.0, 0.0, 1.3]), 0.6
    law = ex.GaussianMixture(shares, means[:, None], np.full((3, 1, 1), std**2))
    grid = np.linspace(-6, 6, 4_001)
    given = np.exp(-0.5 * ((grid[:, None] - means) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    exact = np.sum(shares * given * np.log(given / (given @ shares)[:, None])) * (grid[1] - grid[0])
    # So few nodes that without its correction the form is 0.07 nats too small, 1.7 standard errors.
    integrator, found = ex.Integrator(nodes=ex.Stratified(64)), []
    for seed in range(24):
        generator = np.random.default_rng(seed)
        labels = generator.choice(3, 300, p=shares)
        x = jnp.asarray((means[labels] + std * generator.normal(size=300))[:, None], jnp.float32)
        found.append(ex.mutual_information(law, x, jnp.asarray(labels), key=jr.key(seed), integrator=integrator))
    deviations = np.array([(float(one.value) - exact) / float(one.stderr) for one in found])
    assert np.mean(np.abs(deviations) < 1.96) >= 0.85
    assert abs(deviations.mean()) < 0.6, deviations


def test_the_default_for_labels_cannot_pass_their_entropy(getkey):
    # Separated classes: I = H(Y).
    means = np.array([[-4.0], [4.0]])
    mixture = ex.data.GaussianMixture(np.array([0.5, 0.5]), means, 0.05 * np.ones((2, 1, 1)))
    x, labels = mixture.sample(getkey(), 1000)
    found = ex.mutual_information(mixture.denoiser(), x, labels, key=getkey())
    entropy = ex.label_entropy(labels)
    assert float(found.value) <= entropy + 1e-6
    np.testing.assert_allclose(found.value, entropy, rtol=0.01)
    # A wrong model (labels exchanged) says less, not more.
    wrong = ex.GaussianMixture(np.array([0.5, 0.5]), means, 0.05 * np.ones((2, 1, 1)), np.array([1, 0]))
    with pytest.warns(ex.BoundWarning, match=r"I\(X;Y\) >= 0"):
        found = ex.mutual_information(wrong, x, labels, key=getkey(), method=ex.Posterior((1.0,)))
    assert float(found.value) < -100


def test_independent_conditions_carry_nothing(getkey):
    # Three classes that are all but one: of their information, 0.5 Var(mean), 1e-6 nats are left.
    x, labels = jr.normal(getkey(), (2000, 1)), jr.randint(getkey(), (2000,), 0, 3)
    means = 1e-3 * np.array([[-1.0], [0.0], [1.0]])
    alike = ex.GaussianMixture(np.full(3, 1 / 3), means, np.ones((3, 1, 1)))
    found = ex.mutual_information(alike, x, labels, key=getkey())
    # A posterior that is the prior.
    np.testing.assert_allclose(found.value, 0.0, atol=2e-3)


def test_an_estimate_above_the_entropy_of_the_labels_is_returned_with_a_warning(getkey):
    # Two denoisers that disagree about everything: the orthogonal form adds up their differences.
    confident = ex.GaussianMixture(
        np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), 1e-4 * np.ones((2, 1, 1)), np.array([0, 1])
    )
    x, labels = jr.normal(getkey(), (500, 1)), jr.randint(getkey(), (500,), 0, 2)
    with pytest.warns(ex.BoundWarning, match=r"breaks the bound I\(X;Y\) <= H\(Y\)"):
        found = ex.mutual_information(confident, x, labels, key=getkey(), method=ex.Orthogonal())
    assert float(found.value) > np.log(2)


def test_labels_as_floats_are_refused_by_the_posterior_form(getkey):
    x, labels = MIXTURE.sample(getkey(), 10)
    with pytest.raises(ValueError, match=r"must be integer labels of shape \(batch,\).*pass y.astype\(int\)"):
        ex.mutual_information(MIXTURE.denoiser(), x, labels.astype(jnp.float32), key=getkey(), method=ex.Posterior())
