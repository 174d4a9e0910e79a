"""Probabilities of data on a grid, from how well noise is predicted."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array
from scipy.special import ndtr, ndtri

import entropax as ex
from tests.trusted import Trusted


BIT = ex.Grid(-1.0, 1.0, 2)
IMAGES = ex.Grid(-1.0, 1.0, 256)
GOLDEN = 0.6180339887498949


class Quantiles(eqx.Module):
    """Equal-mass quantiles of N(0, 1), moved from node to node, and their mirror images, for samples of one coordinate
    that are each repeated `repeats` times."""

    repeats: int

    def __call__(self, key: Array, batch: int, nodes: int, shape: tuple[int, ...], dtype) -> Array:
        del key
        half = self.repeats // 2
        row = (np.arange(batch) % self.repeats)[:, None]
        u = (row % half + (0.5 + GOLDEN * np.arange(nodes)) % 1) / half
        return jnp.asarray(np.where(row < half, 1.0, -1.0) * ndtri(u), dtype).reshape(batch, nodes, *shape)


def exactly(repeats, log_snr_range=None):
    return ex.Integrator(ex.GaussLegendre(8), log_snr_range, noise=Quantiles(repeats), chunk=10**9)


def each(denoiser, values, grid, repeats=4096):
    """The value for each of a few values of one coordinate, the mean over noise being done by quantiles."""
    x = jnp.repeat(jnp.asarray(values, jnp.float32)[:, None], repeats, 0)
    found = ex.discrete_nll(denoiser, x, key=jr.key(0), grid=grid, integrator=exactly(repeats)).pointwise
    return np.asarray(found, np.float64).reshape(-1, repeats).mean(1)


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_a_bit(share):
    denoiser = ex.GridPosterior(BIT, np.log([[1 - share, share]]))
    # 1.2039728 and 0.3566749, or log 2. The tail below, which sees the covariance of these two samples, is off by 4e-5.
    found = each(denoiser, [-1.0, 1.0], BIT, 16384)
    np.testing.assert_allclose(found, -np.log([1 - share, share]), atol=4e-4)


def test_equal_levels_cost_the_logarithm_of_their_number():
    grid = ex.Grid(0.0, 7.0, 8)
    denoiser = ex.GridPosterior(grid, np.zeros((1, 8)))
    np.testing.assert_allclose(each(denoiser, grid.values, grid), np.log(8), atol=1e-3)


def test_independent_coordinates_add_up_within_the_error(getkey):
    # Images of 3 × 2 pixels with a law of each pixel's own.
    grid = ex.Grid(-1.0, 1.0, 5)
    logs = jax.nn.log_softmax(1.5 * jr.normal(getkey(), (3, 2, 5)))
    index = jr.categorical(getkey(), logs, shape=(4000, 3, 2))
    x = jnp.asarray(grid.values, jnp.float32)[index]
    np.testing.assert_array_equal(grid.index(x), index)
    exact = -np.take_along_axis(np.broadcast_to(np.asarray(logs), (4000, 3, 2, 5)), np.asarray(index)[..., None], -1)
    exact = exact.sum((1, 2, 3))
    found = ex.discrete_nll(ex.GridPosterior(grid, logs), x, key=getkey(), grid=grid)
    errors = np.asarray(found.pointwise) - exact
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(4000)
    assert exact.std() / np.sqrt(4000) < float(found.stderr) < 0.01 * exact.mean()
    entropy = -np.sum(np.exp(logs) * np.asarray(logs))
    assert abs(float(found.value) - entropy) < 4 * float(found.stderr)
    # A law fitted to other samples is as good, but for the divergence.
    other = jnp.asarray(grid.values, jnp.float32)[jr.categorical(getkey(), logs, shape=(4000, 3, 2))]
    fitted = ex.GridPosterior.fit(other, grid)
    loss = ex.discrete_nll(fitted, x, key=jr.key(1), grid=grid) - ex.discrete_nll(
        ex.GridPosterior(grid, logs), x, key=jr.key(1), grid=grid
    )
    divergence = np.sum(np.exp(logs) * (np.asarray(logs) - np.asarray(fitted.log_probabilities)))
    assert 0 < divergence < 0.01
    assert abs(float(loss.value) - divergence) < 4 * float(loss.stderr) < 0.02


def test_soft_rounding_of_the_equilibrium_is_the_posterior_of_a_gaussian_prior_on_the_grid():
    grid = ex.Grid(-2.0, 3.0, 11)
    soft = ex.SoftRounding(ex.Equilibrium(), grid)
    exact = ex.GridPosterior(grid, np.tile(-0.5 * grid.values**2, (4, 1)))
    for log_snr in (-3.0, 0.0, 2.0, 5.0):
        log_snr, z = jnp.asarray(log_snr), jnp.asarray([-1.3, 0.2, 0.9, 2.4])
        np.testing.assert_allclose(soft(z, log_snr), exact(z, log_snr), rtol=1e-3, atol=2e-5)


def _rounding_mse(gamma, spacing):
    # E‖x - round(x + ε/√γ)‖² on a grid without end, by the probability of each jump.
    jumps = np.arange(1, 200)
    missed = 2 * ndtr(-(jumps - 0.5) * spacing * np.sqrt(gamma))
    return np.sum((2 * jumps - 1) * spacing**2 * missed)


def test_rounding_what_is_seen_errs_as_often_as_the_noise_is_large():
    # Zero as a denoiser has x̂ = z/√a. From the middle of a wide grid, between two noise levels.
    grid = ex.Grid(-100.0, 100.0, 201)
    x = jnp.zeros((4096, 1))
    found = ex.discrete_nll(
        ex.HardRounding(ex.Zero(), grid), x, key=jr.key(0), grid=grid, integrator=exactly(4096, (-3.0, 4.0))
    )
    log_snr = np.linspace(-3, 4, 2001)
    rates = [0.5 * np.exp(value) * _rounding_mse(np.exp(value), 1.0) for value in log_snr]
    np.testing.assert_allclose(found.value, np.trapezoid(rates, log_snr), rtol=1e-3)
    # A range that is given is integrated as it stands.
    np.testing.assert_array_equal(found.tails, [0, 0])


def test_the_tail_above_is_that_of_rounding_and_below_the_published_bound_put_right():
    x = jnp.asarray(IMAGES.values, jnp.float32)[jr.randint(jr.key(0), (64, 32, 32, 3), 0, 256)]
    found = ex.discrete_nll(Trusted(ex.Zero(), (-5.0, 13.0)), x, key=jr.key(0), grid=IMAGES)
    assert found.tails is not None and found.pointwise is not None
    above = float(found.tails[1])
    log_snr = np.linspace(13, 18, 2001)
    exact = np.trapezoid([0.5 * 3072 * np.exp(v) * _rounding_mse(np.exp(v), 1 / 127.5) for v in log_snr], log_snr)
    np.testing.assert_allclose(above, 101.6, atol=0.1)
    np.testing.assert_allclose(above, exact, rtol=1e-4)
    exponents = -((np.arange(1, 9) - 0.5) ** 2) * np.exp(13) / 127.5**2
    bound, published = (4 * 3072 * np.sum(np.exp(share * exponents)) for share in (0.5, 1.0))
    assert published < above < bound
    # The tail below is that of the Gaussian with the covariance of x.
    centred = np.asarray(x, np.float64).reshape(64, -1)
    centred = centred - centred.mean(0)
    variances = np.linalg.eigvalsh(centred @ centred.T / 64)
    np.testing.assert_allclose(found.tails[0], 0.5 * np.sum(np.log1p(np.exp(-5) * variances)), rtol=1e-4)
    without = ex.discrete_nll(
        Trusted(ex.Zero(), (-5.0, 13.0)),
        x,
        key=jr.key(0),
        grid=IMAGES,
        integrator=ex.Integrator(log_snr_range=(-5.0, 13.0)),
    )
    np.testing.assert_allclose(found.value - without.value, jnp.sum(found.tails), rtol=1e-3)
    np.testing.assert_allclose(found.value, jnp.mean(found.pointwise), rtol=1e-5)


def test_the_tails_make_a_short_range_whole(getkey):
    # A bit that is trusted where its rate has not died: the sum stays a bound, and a close one.
    exact = ex.GridPosterior(BIT, np.zeros((1, 2)))
    x = jnp.asarray([[-1.0], [1.0]] * 2048)
    found = ex.discrete_nll(Trusted(exact, (-2.0, 2.0)), x, key=getkey(), grid=BIT, integrator=exactly(4096))
    assert found.tails is not None
    lacking = np.log(2) - (float(found.value) - float(np.sum(found.tails)))
    assert lacking > 0.05
    assert 0 < float(found.value) - np.log(2) < 0.5 * lacking


def test_samples_off_the_grid_are_refused():
    x = np.asarray(IMAGES.values, np.float32)[np.arange(6).reshape(2, 3)]
    IMAGES.check(x)
    x[1, 2] += 0.3 / 127.5
    with pytest.raises(ValueError, match=r"must lie on the grid of 256 levels .* x\[1, 2\] = -0.95.* is 0.3 spacings"):
        ex.discrete_nll(ex.Equilibrium(), jnp.asarray(x), key=jr.key(0), grid=IMAGES)
    with pytest.raises(ValueError, match=r"x\[0, 0\] = 1.00784 is 1 spacings"):
        ex.GridPosterior.fit(np.full((2, 1), 1 + 1 / 127.5), IMAGES)
    with pytest.raises(ValueError, match=r"x\[0\] = nan is inf spacings"):
        IMAGES.check(np.array([np.nan]))
    with pytest.raises(
        ValueError, match=r"`log_probabilities` must have 2 levels along its last axis; got shape \(1, 3\)"
    ):
        ex.GridPosterior(BIT, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="`levels` must be a whole number, at least 2; got 1"):
        ex.Grid(0.0, 1.0, 1)
    with pytest.raises(ValueError, match="`low` must be less than `high`"):
        ex.Grid(1.0, 1.0, 3)


def test_levels_are_found_by_rounding():
    # (high - low)/δ is 254.99998 in float32: cut, the last level would be lost.
    x = jnp.asarray(IMAGES.values, jnp.float32)
    np.testing.assert_array_equal(IMAGES.index(x), np.arange(256))
    np.testing.assert_array_equal(IMAGES.nearest(x + 0.4 / 127.5), x)
    np.testing.assert_allclose(IMAGES.spacing, 1 / 127.5)
    assert int(IMAGES.index(jnp.asarray(7.0))) == 255
