import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

from entropax.data import JointGaussian
from entropax.denoiser import Gaussian


def _flattened(flat_variance):
    return JointGaussian.flattened(jr.key(3), dim_x=12, dim_y=4, rank=3, flat_variance=flat_variance, noise_std=1.0)


def _random(noise_std=0.5):
    return JointGaussian.random(jr.key(1), dim_x=5, dim_y=3, noise_std=noise_std)


def _quantities(problem):
    # name: (value, rate, integral between two ends)
    return {
        "mutual_information": (
            problem.mutual_information,
            problem.mutual_information_rate,
            problem.mutual_information_between,
        ),
        "total_entropy": (
            problem.total_entropy(),
            problem.total_entropy_rate,
            problem.total_entropy_between,
        ),
        "total_entropy, kappa": (
            problem.total_entropy(0.3),
            lambda log_snr: problem.total_entropy_rate(log_snr, 0.3),
            lambda low, high: problem.total_entropy_between(low, high, 0.3),
        ),
        "conditional_entropy": (
            problem.conditional_entropy(),
            problem.conditional_entropy_rate,
            problem.conditional_entropy_between,
        ),
        "conditional_entropy, kappa": (
            problem.conditional_entropy(2.0),
            lambda log_snr: problem.conditional_entropy_rate(log_snr, 2.0),
            lambda low, high: problem.conditional_entropy_between(low, high, 2.0),
        ),
        "total_correlation": (
            problem.total_correlation,
            problem.total_correlation_rate,
            problem.total_correlation_between,
        ),
    }


def _quad(rate, low, high):
    pieces = np.linspace(low, high, 1 + round((high - low) / 5))
    return sum(quad(rate, a, b, epsabs=1e-14, epsrel=1e-11, limit=200)[0] for a, b in zip(pieces, pieces[1:]))


@pytest.mark.parametrize(
    "seed, dim_y, noise_std, information, total, conditional, correlation",
    [
        (10, 15, 1.0, 20.0439, 10.0249, 30.0688, 9.3935),
        (10, 15, 0.6, 26.7489, 10.0249, 36.7738, 9.3935),
        (10, 15, 0.25, 39.2267, 10.0249, 49.2516, 9.3935),
        (7, 5, 1.0, 7.6399, 9.9541, 17.594, 9.4020),
        (7, 10, 1.0, 12.9176, 9.9541, 22.872, 9.4020),
        (7, 25, 1.0, 25.7060, 9.9541, 35.660, 9.4020),
    ],
)
def test_published_models(seed, dim_y, noise_std, information, total, conditional, correlation):
    problem = JointGaussian.random(jr.key(seed), dim_x=25, dim_y=dim_y, noise_std=noise_std)
    assert problem.mutual_information == pytest.approx(information, abs=6e-5)
    assert problem.total_entropy() == pytest.approx(total, abs=6e-5)
    assert problem.conditional_entropy() == pytest.approx(conditional, abs=6e-4)
    assert problem.total_correlation == pytest.approx(correlation, abs=6e-5)


def test_values_are_those_of_the_joint_covariance():
    problem = _random()
    cov_x, a, cov_y = problem.cov_x, problem.matrix_a, problem.cov_y
    joint = np.block([[cov_x, cov_x @ a.T], [a @ cov_x, cov_y]])

    def log_det(matrix):
        return np.linalg.slogdet(matrix)[1]

    information = 0.5 * (log_det(cov_x) + log_det(cov_y) - log_det(joint))
    np.testing.assert_allclose(problem.mutual_information, information, rtol=1e-12)
    precision = np.linalg.inv(joint)[:5, :5]
    np.testing.assert_allclose(problem.cov_x_given_y @ precision, np.eye(5), atol=1e-11)
    np.testing.assert_allclose(problem.gain @ cov_y, cov_x @ a.T, atol=1e-13)
    # KL(N(0, C) || N(0, k² I)), and its mean over y with E[x|y] of covariance C - V.
    v = problem.cov_x_given_y
    for k in (1.0, 0.3):
        log_k = 2 * 5 * np.log(k)
        total = 0.5 * (np.trace(cov_x) / k**2 - 5 + log_k - log_det(cov_x))
        np.testing.assert_allclose(problem.total_entropy(k), total, rtol=1e-12)
        spread = (np.trace(v) + np.trace(problem.gain @ cov_y @ problem.gain.T)) / k**2
        conditional = 0.5 * (spread - 5 + log_k - log_det(v))
        np.testing.assert_allclose(problem.conditional_entropy(k), conditional, rtol=1e-12)
    assert problem.negentropy == 0.0


@pytest.mark.parametrize("flat_variance", [None, 1e-2, 1e-8])
def test_rates_integrate_to_their_quantities(flat_variance):
    problem = _random() if flat_variance is None else _flattened(flat_variance)
    for name, (value, rate, between) in _quantities(problem).items():
        assert _quad(rate, -40, 70) == pytest.approx(value, rel=1e-9), name
        # A finite interval, of which a flat direction's share is the greater part.
        assert _quad(rate, -1, 14) == pytest.approx(between(-1.0, 14.0), rel=1e-9), name
        whole = between(-np.inf, 2.0) + between(2.0, np.inf)
        assert whole == pytest.approx(value, rel=1e-13), name


def test_rates_are_the_gaps_of_optimal_denoisers():
    """The definitions, by matrices: eps-hat = sqrt(1-a) (a C + (1-a) I)^{-1} z."""
    problem = _random()
    cov, residual = problem.cov_x, problem.cov_x_given_y
    eye = np.eye(5)
    for log_snr in (-6.0, -1.0, 0.5, 4.0, 9.0):
        a, b = expit(log_snr), expit(-log_snr)

        def gap(one, two, law):
            difference = np.linalg.inv(one) - np.linalg.inv(two)
            return 0.5 * b * np.trace(difference @ law @ difference)

        noisy, given_y = a * cov + b * eye, a * residual + b * eye
        equilibrium = (a * 0.25 + b) * eye
        product = a * np.diag(np.diag(cov)) + b * eye
        total = gap(noisy, equilibrium, noisy)
        # With r = z - sqrt(a) m, which is independent of m = E[x|y] ~ N(0, C - V), the
        # difference is sqrt(b) ((V_s^-1 - k_s^-1) r - k_s^-1 sqrt(a) m).
        shift = a * b * 0.5 * np.trace(cov - residual) / equilibrium[0, 0] ** 2
        conditional = gap(given_y, equilibrium, given_y) + shift
        expected = {
            "total": (problem.total_entropy_rate(log_snr, 0.5), total),
            "conditional": (
                problem.conditional_entropy_rate(log_snr, 0.5),
                conditional,
            ),
            "information": (
                problem.mutual_information_rate(log_snr),
                conditional - total,
            ),
            "correlation": (
                problem.total_correlation_rate(log_snr),
                gap(noisy, product, noisy),
            ),
        }
        for name, (found, wanted) in expected.items():
            assert found == pytest.approx(wanted, rel=1e-10, abs=1e-14), (name, log_snr)


def test_rates_take_arrays_and_extremes():
    problem = _flattened(1e-4)
    log_snrs = np.array([[-700.0, -30.0, -1e-6], [1e-6, 30.0, 700.0]])
    for name, (_, rate, _) in _quantities(problem).items():
        values = rate(log_snrs)
        np.testing.assert_array_equal(values, [[rate(x) for x in row] for row in log_snrs.tolist()], name)
        assert (values >= 0).all(), name
        # The branches of the total correlation meet.
        assert values[0, 2] == pytest.approx(values[1, 0], rel=1e-5), name
    # To leading order the total correlation's rate is t² (|C|² - |diag C|²)/2.
    off_diagonal = problem.cov_x - np.diag(np.diag(problem.cov_x))
    assert problem.total_correlation_rate(-30.0) == pytest.approx(
        0.5 * np.exp(-60.0) * np.sum(off_diagonal**2), rel=1e-9
    )


def test_denoisers_realise_the_rates():
    problem = _random()
    num, log_snr = 20_000, 1.0
    x, y = problem.sample(jr.key(5), num)
    noise = jr.normal(jr.key(6), x.shape)
    z = np.sqrt(expit(log_snr)) * x + np.sqrt(expit(-log_snr)) * noise
    exact, product = problem.denoiser(), problem.marginals()
    resting = Gaussian(np.zeros(5), np.eye(5))
    at = jnp.asarray(log_snr, z.dtype)
    given_y = jax.vmap(lambda z, y: exact(z, at, y))(z, y)
    marginal = jax.vmap(lambda z: exact(z, at))(z)
    equilibrium = jax.vmap(lambda z: resting(z, at))(z)
    independent = jax.vmap(lambda z: product(z, at))(z)
    for one, two, rate in [
        (given_y, marginal, problem.mutual_information_rate(log_snr)),
        (marginal, equilibrium, problem.total_entropy_rate(log_snr)),
        (given_y, equilibrium, problem.conditional_entropy_rate(log_snr)),
        (marginal, independent, problem.total_correlation_rate(log_snr)),
    ]:
        gaps = 0.5 * np.sum(np.asarray(one - two, np.float64) ** 2, -1)
        assert abs(gaps.mean() - rate) < 4.5 * gaps.std() / np.sqrt(num)


@pytest.mark.parametrize("flat_variance", [None, 1e-6])
def test_samples_have_the_covariance(flat_variance):
    problem = _random() if flat_variance is None else _flattened(flat_variance)
    num = 20_000
    x, y = (np.asarray(v, np.float64) for v in problem.sample(jr.key(2), num))
    # Whitened by the exact root, a flat direction counts as much as any other.
    values, vectors = np.linalg.eigh(problem.cov_x)
    white_x = x @ vectors / np.sqrt(values)
    residual = y - x @ problem.matrix_a.T
    white_noise = np.linalg.solve(np.linalg.cholesky(problem.cov_noise), residual.T).T
    white = np.concatenate([white_x, white_noise], 1)
    error = white.T @ white / num - np.eye(white.shape[1])
    # Entries have the variance 2/num on the diagonal, 1/num off it.
    assert np.abs(np.diag(error)).max() < 4.5 * np.sqrt(2 / num)
    assert np.abs(error - np.diag(np.diag(error))).max() < 5 / np.sqrt(num)
    assert np.abs(white.mean(0)).max() < 4.5 / np.sqrt(num)


def test_flattening_moves_nothing_but_the_flat_directions():
    coarse, fine = _flattened(1e-2), _flattened(1e-8)
    np.testing.assert_array_equal(coarse.matrix_a, fine.matrix_a)
    values, vectors = np.linalg.eigh(fine.cov_x)
    np.testing.assert_allclose(values[:9], 1e-8, rtol=1e-6)
    assert values[9] >= 0.05 / np.sqrt(3) * (1 - 1e-12)
    # cov_x differs by the projector on the flat directions alone.
    flat = vectors[:, :9] @ vectors[:, :9].T
    np.testing.assert_allclose(coarse.cov_x - fine.cov_x, (1e-2 - 1e-8) * flat, atol=1e-14)
    # Each flat direction costs (v - log v - 1)/2; mutual information hardly moves.
    cost = 0.5 * 9 * ((1e-8 - 1e-2) - np.log(1e-8 / 1e-2))
    assert fine.total_entropy() - coarse.total_entropy() == pytest.approx(cost)
    assert fine.mutual_information == pytest.approx(_flattened(1e-7).mutual_information, rel=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"cov_x": np.ones((2, 3))}, r"`cov_x` .* square .* \(2, 3\)"),
        ({"cov_x": np.ones(3)}, r"`cov_x` must have shape \(any, any\); got \(3,\)"),
        ({"cov_x": np.array([[1.0, 0.5], [0.0, 1.0]])}, "`cov_x` must be symmetric"),
        ({"cov_x": np.diag([1.0, 0.0])}, "`cov_x` must be positive definite.* 0 "),
        ({"cov_x": np.diag([1.0, np.nan])}, "`cov_x` must be finite"),
        ({"matrix_a": np.ones((1, 3))}, r"`matrix_a` .* \(any, 2\); got \(1, 3\)"),
        ({"cov_noise": np.eye(2)}, r"`cov_noise` .* \(1, 1\); got \(2, 2\)"),
        ({"cov_noise": -np.eye(1)}, "`cov_noise` must be positive definite"),
    ],
)
def test_misuse(change, message):
    arguments = {
        "cov_x": np.eye(2),
        "matrix_a": np.ones((1, 2)),
        "cov_noise": np.eye(1),
    }
    with pytest.raises(ValueError, match=message):
        JointGaussian(**(arguments | change))


def test_misuse_of_constructors():
    sizes = {"dim_x": 3, "dim_y": 2}
    with pytest.raises(ValueError, match="`noise_std` must be positive; got 0"):
        JointGaussian.random(jr.key(0), noise_std=0.0, **sizes)
    for change in ({"rank": 4}, {"rank": 0}, {"flat_variance": 0.0}):
        arguments = {"rank": 1, "flat_variance": 1e-3, "noise_std": 1.0} | change
        with pytest.raises(ValueError, match=f"`{next(iter(change))}`"):
            JointGaussian.flattened(jr.key(0), **arguments, **sizes)
