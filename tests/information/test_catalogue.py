"""Reference numbers, by quadrature over data and noise in place of draws: nothing here is random."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array
from scipy.special import expit, log_softmax
from scipy.stats import norm

import entropax as ex
from tests.trusted import Trusted


# 0.3 N(-2, 0.25) + 0.7 N(1, 1): its mean, its second moment and its entropy, and its divergences from N(0, 1) and from
# the Gaussian of its own moments.
MIXTURE = ex.data.GaussianMixture(np.array([0.3, 0.7]), np.array([[-2.0], [1.0]]), np.array([[[0.25]], [[1.0]]]))
MEAN, SQUARE, VARIANCE, ENTROPY = 0.1, 2.675, 2.665, 1.759103
DIVERGENCE, NEGENTROPY = 0.4973355, 0.1499375
DENOISER = MIXTURE.denoiser()
MATCHED = ex.Gaussian(np.array([MEAN]), np.array([[VARIANCE]]))
EQUILIBRIUM = ex.Equilibrium()
LEVELS = np.linspace(-8.0, 12.0, 41)

# The noise levels of a process between the times 1e-7 and 1.
VP = ex.VariancePreserving(beta_min=0.1, beta_max=20.0)
TIMES = VP.log_snr_range(1e-7)

BIT, GRID = ex.Grid(-1.0, 1.0, 2), ex.Grid(-1.0, 1.0, 8)

# Sums over equal steps, which are all but exact for what is smooth and dies at both ends: over the noise, over the
# mixture's x, and over all pairs of both.
NOISE = np.arange(-6.0, 6.01, 0.2)
NOISE_WEIGHTS = norm.pdf(NOISE) / norm.pdf(NOISE).sum()
PLACES = np.arange(-6.5, 7.55, 0.1)
PLACE_WEIGHTS = 0.1 * np.exp(MIXTURE.log_prob(PLACES[:, None]))
X, EPS = (jnp.asarray(v.reshape(-1, 1), jnp.float32) for v in np.meshgrid(PLACES, NOISE, indexing="ij"))
WEIGHTS = np.outer(PLACE_WEIGHTS, NOISE_WEIGHTS).ravel()


class Fixed(eqx.Module):
    """The noise of each sample, the same at every node."""

    points: Array

    def __call__(self, key: Array, batch: int, nodes: int, shape: tuple[int, ...], dtype) -> Array:
        del key
        return jnp.broadcast_to(self.points[:, None], (batch, nodes, *shape)).astype(dtype)


def at(noise, log_snr_range=None):
    return ex.Integrator(ex.GaussLegendre(16), log_snr_range, noise=noise, chunk=10**9)


PAIRED = Fixed(EPS)


def mean(found):
    """Over the mixture and the noise; the estimate's own value knows nothing of the weights."""
    assert found.pointwise is not None
    return WEIGHTS @ np.asarray(found.pointwise, np.float64)


@eqx.filter_jit
def _predict(denoiser, x, eps, log_snr):
    at_level = lambda level: jax.vmap(lambda x, eps: denoiser(ex.diffuse(x, level, eps), level))(x, eps)
    return jax.vmap(at_level)(log_snr)


def predict(denoiser, x, eps, log_snr):
    """ε̂ at each noise level for each pair, shape (levels, pairs, dim)."""
    return np.asarray(_predict(denoiser, x, eps, jnp.asarray(log_snr, jnp.float32)), np.float64)


def errors(denoiser, x, eps, log_snr):
    """(ε - ε̂)² in sum over coordinates."""
    return np.sum((np.asarray(eps, np.float64) - predict(denoiser, x, eps, log_snr)) ** 2, -1)


# Gaussians.


def test_a_gaussian_errs_by_a_sigmoid_in_each_direction_and_each_sample_by_its_place():
    root = np.array([[1.0, 0.0, 0.0], [0.5, 0.4, 0.0], [-0.3, 0.2, 0.1]])
    center, cov = np.array([0.5, -1.0, 2.0]), root @ root.T
    values, axes = np.linalg.eigh(cov)
    log_snr = np.array([-6.0, -2.0, 0.0, 3.0, 8.0])
    snr = np.exp(log_snr)[:, None]
    # Points ±√d e_k, whose moments are those of a standard normal: for what is quadratic, they are all there is of it.
    design = np.sqrt(6) * np.concatenate([np.eye(6), -np.eye(6)])
    law, x = ex.Gaussian(center, cov), jnp.asarray(center + design[:, :3] @ root.T, jnp.float32)
    found = errors(law, x, jnp.asarray(design[:, 3:], jnp.float32), log_snr).mean(1)
    np.testing.assert_allclose(found, expit(log_snr[:, None] + np.log(values)).sum(1), rtol=1e-5)
    # Given x: the bias of the denoised mean, and the noise that it lets through.
    place = center + np.array([0.7, -1.5, 0.2])
    noise = jnp.asarray(np.sqrt(3) * np.concatenate([np.eye(3), -np.eye(3)]), jnp.float32)
    found = errors(law, jnp.broadcast_to(jnp.asarray(place, jnp.float32), noise.shape), noise, log_snr).mean(1)
    u = axes.T @ (place - center)
    exact = snr * (u**2 + snr * values**2) / (1 + snr * values) ** 2
    np.testing.assert_allclose(found, exact.sum(1), rtol=1e-5)


@pytest.mark.parametrize(
    "variance, end, bias, digits", [(0.0198, 8.0, 0.008397, 6), (0.0198, 12.0, 0.000155, 6), (1e-4, 12.0, 0.0298, 4)]
)
def test_a_finite_range_overstates_the_entropy_of_a_narrow_gaussian_and_the_tails_do_not(variance, end, bias, digits):
    x, _, noise = ex.data.cubature(ex.data.JointGaussian(np.array([[variance]]), np.eye(1), np.eye(1)))
    law, log = ex.Gaussian(np.zeros(1), np.array([[variance]])), np.log(variance)
    entropy = 0.5 * np.log(2 * np.pi * np.e) + 0.5 * log
    # Of ½∫[sigmoid(λ) - sigmoid(λ + log v)] dλ = -½ log v, what lies beyond the range: differences of softplus.
    exact = -0.5 * log - 0.5 * (end - np.logaddexp(0, end + log) + np.logaddexp(0, log - end))
    assert round(exact, digits) == bias
    np.testing.assert_allclose(bias, 0.5 * (1 / variance - 1) * np.exp(-end), rtol=0.04)
    # ½ log 2πe - ½∫[sigmoid(λ) - mmse(λ)] dλ, with the average error of N(0, 1) over the range alone.
    loss = ex.integrate(ex.Loss(law), x, key=jr.key(0), integrator=at(noise, (-end, end)))
    found = 0.5 * np.log(2 * np.pi * np.e) - 0.5 * end + float(loss.value)
    np.testing.assert_allclose(found - entropy, exact, atol=2e-6)

    def excess(law, integrator):
        return float(ex.nll(law, x, key=jr.key(0), integrator=integrator).value) - entropy

    # The library's baseline takes each x² at its word, so that the range lacks as much less as it leaves of x² - 1.
    lacking = 0.5 * (variance - 1) * (1 - np.tanh(0.5 * end))
    np.testing.assert_allclose(excess(law, at(noise, (-end, end))), exact + lacking, atol=2e-6)
    # A denoiser that is trusted no farther has tails that know the asymptote; one that is trusted anywhere, all of it.
    assert abs(excess(Trusted(law, (-end, end)), at(noise))) < 0.04 * bias
    assert abs(excess(law, at(noise))) < 3e-6


# The mixture.


def test_the_moments_and_the_entropy_of_the_mixture():
    moments = [PLACE_WEIGHTS @ PLACES**power for power in range(3)]
    np.testing.assert_allclose(moments, [1, MEAN, SQUARE], atol=1e-9)
    np.testing.assert_allclose(moments[2] - moments[1] ** 2, VARIANCE, atol=1e-9)
    np.testing.assert_allclose(-PLACE_WEIGHTS @ MIXTURE.log_prob(PLACES[:, None]), ENTROPY, atol=5e-7)
    found = ex.nll(DENOISER, X, key=jr.key(0), integrator=at(PAIRED))
    np.testing.assert_allclose(mean(found), ENTROPY, atol=2e-6)


def test_the_error_of_the_mixture_at_two_noise_levels():
    found = errors(DENOISER, X, EPS, LEVELS) @ WEIGHTS
    levels = np.searchsorted(LEVELS, [0.0, 3.0])
    np.testing.assert_allclose(found[levels], [0.6729475, 0.942253], atol=5e-7)


def test_the_divergence_from_equilibrium_by_norm_and_by_gap():
    found = ex.kl_divergence(DENOISER, EQUILIBRIUM, X, key=jr.key(0), integrator=at(PAIRED))
    np.testing.assert_allclose(mean(found), DIVERGENCE, atol=2e-7)
    # ½∫[sigmoid(λ) - mmse(λ)] dλ + ½(E x² - 1).
    ends = -16.0, 24.0
    loss = mean(ex.integrate(ex.Loss(DENOISER), X, key=jr.key(0), integrator=at(PAIRED, ends)))
    gap = 0.5 * (np.logaddexp(0, ends[1]) - np.logaddexp(0, ends[0])) - loss
    np.testing.assert_allclose(gap + 0.5 * (SQUARE - 1), DIVERGENCE, atol=3e-6)


def test_the_negentropy_of_the_mixture():
    found = ex.negentropy(DENOISER, X, key=jr.key(0), gaussian=MATCHED, integrator=at(PAIRED))
    np.testing.assert_allclose(mean(found), NEGENTROPY, atol=1e-6)


def test_the_total_entropy_of_a_process_lacks_what_is_left_at_its_end():
    # To less than what tells it from the divergence. Not by `total_entropy`, which would hold against its bound the
    # plain mean of samples that count by their weights.
    rates = {"norm": ex.Gap(DENOISER, EQUILIBRIUM), "gap": ex.LossGap(EQUILIBRIUM, DENOISER)}
    for name, found in ex.integrate(rates, X, key=jr.key(0), integrator=at(PAIRED, TIMES)).items():
        np.testing.assert_allclose(mean(found), 0.4973352, atol=2e-7, err_msg=name)
    # KL(p_T ‖ N(0, 1)), all that the noise levels beyond the end of the process would add.
    left = ex.kl_divergence(DENOISER, EQUILIBRIUM, X, key=jr.key(0), integrator=at(PAIRED, (-24.0, TIMES[0])))
    np.testing.assert_allclose(mean(left), 2.17e-7, rtol=4e-3)


def test_denoising_score_matching_in_time_is_the_integral_of_the_error():
    np.testing.assert_allclose(TIMES, [-10.05, 18.42], atol=2e-3)
    loss = ex.integrate(ex.Loss(DENOISER), X, key=jr.key(0), integrator=at(PAIRED, TIMES))
    np.testing.assert_allclose(mean(loss), 9.5504425, atol=1e-5)

    # ∫ ½σ² E‖∇log p_s(x_s) - ∇log p(x_s|x)‖² ds, on a logarithmic axis.
    @jax.jit
    def rates(s):
        mu, std = VP.mean_factor(s), VP.std(s)
        scores = jax.vmap(lambda x: ex.score(VP, DENOISER, x, s))(mu * X + std * EPS)
        return 0.5 * VP.diffusion_squared(s) * s * jnp.sum((scores + EPS / std) ** 2, 1)

    draw = ex.GaussLegendre(16).draw(jr.key(0), 1, jnp.log(1e-7), jnp.log(VP.T))
    in_time = np.asarray(jax.lax.map(rates, jnp.exp(draw.log_snr[0])), np.float64)
    np.testing.assert_allclose(np.asarray(draw.weight[0], np.float64) @ (in_time @ WEIGHTS), 9.5504427, atol=1e-5)


# Discrete laws.


def by_level(denoiser, grid):
    """The code length of each level, in the mean over the noise."""
    x = jnp.asarray(np.repeat(grid.values, NOISE.size)[:, None], jnp.float32)
    noise = jnp.asarray(np.tile(NOISE, grid.levels)[:, None], jnp.float32)
    found = ex.discrete_nll(denoiser, x, key=jr.key(0), grid=grid, integrator=at(Fixed(noise)))
    assert found.pointwise is not None
    return np.asarray(found.pointwise, np.float64).reshape(grid.levels, -1) @ NOISE_WEIGHTS


def test_a_fair_bit_errs_by_a_hyperbolic_tangent_and_costs_log_2():
    log_snr = np.array([-6.0, -2.0, -0.5, 0.0, 1.0, 2.0, 3.0])
    gamma = np.exp(log_snr)
    nodes, weights = np.polynomial.hermite_e.hermegauss(151)
    tanh = np.tanh(gamma[:, None] + np.sqrt(gamma)[:, None] * nodes) @ weights / weights.sum()
    denoiser, noise = ex.GridPosterior(BIT, np.zeros((1, 2))), jnp.asarray(NOISE[:, None], jnp.float32)
    for sign in (1.0, -1.0):
        # In units of the noise, γ E(x - x̂)².
        found = errors(denoiser, jnp.full_like(noise, sign), noise, log_snr) @ NOISE_WEIGHTS / gamma
        np.testing.assert_allclose(found, 1 - tanh, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_level(denoiser, BIT), np.log(2), atol=1e-5)


def test_soft_rounding_of_equal_levels_costs_more_than_the_exact_posterior_by_the_divergence_of_its_prior():
    exact = by_level(ex.GridPosterior(GRID, np.zeros((1, 8))), GRID)
    np.testing.assert_allclose(exact, np.log(8), atol=1e-5)
    # Around the denoised mean of N(0, 1), it believes in P(b) ∝ e^{-b²/2}, and codes each level as that says.
    believed = log_softmax(-0.5 * GRID.values**2)
    soft = by_level(ex.SoftRounding(EQUILIBRIUM, GRID), GRID)
    np.testing.assert_allclose(soft, -believed, atol=1e-5)
    divergence = -np.log(8) - believed.mean()
    assert divergence > 0.01
    np.testing.assert_allclose((soft - exact).mean(), divergence, atol=1e-5)


# Mutual information.


def test_the_information_of_two_normals_by_norm_and_by_gap():
    problem = ex.data.JointGaussian(np.eye(1), 0.8 * np.eye(1), 0.36 * np.eye(1))
    x, y, noise = ex.data.cubature(problem)
    np.testing.assert_allclose(-0.5 * np.log(1 - 0.8**2), 0.5108256, atol=5e-8)
    for method in (ex.Orthogonal(), ex.LossGapForm()):
        found = ex.mutual_information(problem.denoiser(), x, y, key=jr.key(0), method=method, integrator=at(noise))
        np.testing.assert_allclose(found.value, 0.5108256, atol=1e-6)


# Properties.


def test_no_denoiser_errs_less_than_the_optimal_one_but_on_single_samples():
    squares, best = errors(DENOISER, X, EPS, LEVELS), predict(DENOISER, X, EPS, LEVELS)
    wrong = ex.GaussianMixture(np.array([0.5, 0.5]), np.array([[-1.0], [2.0]]), np.array([[[0.25]], [[0.25]]]))
    for other in (EQUILIBRIUM, ex.Equilibrium(2.0), MATCHED, ex.Gaussian(np.array([-1.0]), 0.5 * np.eye(1)), wrong):
        more = errors(other, X, EPS, LEVELS) - squares
        # The gap is the norm of the difference, at each noise level, and so no less than zero.
        distance = np.sum((predict(other, X, EPS, LEVELS) - best) ** 2, -1) @ WEIGHTS
        np.testing.assert_allclose(more @ WEIGHTS, distance, atol=2e-6)
        assert (more @ WEIGHTS).min() > -2e-6 and distance.max() > 0.01
        # Some places in x are better off.
        assert (more.reshape(LEVELS.size, PLACES.size, NOISE.size) @ NOISE_WEIGHTS).min() < -0.01


def test_scaled_data_are_at_a_shifted_noise_level():
    scale = 3.0
    scaled = ex.GaussianMixture(MIXTURE.weights, scale * MIXTURE.means, scale**2 * MIXTURE.covs)
    found, same = predict(scaled, scale * X, EPS, LEVELS - 2 * np.log(scale)), predict(DENOISER, X, EPS, LEVELS)
    np.testing.assert_allclose(found, same, rtol=1e-4, atol=1e-4)
    nll = ex.nll(scaled, scale * X, key=jr.key(0), integrator=at(PAIRED))
    np.testing.assert_allclose(mean(nll), ENTROPY + np.log(scale), atol=5e-6)


def test_the_order_of_a_table_does_not_matter():
    mse, order = errors(DENOISER, X, EPS, LEVELS) @ WEIGHTS, np.random.default_rng(0).permutation(LEVELS.size)
    gaussian, total = expit(LEVELS + np.log(VARIANCE)), np.log(VARIANCE)
    table = ex.nll_from_mse_curve(LEVELS, mse, dim=1, sum_log_eigenvalues=total, gaussian_mse=gaussian)
    mixed = ex.nll_from_mse_curve(
        LEVELS[order], mse[order], dim=1, sum_log_eigenvalues=total, gaussian_mse=gaussian[order]
    )
    assert mixed == table
    np.testing.assert_allclose(table.total, ENTROPY, atol=1e-5)
