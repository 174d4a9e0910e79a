"""Integrals over all noise levels that are infinite: reported as such, with the sample and the reason."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from tests.trusted import Trusted


def gaussian(mean, variance):
    return ex.Gaussian(np.array([mean]), np.array([[variance]]))


def mixture(weights, means, variances):
    return ex.GaussianMixture(np.array(weights), np.array(means)[:, None], np.array(variances)[:, None, None])


GRID = ex.Grid(-2.0, 2.0, 5)
POINTS = jnp.array([[-2.0], [2.0]])
NORMAL = gaussian(0.0, 0.01)
HOLLOW = ex.Histogram((-3.0, -2.0, 2.0, 3.0), np.array([[np.log(0.5), -np.inf, np.log(0.5)]]))
LEVELS = ex.GridPosterior(GRID, np.array([[0.0, -np.inf, 0.0, 0.0, 0.0]]))
FLAT = mixture([0.5, 0.5, 0.0], [-2.0, 2.0, 0.1], [0.0, 0.0, 1.0])


def stacked(*marginals):
    return ex.Product(jax.tree.map(lambda *leaves: jnp.stack(leaves), *marginals))


class Uniform(ex.AbstractDenoiser):
    """As a user writes one: exact, without a word on its dimension."""

    density: ex.Histogram

    @property
    def log_snr_range(self):
        return -np.inf, np.inf

    def __call__(self, z, log_snr, y=None):
        return self.density(z, log_snr)


def samples(value, n=50, spread=0.1):
    return value + spread * jr.normal(jr.key(0), (n, 1))


BETWEEN = samples(0.1)
UNIFORM = ex.Histogram((1.0, 2.0), np.zeros((1, 1)))
EXCLUDING = {
    "empty bin": HOLLOW,
    "outside of all bins": UNIFORM,
    "points": ex.Empirical(POINTS),
    "grid": LEVELS,
    "mixture of points and a component of weight zero": FLAT,
    "singular Gaussian": gaussian(3.0, 0.0),
    "without condition": ex.Unconditional(UNIFORM),
    "flattened": ex.Flattened(UNIFORM, (1,)),
    "learned product": ex.LearnedProduct(UNIFORM),
    "written by a user": Uniform(UNIFORM),
}


@pytest.mark.parametrize("excluding", EXCLUDING.values(), ids=EXCLUDING)
def test_a_sample_of_probability_zero_makes_a_divergence_infinite(excluding):
    with pytest.warns(ex.InfiniteWarning, match=r"is inf at x\[0\], where .*It is infinite at 50 of 50 samples"):
        divergence = ex.kl_divergence(NORMAL, excluding, BETWEEN, key=jr.key(0))
    assert divergence.value == np.inf and divergence.stderr == 0 and str(divergence) == "inf nats"
    with pytest.warns(ex.InfiniteWarning, match=r"is -inf at x\[0\]"):
        likelihood = ex.nll(excluding, BETWEEN, key=jr.key(0))
    assert likelihood.value == np.inf and bool(jnp.all(likelihood.pointwise == np.inf))


@pytest.mark.filterwarnings("ignore:.*breaks the bound")
def test_one_sample_is_enough_and_the_others_stay_as_they_are():
    x = jnp.concatenate([jnp.full((20, 1), 1.5), jnp.array([[0.3]]), jnp.full((20, 1), 1.2)])
    with pytest.warns(
        ex.InfiniteWarning, match=r"at x\[20\], where the distribution of Histogram has prob[a-z]+ zero\.$"
    ):
        found = ex.nll(UNIFORM, x, key=jr.key(0), integrator=ex.Integrator(nodes=ex.GaussLegendre()))
    others = np.delete(np.asarray(found.pointwise), 20)
    assert found.value == np.inf and np.asarray(found.pointwise)[20] == np.inf
    # The density is 1.
    assert np.isfinite(others).all() and abs(others.mean()) < 0.5
    with pytest.warns(ex.InfiniteWarning):
        entropy = ex.total_entropy(UNIFORM, x, key=jr.key(0))
    assert entropy.value == -np.inf
    total = found + ex.nll(ex.Equilibrium(), x, key=jr.key(0), integrator=ex.Integrator(nodes=ex.GaussLegendre()))
    assert total.value == np.inf and np.isfinite(float(total.stderr))
    assert tuple(float(end) for end in found.interval()) == (np.inf, np.inf)


def test_an_infinite_integral_is_so_under_jit():
    value = jax.jit(lambda x: ex.kl_divergence(NORMAL, HOLLOW, x, key=jr.key(0)).value)
    assert value(BETWEEN) == np.inf
    slope = jax.grad(lambda x: ex.kl_divergence(NORMAL, gaussian(1.0, 0.02), x, key=jr.key(0)).value)
    assert bool(jnp.all(jnp.isfinite(slope(BETWEEN))))


def test_products_are_infinite_where_one_coordinate_is():
    x = jnp.concatenate([jnp.full((50, 1), 2.5), BETWEEN], 1)
    normal = ex.Gaussian(np.zeros(2), np.eye(2))
    for product in (stacked(HOLLOW, HOLLOW), ex.Histogram(HOLLOW.edges, jnp.tile(HOLLOW.log_probabilities, (2, 1)))):
        with pytest.warns(ex.InfiniteWarning, match="has probability zero"):
            assert ex.total_correlation(normal, x, key=jr.key(0), marginals=product).value == np.inf
        assert np.isfinite(float(ex.kl_divergence(normal, product, jnp.full((50, 2), 2.5), key=jr.key(0)).value))


@pytest.mark.parametrize("model", [ex.Empirical(POINTS), FLAT, LEVELS], ids=lambda model: type(model).__name__)
def test_points_and_densities_are_infinitely_far_apart(model):
    x = jnp.tile(POINTS, (20, 1))
    with pytest.warns(
        ex.InfiniteWarning, match=f"different dimensions, 0 for {type(model).__name__}, 1 for Equilibrium"
    ):
        assert ex.neural_entropy(model, x, key=jr.key(0)).value == np.inf
    # A probability is an infinite density.
    with pytest.warns(
        ex.InfiniteWarning, match=f"different dimensions, 1 for Equilibrium, 0 for {type(model).__name__}"
    ):
        assert ex.nll(model, x, key=jr.key(0)).value == -np.inf


@pytest.mark.parametrize(("scale", "origin"), [(1e-3, 1.0), (1.0, 0.0), (1e3, 30.0)])
def test_a_likelihood_without_a_density_is_infinite_in_every_unit(scale, origin):
    mean = scale * origin * np.ones(2)
    line = ex.Gaussian(mean, scale**2 * np.diag([1.0, 0.0]))
    x = jnp.asarray(mean)[None] + scale * jnp.stack([jr.normal(jr.key(0), (50,)), jnp.zeros(50)], 1)
    with pytest.warns(ex.InfiniteWarning, match=r"50 of 50"):
        assert ex.nll(line, x, key=jr.key(1)).value == -np.inf
    with pytest.warns(ex.InfiniteWarning, match=r"50 of 50"):
        by_coordinate = ex.nll_map(line, x, key=jr.key(1))
    traced = jax.jit(lambda x: ex.nll_map(line, x, key=jr.key(1)).value)(x)
    for found in (by_coordinate.value, traced):
        assert found[1] == -np.inf
        # The other coordinate is that of a Gaussian, whose density is known at each sample.
        exact = np.log(scale) + 0.5 * np.log(2 * np.pi) + 0.5 * np.mean(((x[:, 0] - mean[0]) / scale) ** 2)
        np.testing.assert_allclose(found[0], exact, atol=0.02)

    points = x[:5]
    with pytest.warns(ex.InfiniteWarning, match="0 for (Empirical|ChangedUnits)"):
        assert ex.nll(ex.Empirical(points), jnp.tile(points, (10, 1)), key=jr.key(1)).value == -np.inf
    with pytest.warns(ex.InfiniteWarning, match="has probability zero"):
        away = jnp.tile(points + scale, (10, 1))
        assert ex.nll(ex.Empirical(points), away, key=jr.key(1)).value == np.inf


def test_a_level_on_the_edge_of_a_bin_has_a_density_in_every_unit():
    # Some of these edges are no numbers of float32.
    for scale in (0.1, 77.7):
        bins = ex.Histogram(scale * np.arange(1.0, 5.0), HOLLOW.log_probabilities)
        x = jnp.full((50, 1), 2.0 * scale, jnp.float32)
        assert np.isfinite(float(ex.nll(bins, x, key=jr.key(0)).value))


def test_what_no_signal_passes_through_has_infinite_information():
    # X = Y: the covariance given y is zero.
    law = ex.ConditionalGaussian(cov_x=np.eye(1), gain=np.eye(1), cov_x_given_y=np.zeros((1, 1)))
    x = jr.normal(jr.key(0), (50, 1))
    with pytest.warns(ex.InfiniteWarning, match="different dimensions"):
        assert ex.mutual_information(law, x, x, key=jr.key(1)).value == np.inf


def test_opposite_infinities_have_no_mean():
    x = jnp.concatenate([jnp.tile(POINTS, (20, 1)), BETWEEN])
    with pytest.raises(ValueError, match=r"opposite signs.* is inf at x\[0\], .* and -inf at x\[40\], where"):
        ex.nll(ex.Empirical(POINTS), x, key=jr.key(0))


def test_the_code_length_of_a_level_of_probability_zero():
    x = jnp.array([[-2.0], [-1.0], [0.0]] * 20)
    with pytest.warns(ex.InfiniteWarning, match=r"at x\[1\], where the distribution of GridPosterior has prob"):
        found = ex.discrete_nll(LEVELS, x, key=jr.key(0), grid=GRID)
    assert found.value == np.inf
    likely = np.asarray(found.pointwise).reshape(20, 3)[:, [0, 2]]
    np.testing.assert_allclose(likely.mean(), np.log(4), atol=0.4)


def test_a_label_that_excludes_its_sample_has_posterior_zero():
    model = ex.Empirical(POINTS, jnp.array([0, 1]))
    x, y = jnp.tile(POINTS, (20, 1)), jnp.tile(jnp.array([0, 1]), 20)
    found = ex.mutual_information(model, x, y, key=jr.key(0))
    np.testing.assert_allclose(found.value, np.log(2), rtol=1e-5)
    with pytest.warns(ex.InfiniteWarning, match=r"at x\[0\], where the distribution of Empirical has probability zero"):
        wrong = ex.mutual_information(model, x, y.at[0].set(1), key=jr.key(0))
    assert wrong.value == -np.inf


def test_a_range_that_is_given_is_integrated_as_it_stands():
    integrator = ex.Integrator(log_snr_range=(-5.0, 5.0))
    found = ex.kl_divergence(NORMAL, HOLLOW, BETWEEN, key=jr.key(0), integrator=integrator)
    assert np.isfinite(float(found.value))


def test_a_density_that_is_narrow_is_no_point():
    # Its rate falls off beyond the range of integration alone.
    first, second = gaussian(0.0, 1e-8), gaussian(1e-3, 1e-8)
    x = 1e-4 * jr.normal(jr.key(0), (200, 1))
    found = ex.kl_divergence(first, second, x, key=jr.key(1))
    np.testing.assert_allclose(found.value, 50.0, rtol=0.02)


SHEET = ex.GaussianMixture(np.array([0.5, 0.5]), np.zeros((2, 2)), np.stack([np.eye(2), np.diag([1.0, 0.0])]))
DIMENSIONS = [
    (ex.Equilibrium(2.0), [0.3, -1.0], 2),
    (ex.Gaussian(np.array([0.0, 1.0]), np.diag([1.0, 0.0])), [0.4, 1.0], 1),
    (SHEET, [0.4, 0.0], 1),
    (SHEET, [0.4, 0.7], 2),
    (ex.Histogram(HOLLOW.edges, jnp.tile(HOLLOW.log_probabilities, (2, 1))), [2.5, -2.2], 2),
    (stacked(HOLLOW, HOLLOW), [2.5, -2.2], 2),
    (ex.Empirical(jnp.array([[0.3, 0.1], [1.0, 2.0]])), [0.3, 0.1], 0),
    (ex.GridPosterior(GRID, jnp.zeros((2, 5))), [-1.0, 2.0], 0),
    (ex.denoiser.Zero(), [1.0, 1.0], 2),
    (ex.denoiser.Diffused(ex.Empirical(jnp.zeros((1, 2))), 3.0), [0.0, 0.2], 2),
]


@pytest.mark.parametrize(("denoiser", "x", "dimension"), DIMENSIONS)
def test_the_dimension_is_the_limit_of_the_squared_error(denoiser, x, dimension):
    x, log_snr = jnp.asarray(x), jnp.asarray(13.0)
    eps = jr.normal(jr.key(0), (4_000, 2))
    error = jax.vmap(lambda eps: jnp.sum((denoiser(ex.denoiser.diffuse(x, log_snr, eps), log_snr) - eps) ** 2))(eps)
    assert denoiser.dimension(x) == dimension
    np.testing.assert_allclose(error.mean(), dimension, atol=0.1)


def test_the_dimension_of_a_network_is_not_known():
    assert jnp.isnan(Trusted(ex.Equilibrium(), (-5.0, 5.0)).dimension(jnp.zeros(1)))
    assert ex.denoiser.Conditioned(FLAT, 2).dimension(jnp.array([2.0])) == np.inf
    assert ex.denoiser.Given(FLAT, lambda y: y[0]).dimension(jnp.array([2.0]), (jnp.asarray(1),)) == 0
