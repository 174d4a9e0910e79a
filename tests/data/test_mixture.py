import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import multivariate_normal, norm

from entropax.data import GaussianMixture


def _shared_labels():
    """Three correlated components in the plane, two of them with one label."""
    covs = np.array(
        [
            [[1.0, 0.6], [0.6, 0.8]],
            [[0.3, -0.1], [-0.1, 0.2]],
            [[0.5, 0.0], [0.0, 0.05]],
        ]
    )
    means = np.array([[0.0, 0.0], [1.5, -1.0], [-2.0, 1.0]])
    return GaussianMixture(np.array([0.5, 0.3, 0.2]), means, covs, np.array([4, 7, 4]))


def test_log_prob_is_the_mixture_density():
    mixture = _shared_labels()
    x = np.random.default_rng(0).normal(size=(50, 2)) * 2
    parts = [w * multivariate_normal(m, c).pdf(x) for w, m, c in zip(mixture.weights, mixture.means, mixture.covs)]
    np.testing.assert_allclose(mixture.log_prob(x), np.log(sum(parts)), rtol=1e-11)
    y = np.where(np.arange(50) % 2 == 0, 4, 7)
    given = np.where(y == 4, (parts[0] + parts[2]) / 0.7, parts[1] / 0.3)
    np.testing.assert_allclose(mixture.log_prob(x, y), np.log(given), rtol=1e-11)
    # Where every density underflows.
    far = mixture.log_prob(np.array([[1e4, 0.0]]))
    assert far[0] == pytest.approx(np.log(0.5) + multivariate_normal(np.zeros(2), mixture.covs[0]).logpdf([1e4, 0]))


def test_mutual_information_in_one_dimension():
    weights, means, stds = (
        np.array([0.25, 0.75]),
        np.array([-1.0, 0.5]),
        np.array([0.5, 1.0]),
    )
    mixture = GaussianMixture(weights, means[:, None], (stds**2)[:, None, None])

    def density(x):
        return weights * norm.pdf(x, means, stds)

    def integrand(x):
        joint = density(x)
        return np.sum(joint * np.log(joint / weights / joint.sum()))

    exact = quad(integrand, -9, 9, epsabs=1e-10, limit=200)[0]
    value, stderr = mixture.mutual_information(jr.key(0), 40_000)
    assert abs(value - exact) < 4 * stderr < 0.02
    assert 0 < value < mixture.label_entropy
    assert mixture.label_entropy == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)), rel=1e-14)


def test_mutual_information_at_both_ends():
    apart = GaussianMixture(np.full(3, 1 / 3), np.array([[-50.0], [0.0], [50.0]]), np.ones((3, 1, 1)))
    value, stderr = apart.mutual_information(jr.key(1), 1000)
    assert value == pytest.approx(np.log(3), rel=1e-12) and stderr < 1e-12
    # Components that share their label tell it nothing.
    one = GaussianMixture(apart.weights, apart.means, apart.covs, np.zeros(3, int))
    value, stderr = one.mutual_information(jr.key(1), 1000)
    assert value == pytest.approx(0, abs=1e-12)
    assert one.label_entropy == 0


def test_samples_have_the_moments():
    mixture = _shared_labels()
    num = 40_000
    x, labels = (np.asarray(v) for v in mixture.sample(jr.key(2), num))
    x = x.astype(np.float64)
    share = (labels == 4).mean()
    assert abs(share - 0.7) < 4.5 * np.sqrt(0.7 * 0.3 / num)
    # The component that has label 7 to itself, whitened.
    own = x[labels == 7]
    white = np.linalg.solve(np.linalg.cholesky(mixture.covs[1]), (own - mixture.means[1]).T)
    error = white @ white.T / len(own) - np.eye(2)
    assert np.abs(error).max() < 4.5 * np.sqrt(2 / len(own))
    assert np.abs(white.mean(1)).max() < 4.5 / np.sqrt(len(own))
    mean = mixture.weights @ mixture.means
    assert (np.abs(x.mean(0) - mean) < 4.5 * x.std(0) / np.sqrt(num)).all()


def test_denoiser_is_the_gradient_of_the_diffused_density():
    """eps-hat = -sqrt(1-a) grad log p_a, p_a being the mixture that carries noise."""
    mixture = _shared_labels()
    log_snr, a, b = 0.7, expit(0.7), expit(-0.7)
    diffused = GaussianMixture(
        mixture.weights,
        np.sqrt(a) * mixture.means,
        a * mixture.covs + b * np.eye(2),
        mixture.labels,
    )
    denoiser = mixture.denoiser()
    z = np.random.default_rng(1).normal(size=(20, 2))
    at = jnp.asarray(log_snr, jnp.float32)
    for y in (None, np.full(20, 4, np.int32)):
        step = 1e-5
        slopes = [
            (diffused.log_prob(z + shift, y) - diffused.log_prob(z - shift, y)) / step
            for shift in 0.5 * step * np.eye(2)
        ]
        noise = jax.vmap(lambda z: denoiser(z, at, None if y is None else jnp.int32(4)))
        np.testing.assert_allclose(
            noise(jnp.asarray(z, jnp.float32)),
            -np.sqrt(b) * np.stack(slopes, 1),
            rtol=2e-4,
            atol=2e-5,
        )


def test_random_stays_in_its_box():
    mixture = GaussianMixture.random(jr.key(0), num_components=200, dim=3, box=2.0, std=0.25)
    # Uniform means: variance box²/3, its estimate's relative error 0.9/sqrt(n).
    assert np.abs(mixture.means).max() <= 2
    variance = np.mean(mixture.means**2)
    assert variance == pytest.approx(4 / 3, rel=4.5 * 0.9 / np.sqrt(600))
    np.testing.assert_array_equal(mixture.covs[7], 0.0625 * np.eye(3))
    assert mixture.label_entropy == pytest.approx(np.log(200))


def test_misuse():
    weights, means, covs = np.array([0.5, 0.5]), np.zeros((2, 1)), np.ones((2, 1, 1))
    with pytest.raises(ValueError, match=r"must have shapes .* got \(2,\), \(2, 1\)"):
        GaussianMixture(weights, means, np.ones((2, 1)))
    with pytest.raises(ValueError, match="`weights` must be positive with sum 1"):
        GaussianMixture(2 * weights, means, covs)
    with pytest.raises(ValueError, match=r"`covs\[1\]` must be positive definite"):
        GaussianMixture(weights, means, covs * np.array([1.0, -1.0])[:, None, None])
    mixture = GaussianMixture(weights, means, covs)
    with pytest.raises(ValueError, match=r"`x` must have shape \(num, 1\)"):
        mixture.log_prob(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"labels of no component: \[5\]"):
        mixture.log_prob(np.zeros((2, 1)), np.array([0, 5]))
