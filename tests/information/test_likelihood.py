"""Densities from how well noise is predicted, sample by sample, against densities that are known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array
from scipy.special import ndtri
from scipy.stats import norm, qmc

import entropax as ex


# 0.3 N(-2, 0.25) + 0.7 N(1, 1), its entropy, and -log p at four points, in nats.
MIXTURE = ex.data.GaussianMixture(np.array([0.3, 0.7]), np.array([[-2.0], [1.0]]), np.array([[[0.25]], [[1.0]]]))
ENTROPY = 1.759103
POINTS = np.array([-2.0, 0.0, 1.0, 3.0])
EXACT = np.array([1.4168869, 1.7751395, 1.2756135, 3.2756135])

GOLDEN = 0.6180339887498949


class Lattice(eqx.Module):
    """Equal-mass quantiles of N(0, I) on a lattice that moves from node to node, and their mirror images, for samples
    that are each repeated `repeats` times: in their mean, E_ε without the randomness."""

    repeats: int

    def __call__(self, key: Array, batch: int, nodes: int, shape: tuple[int, ...], dtype) -> Array:
        del key
        half = self.repeats // 2
        row, node = (np.arange(batch) % self.repeats)[:, None], np.arange(nodes)
        first = (row % half + (0.5 + GOLDEN * node) % 1) / half
        second = (GOLDEN * (row % half) + np.sqrt(3) * node) % 1
        u = np.stack([first, second][: shape[0]], -1)
        sign = np.where(row < half, 1.0, -1.0)[..., None]
        return jnp.asarray(sign * ndtri(np.clip(u, 1e-9, 1 - 1e-9)), dtype)


def each(estimand, x, repeats=2048, **options):
    """The value for each of a few samples, the mean over noise being done by a lattice."""
    x = np.atleast_2d(np.asarray(x, np.float32).T).T
    integrator = ex.Integrator(
        nodes=ex.GaussLegendre(panels=10),
        noise=Lattice(repeats),
        chunk=10**9,
        log_snr_range=options.pop("log_snr_range", None),
    )
    labels = options.pop("y", None)
    y = None if labels is None else jnp.repeat(jnp.asarray(labels), repeats)
    found = estimand(x=jnp.repeat(jnp.asarray(x), repeats, 0), y=y, key=jr.key(0), integrator=integrator, **options)
    assert found.pointwise is not None
    return np.asarray(found.pointwise, np.float64).reshape(len(x), repeats).mean(1)


def nll_of(denoiser, **options):
    return lambda **others: ex.nll(denoiser, **options, **others)


BASELINES = {
    "equilibrium": None,
    "wide equilibrium": ex.Equilibrium(2.0),
    "matched": ex.Gaussian(np.array([0.1]), np.array([[2.665]])),
    "wrong": ex.Gaussian(np.array([-1.0]), np.array([[0.5]])),
}


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
def test_every_sample_of_a_mixture_and_no_trace_of_the_baseline(baseline):
    found = each(nll_of(MIXTURE.denoiser(), baseline=baseline), POINTS)
    np.testing.assert_allclose(found, EXACT, atol=1e-3)


def test_given_the_component(getkey):
    labels = np.array([0, 1, 1, 0])
    exact = -MIXTURE.log_prob(POINTS[:, None], labels)
    found = each(nll_of(MIXTURE.denoiser()), POINTS, y=labels)
    np.testing.assert_allclose(found, exact, atol=2e-3)


@pytest.mark.parametrize("log_snr_range, exact", [((-6.0, 6.0), -0.0163724), ((-2.0, 3.0), 0.0331301)])
def test_finite_ranges_are_exact_for_each_sample(log_snr_range, exact):
    # ½∫[mmse(x, λ) - sigmoid(λ)] dλ is E[-log p(z)|x] at the upper end less that at the lower. The baseline's own error
    # given x is a² + (1 - a) a x² with a = sigmoid(λ).
    low, high = log_snr_range
    x = 0.5
    found = each(nll_of(MIXTURE.denoiser()), [x], log_snr_range=log_snr_range)[0]
    gap = -norm.logpdf(x) - found
    change = 1 / (1 + np.exp(-high)) - 1 / (1 + np.exp(-low))
    np.testing.assert_allclose(0.5 * (x**2 - 1) * change - gap, exact, atol=1e-4)


@pytest.mark.parametrize("name", ["plane", "eight"])
def test_mixtures_in_more_dimensions(name, getkey):
    dim = {"plane": 2, "eight": 8}[name]
    mixture = ex.data.GaussianMixture.random(jr.key(1), num_components=4, dim=dim, box=2.0, std=0.4)
    x, _ = mixture.sample(getkey(), 4000)
    exact = -mixture.log_prob(x)
    for baseline in (None, ex.Gaussian.fit(x)):
        found = ex.nll(mixture.denoiser(), x, key=getkey(), baseline=baseline)
        errors = np.asarray(found.pointwise) - exact
        assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(errors))
        # The error bar is that of the entropy: it knows of the spread of the samples too.
        spread = exact.std() / np.sqrt(len(exact))
        assert spread < float(found.stderr) < 2 * np.hypot(spread, errors.std() / np.sqrt(len(errors)))


def test_every_sample_in_the_plane(getkey):
    mixture = ex.data.GaussianMixture.random(jr.key(1), num_components=4, dim=2, box=2.0, std=0.4)
    x, _ = mixture.sample(getkey(), 6)
    found = each(nll_of(mixture.denoiser()), x)
    errors = ex.bits_per_dim(found + mixture.log_prob(x), 2)
    np.testing.assert_allclose(errors, 0, atol=1e-3)


class Sobol(eqx.Module):
    """Sobol points and their mirror images, moved from node to node, for one sample that is repeated."""

    def __call__(self, key: Array, batch: int, nodes: int, shape: tuple[int, ...], dtype) -> Array:
        del key
        points = qmc.Sobol(shape[0], rng=0).random(batch // 2)
        shifts = np.random.default_rng(0).random((nodes, *shape))
        noise = ndtri(np.clip((points[:, None] + shifts) % 1, 1e-9, 1 - 1e-9))
        return jnp.asarray(np.concatenate([noise, -noise]), dtype)


@pytest.mark.slow
def test_every_sample_in_eight_dimensions(getkey):
    mixture = ex.data.GaussianMixture.random(jr.key(1), num_components=4, dim=8, box=2.0, std=0.4)
    (x, _), (others, _) = (mixture.sample(getkey(), num) for num in (4, 20_000))
    estimand = nll_of(mixture.denoiser(), baseline=ex.Gaussian.fit(others))
    integrator = ex.Integrator(nodes=ex.GaussLegendre(panels=8, order=6), noise=Sobol(), chunk=10**9)
    for sample, exact in zip(x, -mixture.log_prob(x)):
        found = estimand(x=jnp.tile(sample, (2**16, 1)), key=jr.key(0), integrator=integrator)
        assert abs(ex.bits_per_dim(float(found.value - exact), 8)) < 1e-3


@pytest.mark.parametrize("std", [1.0, 0.1, 0.01, 1 / 256])
def test_narrow_gaussians(std, getkey):
    x = jnp.asarray([0.3, -0.7]) + std * jr.normal(getkey(), (4000, 2))
    law = ex.Gaussian(np.array([0.3, -0.7]), std**2 * np.eye(2))
    exact = -norm.logpdf(np.asarray(x, np.float64), [0.3, -0.7], std).sum(1)
    # Against a baseline of the samples' own moments, close to the law: each sample is exact.
    found = each(nll_of(law, baseline=ex.Gaussian.fit(x)), x[:8], repeats=64)
    np.testing.assert_allclose(ex.bits_per_dim(found - exact[:8], 2), 0, atol=1e-3)
    # From N(0, I): in the mean.
    estimate = ex.nll(law, x, key=getkey())
    errors = np.asarray(estimate.pointwise) - exact
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(errors))
    entropy = np.log(2 * np.pi * np.e * std**2)
    assert abs(float(estimate.value) - entropy) < 4 * float(estimate.stderr) < 0.4


def test_the_samples_of_a_mixture_give_its_entropy(getkey):
    x, _ = MIXTURE.sample(getkey(), 4000)
    found = ex.nll(MIXTURE.denoiser(), x, key=getkey(), baseline=BASELINES["matched"])
    assert abs(float(found.value) - ENTROPY) < 4 * float(found.stderr) < 0.08
    assert found.pointwise is not None and found.profile is not None and found.tails is not None
    np.testing.assert_allclose(found.value, jnp.mean(found.pointwise), rtol=1e-5)
    # Profile and tails are the integral's: with the baseline's own part they make up the value.
    own = -np.mean(np.asarray(jax.vmap(BASELINES["matched"].log_density)(x)))
    integral = np.trapezoid(found.profile.rate, found.profile.log_snr)
    np.testing.assert_allclose(own + integral + np.sum(found.tails), found.value, atol=5e-3)


def test_scaled_data_have_a_density_that_is_so_much_lower():
    scale = 3.0
    scaled = ex.GaussianMixture(MIXTURE.weights, scale * MIXTURE.means, scale**2 * MIXTURE.covs)
    found = each(nll_of(scaled), scale * POINTS)
    np.testing.assert_allclose(found - np.log(scale), EXACT, atol=1e-3)
    np.testing.assert_allclose(ex.bits_per_dim(found, 1, scale=scale), EXACT / np.log(2), atol=2e-3)


def test_the_wrong_model_pays_the_divergence(getkey):
    # A model that believes in N(0, 1) gives -log of that density, and loses KL(p ‖ N(0, 1)) on the mean.
    wrong = ex.GaussianMixture(np.array([0.5, 0.5]), np.zeros((2, 1)), np.ones((2, 1, 1)))
    np.testing.assert_allclose(
        each(nll_of(wrong, baseline=BASELINES["matched"]), POINTS), -norm.logpdf(POINTS), atol=1e-3
    )
    x, _ = MIXTURE.sample(getkey(), 8000)
    key, baseline = getkey(), BASELINES["matched"]
    loss = ex.nll(wrong, x, key=key, baseline=baseline) - ex.nll(MIXTURE.denoiser(), x, key=key, baseline=baseline)
    assert abs(float(loss.value) - 0.4973355) < 4 * float(loss.stderr) < 0.15
    divergence = ex.kl_divergence(MIXTURE.denoiser(), wrong, x, key=getkey())
    assert abs(float(loss.value - divergence.value)) < 4 * float(jnp.hypot(loss.stderr, divergence.stderr))


def test_log_densities_are_those_of_the_textbook():
    cov = np.array([[2.0, 0.6], [0.6, 0.5]])
    x = np.array([0.7, -1.2])
    centred = x - [1.0, 0.5]
    exact = -0.5 * centred @ np.linalg.solve(cov, centred) - 0.5 * np.log(np.linalg.det(2 * np.pi * cov))
    law = ex.Gaussian(np.array([1.0, 0.5]), cov)
    np.testing.assert_allclose(law.log_density(jnp.asarray(x, jnp.float32)), exact, rtol=1e-5)
    images = np.linspace(-1, 1, 12).reshape(3, 4)
    exact = norm.logpdf(images, 0, 0.3).sum()
    np.testing.assert_allclose(ex.Equilibrium(0.3).log_density(jnp.asarray(images, jnp.float32)), exact, rtol=1e-5)
    # Of a variance whose square root squares to nothing in float32, too.
    tiny = ex.Gaussian(np.zeros(1), np.array([[1e-30]])).log_density(jnp.asarray([2e-15]))
    np.testing.assert_allclose(tiny, norm.logpdf(2.0) + 15 * np.log(10), rtol=1e-5)


def test_an_estimate_takes_what_is_known():
    x = jnp.asarray([[0.1], [0.4], [-1.0]] * 10)
    found = ex.nll(ex.Gaussian(np.zeros(1), 2 * np.eye(1)), x, key=jr.key(0))
    more = found.shifted(2.0)
    np.testing.assert_allclose(more.value - found.value, 2.0, rtol=1e-6)
    assert more.pointwise is not None and found.pointwise is not None
    np.testing.assert_allclose(more.pointwise - found.pointwise, 2.0, rtol=1e-5)
    assert more.stderr == found.stderr and more.profile is found.profile
    bits = ex.bits_per_dim(found, 3072, spacing=1 / 127.5)
    np.testing.assert_allclose(bits.value, float(found.value) / (3072 * np.log(2)) + 6.994353, rtol=1e-6)
    np.testing.assert_allclose(bits.stderr, float(found.stderr) / (3072 * np.log(2)), rtol=1e-5)
    assert bits.unit == "bits"
    np.testing.assert_allclose(ex.bits_per_dim(found.bits, 3072, spacing=1 / 127.5).value, bits.value, rtol=1e-6)
    np.testing.assert_allclose(ex.bits_per_dim(-1000.0, 10, spacing=0.5), 1 - 100 / np.log(2))
    with pytest.raises(
        ValueError, match=r"`known` must be one number, or as `pointwise` \(shape \(30,\)\); got .*\(3,"
    ):
        found.shifted(jnp.ones(3))


class TooShort(ex.AbstractDenoiser):
    @property
    def log_snr_range(self):
        return -5.0, 5.0

    def __call__(self, z, log_snr, y=None):
        return z[:1]


def test_bad_arguments_are_refused():
    x = jr.normal(jr.key(0), (100, 3))
    with pytest.raises(ValueError, match=r"TooShort must predict noise of the shape of a sample, \(3,\); got \(1,\)"):
        ex.nll(TooShort(), x, key=jr.key(0))
    with pytest.raises(ValueError, match=r"TooShort must predict noise .* \(3,\); got \(1,\)"):
        ex.integrate(ex.ClassLosses(TooShort(), jnp.arange(2)), x, key=jr.key(0))
    flat = jnp.concatenate([x, x[:, :1]], 1)
    for samples in (flat, x.at[:, 1].set(0.5)):
        with pytest.raises(ValueError, match="`cov` must be positive definite for a density; its least eigenvalue is"):
            ex.nll(ex.Equilibrium(), samples, key=jr.key(0), baseline=ex.Gaussian.fit(samples))
    with pytest.raises(ValueError, match=r"`x` must have the shape of `mean`, \(3,\); got \(2,\)"):
        ex.Gaussian.fit(x).log_density(jnp.ones(2))
    with pytest.raises(ValueError, match=r"`x` must have the shape of `mean`, \(3,\); got \(2,\)"):
        ex.nll(ex.Equilibrium(), x[:, :2], key=jr.key(0), baseline=ex.Gaussian.fit(x))
    with pytest.raises(ValueError, match="`spacing` must be positive and finite; got 0.0"):
        ex.bits_per_dim(1.0, 2, spacing=0.0)
