"""The variational bound, of laws whose bound is known in closed form step by step."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import expit, log_softmax
from scipy.stats import norm

import entropax as ex
from tests.trusted import Trusted


VARIANCES = np.array([0.3, 2.0])
NORMAL = ex.Gaussian(np.zeros(2), np.diag(VARIANCES))
ENTROPY = 0.5 * np.sum(np.log(2 * np.pi * np.e * VARIANCES))
COARSE = np.linspace(12.0, -9.0, 20)

BIT = ex.Grid(-1.0, 1.0, 2)
SHARES = np.array([0.3, 0.7])
BIT_ENTROPY = -np.sum(SHARES * np.log(SHARES))
# For means over the noise.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(101)


def normal_samples(key, number):
    return jnp.sqrt(jnp.asarray(VARIANCES, jnp.float32)) * jr.normal(key, (number, 2))


def in_mean(log_snr):
    """The bound of NORMAL in the mean over its samples and the noise."""
    errors = expit(log_snr[1:, None] + np.log(VARIANCES)).sum(1)
    a = expit(log_snr[-1])
    prior = 0.5 * np.sum(a * (VARIANCES - 1) - np.log1p(-a))
    decoder = np.log(2 * np.pi * np.e) - log_snr[0]
    return decoder + 0.5 * np.sum(np.expm1(-np.diff(log_snr)) * errors) + prior


def of_each(x, log_snr):
    """Mean and variance of the bound of NORMAL over the noise, given x: ε - ε̂ is linear in the noise."""
    x, a = np.asarray(x, np.float64)[:, None], expit(log_snr[1:, None])
    slope = a * VARIANCES / (a * VARIANCES + 1 - a)
    offset = np.sqrt(a * (1 - a)) * x / (a * VARIANCES + 1 - a)
    weights = 0.5 * np.expm1(-np.diff(log_snr))[:, None]
    mean = np.sum(weights * (slope**2 + offset**2), (1, 2))
    variance = np.sum(weights**2 * (2 * slope**4 + 4 * (slope * offset) ** 2), (1, 2))
    a = expit(log_snr[-1])
    prior = 0.5 * np.sum(a * (x[:, 0] ** 2 - 1) - np.log1p(-a), 1)
    return mean + prior + np.log(2 * np.pi * np.e) - log_snr[0], variance + 1.0


def test_a_gaussian_has_the_sum_over_its_steps(getkey):
    x = normal_samples(getkey(), 8000)
    found = ex.variational_bound(NORMAL, x, key=getkey(), log_snr=COARSE)
    exact = in_mean(COARSE)
    assert exact > ENTROPY + 0.1
    assert abs(float(found.value) - exact) < 4 * float(found.stderr) < 0.4
    assert found.pointwise is not None and found.profile is None
    # Each sample by itself, so that the spread of the data is no part of the error.
    mean, variance = of_each(x, COARSE)
    errors = np.asarray(found.pointwise) - mean
    assert abs(errors.mean()) < 4 * np.sqrt(variance.mean() / 8000)
    # Every step draws noise of its own: otherwise the variances would not add up.
    ratio = errors**2 / variance
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(8000) < 0.2


def test_it_comes_down_on_the_entropy_as_the_steps_grow(getkey):
    key, x = getkey(), normal_samples(getkey(), 500)
    excess = []
    for steps in (20, 200, 2000):
        log_snr = np.linspace(14.0, -12.0, steps)
        found = ex.variational_bound(NORMAL, x, key=key, log_snr=log_snr)
        mean, variance = of_each(x, log_snr)
        assert abs(float(found.value) - mean.mean()) < 4 * np.sqrt(variance.mean() / 500)
        excess.append(in_mean(log_snr) - ENTROPY)
    # In proportion to the width of a step, once that is small; 20 steps are too few.
    excess.append(in_mean(np.linspace(14.0, -12.0, 20_000)) - ENTROPY)
    np.testing.assert_allclose([excess[1] / excess[2], excess[2] / excess[3]], 10, rtol=0.05)
    assert excess[0] > 10 * excess[1] and 0 < excess[3] < 0.01 < excess[2] < 0.1


def test_the_thousand_steps_of_a_process(getkey):
    process = ex.VariancePreserving()
    log_snr = jax.vmap(process.log_snr)(jnp.arange(1, 1001) / 1000 * process.T)
    x = normal_samples(getkey(), 500)
    found = ex.variational_bound(NORMAL, x, key=getkey(), log_snr=log_snr)
    mean, variance = of_each(x, np.asarray(log_snr, np.float64))
    assert abs(float(found.value) - mean.mean()) < 4 * np.sqrt(variance.mean() / 500)


def test_a_bit(getkey):
    x = jnp.asarray(np.repeat([[-1.0], [1.0]], [1200, 2800], 0), jnp.float32)
    denoiser = ex.GridPosterior(BIT, np.log(SHARES)[None])
    log_snr = np.linspace(8.0, -10.0, 1000)
    found = ex.variational_bound(denoiser, x, key=getkey(), log_snr=log_snr, decoder=ex.GridDecoder(BIT))

    # E(ε - ε̂)² = γ E(1 - x̂²) with the denoised mean x̂ = tanh(γ + √γ ε + log-odds/2) of x = 1, and so for -1.
    def loss(value):
        tilt = 0.5 * np.log(SHARES[1] / SHARES[0])
        seen = np.exp(value) + np.exp(value / 2) * NODES
        up, down = (1 - np.tanh(seen + tilt)) ** 2, (1 - np.tanh(seen - tilt)) ** 2
        return np.exp(value) * WEIGHTS @ (SHARES[1] * up + SHARES[0] * down) / WEIGHTS.sum()

    middle = 0.5 * np.sum(np.expm1(-np.diff(log_snr)) * [loss(value) for value in log_snr[1:]])
    # The decoder costs nothing at λ = 8; x² = 1 leaves the logarithm of the prior's divergence alone.
    exact = middle - 0.5 * np.log1p(-expit(log_snr[-1]))
    assert BIT_ENTROPY < exact < BIT_ENTROPY + 0.02
    assert abs(float(found.value) - exact) < 4 * float(found.stderr)
    assert float(found.stderr) < 0.02


def test_a_bit_that_the_decoder_has_to_find(getkey):
    # All of the noise levels are high: the decoder, with a uniform prior, takes the place of the steps left out.
    x = jnp.asarray(np.repeat([[-1.0], [1.0]], [1200, 2800], 0), jnp.float32)
    denoiser = ex.GridPosterior(BIT, np.log(SHARES)[None])
    log_snr = np.linspace(-1.0, -10.0, 100)
    found = ex.variational_bound(denoiser, x, key=getkey(), log_snr=log_snr, decoder=ex.GridDecoder(BIT))
    assert float(found.value) > BIT_ENTROPY
    # The posterior odds of a bit are 2√γ(z/√(1 - a)) = 2γ + 2√γ ε to one.
    seen = 2 * np.exp(-1.0) + 2 * np.exp(-0.5) * NODES
    decoder = WEIGHTS @ np.logaddexp(0, -seen) / WEIGHTS.sum()
    without = ex.variational_bound(denoiser, x, key=getkey(), log_snr=log_snr, decoder=NoDecoder())
    difference = float(found.value - without.value)
    assert abs(difference - decoder) < 4 * float(jnp.hypot(found.stderr, without.stderr)) < 0.05


class NoDecoder(ex.information.AbstractDecoder):
    """What the least noise leaves out is not counted."""

    def check(self, x):
        pass

    def __call__(self, x, z, log_snr):
        return jnp.zeros((), x.dtype)


def test_grid_decoder_is_bayes_rule(getkey):
    grid = ex.Grid(-1.0, 1.0, 17)
    values = jnp.asarray(grid.values, jnp.float32)
    x = values[jr.randint(getkey(), (3, 2), 0, 17)]
    places = np.asarray(grid.index(x))[..., None]
    decoder, eps = jax.jit(ex.GridDecoder(grid)), jr.normal(getkey(), (3, 2))
    of_levels = jax.jit(jax.vmap(ex.GridDecoder(grid), (0, None, None)))
    for log_snr in (-6.0, 0.0, 3.0, 8.0, 14.0):
        z = ex.diffuse(x, jnp.asarray(log_snr), eps)
        # N(z; √a b, 1 - a) over the levels b, divided by its sum; coordinates multiply.
        mean, std = np.sqrt(expit(log_snr)) * grid.values, np.sqrt(expit(-log_snr))
        logs = log_softmax(norm.logpdf(np.asarray(z, np.float64)[..., None], mean, std), -1)
        own = decoder(x, z, jnp.asarray(log_snr))
        np.testing.assert_allclose(own, -np.take_along_axis(logs, places, -1).sum(), rtol=1e-4, atol=2e-3)
        # Of one coordinate, the probabilities of the levels add up to one.
        each = np.asarray(of_levels(values[:, None], z[0, :1], jnp.asarray(log_snr)), np.float64)
        np.testing.assert_allclose(each, -logs[0, 0], rtol=1e-4, atol=2e-3)
        np.testing.assert_allclose(np.exp(-each).sum(), 1, atol=1e-5)


def test_gaussian_decoder_is_a_density(getkey):
    x, z, log_snr = jr.normal(getkey(), (2, 3)), jr.normal(getkey(), (2, 3)), 1.5
    exact = -norm.logpdf(np.asarray(x), np.asarray(z) / np.sqrt(expit(log_snr)), np.exp(-0.5 * log_snr)).sum()
    np.testing.assert_allclose(ex.GaussianDecoder()(x, z, jnp.asarray(log_snr)), exact, rtol=1e-5)


def test_given_the_component(getkey):
    means, covs = np.array([[-2.0, 0.0], [1.0, 0.5]]), np.array([np.diag([0.3, 1.0]), np.diag([2.0, 0.1])])
    mixture, key = ex.GaussianMixture(np.array([0.4, 0.6]), means, covs), getkey()
    x, labels = jr.normal(getkey(), (60, 2)), jnp.arange(60) % 2
    found = ex.variational_bound(mixture, x, labels, key=key, log_snr=COARSE).pointwise
    assert found is not None
    for label in range(2):
        alone = ex.variational_bound(ex.Gaussian(means[label], covs[label]), x, key=key, log_snr=COARSE).pointwise
        assert alone is not None
        np.testing.assert_allclose(found[label::2], alone[label::2], rtol=1e-4)


def test_a_sample_does_not_depend_on_the_others(getkey):
    # Nor, then, on the chunk that it comes in: these are three.
    x, key = normal_samples(getkey(), 9001), getkey()
    whole = ex.variational_bound(NORMAL, x, key=key, log_snr=COARSE).pointwise
    part = ex.variational_bound(NORMAL, x[:7], key=key, log_snr=COARSE).pointwise
    assert whole is not None and part is not None and whole.shape == (9001,)
    np.testing.assert_allclose(whole[:7], part, rtol=1e-5)
    # Samples at one and the same place differ in their noise, across chunks too.
    same = ex.variational_bound(NORMAL, jnp.ones((9001, 2)), key=key, log_snr=COARSE).pointwise
    assert same is not None and len(np.unique(same)) > 8900


def test_inside_jit_it_is_the_same(getkey):
    x, key = normal_samples(getkey(), 50), getkey()
    inside = jax.jit(
        lambda x, log_snr: ex.variational_bound(Trusted(NORMAL, (-9.0, 12.0)), x, key=key, log_snr=log_snr).value
    )
    outside = ex.variational_bound(NORMAL, x, key=key, log_snr=COARSE).value
    np.testing.assert_allclose(inside(x, jnp.asarray(COARSE, jnp.float32)), outside, rtol=1e-5)


class TooShort(ex.AbstractDenoiser):
    @property
    def log_snr_range(self):
        return -20.0, 20.0

    def __call__(self, z, log_snr, y=None):
        return z[:1]


class NotANumber(ex.AbstractDenoiser):
    @property
    def log_snr_range(self):
        return -20.0, 20.0

    def __call__(self, z, log_snr, y=None):
        return jnp.where(z > 100, z, jnp.nan)


def test_bad_arguments_are_refused():
    x = jr.normal(jr.key(0), (10, 2))

    def bound(denoiser: ex.AbstractDenoiser = NORMAL, x=x, y=None, log_snr=COARSE, **options):
        return ex.variational_bound(denoiser, x, y, key=jr.key(0), log_snr=log_snr, **options)

    with pytest.raises(ValueError, match=r"`x` must hold at least one sample .*; got shape \(0, 2\)"):
        bound(x=x[:0])
    with pytest.raises(ValueError, match=r"`x` must be finite; x\[3, 1\] = nan"):
        bound(x=x.at[3, 1].set(jnp.nan))
    with pytest.raises(ValueError, match=r"`y` must hold as many samples as `x`, 10; got shape \(9,\)"):
        bound(y=jnp.zeros(9))
    for log_snr in (COARSE[:1], COARSE[None], np.asarray(1.0)):
        with pytest.raises(ValueError, match=r"`log_snr` must have shape \(steps,\) with two steps or more; got \("):
            bound(log_snr=log_snr)
    with pytest.raises(ValueError, match=r"`log_snr` must be strictly decreasing; got 1 at index 1 and 2 at index 2"):
        bound(log_snr=np.array([3.0, 1.0, 2.0, 0.0]))
    with pytest.raises(ValueError, match=r"`log_snr` must be strictly decreasing; got 1 at index 1 and 1 at index 2"):
        # In float32, that of x.
        bound(log_snr=np.array([3.0, 1.0, 1.0 - 1e-12]))
    with pytest.raises(ValueError, match=r"`log_snr` must be finite; it holds 0 NaN and 1 infinite"):
        bound(log_snr=np.array([np.inf, 1.0]))
    with pytest.raises(ValueError, match=r"`log_snr` must be finite; it holds 1 NaN"):
        bound(log_snr=np.array([2.0, np.nan]))
    narrow = Trusted(NORMAL, (-9.0, 11.0))
    with pytest.raises(ValueError, match=r"`log_snr` from 12.000 to -9.000 leaves \(-9.000, 11.000\), the range where"):
        bound(narrow)
    bound(narrow, log_snr=np.array([11.0009, 0.0, -9.0009]))
    with pytest.raises(ValueError, match=r"TooShort must predict noise of the shape of a sample, \(2,\); got \(1,\)"):
        bound(TooShort())
    with pytest.raises(RuntimeError, match=r"The bound of 10 of 10 samples is not finite.* NotANumber"):
        bound(NotANumber())
    with pytest.raises(RuntimeError, match=r"is not finite.*the widest step of `log_snr`, 110"):
        bound(log_snr=np.array([100.0, -10.0]))
    grid = ex.Grid(-1.0, 1.0, 5)
    with pytest.raises(ValueError, match="`x` must lie on the grid of 5 levels"):
        bound(decoder=ex.GridDecoder(grid))
