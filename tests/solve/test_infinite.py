"""Densities that are infinite or zero, by flows and by paths: said so, in any units, with the sample and the reason."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROCESS = ex.VariancePreserving()
PATHS = ex.solve.Paths(steps=8)
POINTS = jnp.array([[1.0, 1.0], [1.0, -1.0], [0.3, 0.3]])


def line(scale):
    """A Gaussian on the diagonal, with as many samples that lie on it."""
    along = scale * jr.normal(jr.key(0), (40, 1))
    return ex.Gaussian(np.zeros(2), scale**2 * np.ones((2, 2))), jnp.concatenate([along, along], 1)


def bins(scale):
    """Two bins with one without mass between, and samples in that."""
    log_probabilities = np.array([[np.log(0.5), -np.inf, np.log(0.5)]])
    return ex.Histogram(scale * np.arange(4.0), log_probabilities), jnp.full((40, 1), 1.5 * scale)


def points(scale):
    return ex.Empirical(scale * (1 + POINTS)), scale * (1 + jnp.tile(POINTS, (14, 1)))


CASES = {"on a line": (line, np.inf), "in an empty bin": (bins, -np.inf), "points": (points, np.inf)}


@pytest.mark.parametrize(("case", "log_density"), CASES.values(), ids=CASES)
def test_flows_and_paths_give_what_the_noise_gives(case, log_density, getkey):
    # In units where a likelihood is computed in others.
    model, x = case(500.0)
    with pytest.warns(ex.InfiniteWarning, match=r"The log-density is -?inf at x\[0\].* at 4 of 4 samples"):
        assert bool(jnp.all(ex.log_density(PROCESS, model, x[:4]).value == log_density))
    for estimate in (
        lambda: ex.nll(model, x, key=getkey()),
        lambda: ex.solve.path_nll(PROCESS, model, x, key=getkey(), paths=PATHS),
    ):
        with pytest.warns(ex.InfiniteWarning, match=r"at x\[0\]"):
            found = estimate()
        assert found.value == -log_density and found.stderr == 0
        assert bool(jnp.all(found.pointwise == -log_density))
    with pytest.warns(ex.TruncationWarning, match="has no density at x"):
        assert np.isfinite(float(ex.solve.entropy_production(PROCESS, model, x, key=getkey(), paths=PATHS).value))


@pytest.mark.parametrize("bound", [ex.solve.nll_bound, ex.solve.denoising_bound])
def test_so_do_the_bounds_of_the_optimal_control(bound, getkey):
    model, x = bins(1.0)
    with pytest.warns(ex.InfiniteWarning, match=r"-log p\(x\) is inf at x\[0\]"):
        found = bound(PROCESS, ex.solve.OptimalControl(PROCESS, model), x, key=getkey(), paths=PATHS)
    assert found.value == np.inf and found.stderr == 0


def test_the_density_of_other_samples_stays_as_it_is():
    sheet = ex.GaussianMixture(np.array([0.5, 0.5]), np.zeros((2, 2)), np.stack([np.eye(2), np.diag([1.0, 0.0])]))
    x = jnp.array([[0.4, 0.7], [0.4, 0.0], [-1.0, 1.2]])
    with pytest.warns(ex.InfiniteWarning, match=r"inf at x\[1\], where the distribution of GaussianMixture has 1 of 2"):
        found = ex.log_density(PROCESS, sheet, x).value
    exact = np.log(0.5) - np.log(2 * np.pi) - 0.5 * np.sum(np.asarray(x) ** 2, 1)
    assert found[1] == np.inf
    np.testing.assert_allclose(found[::2], exact[::2], atol=2e-3)
    traced = jax.jit(lambda x: ex.log_density(PROCESS, sheet, x).value)(x)
    assert traced[1] == np.inf and bool(jnp.all(jnp.isfinite(traced[::2])))


def test_a_density_is_infinite_on_two_devices():
    model, x = line(1.0)
    with pytest.warns(ex.InfiniteWarning):
        found = ex.log_density(PROCESS, model, x[:4], mesh=ex.parallel.make_mesh(jax.devices()[:2]))
    assert bool(jnp.all(found.value == np.inf))


def test_opposite_infinities_have_no_mean(getkey):
    model, x = line(1.0)
    with pytest.raises(ValueError, match=r"opposite signs.*inf at x\[40\].*probability zero.*-inf at x\[0\].*1 of 2"):
        ex.solve.path_nll(PROCESS, model, jnp.concatenate([x, POINTS[1:2]]), key=getkey())


@pytest.mark.slow
def test_gradients_pass_where_there_is_a_density():
    sheet = ex.GaussianMixture(np.array([0.5, 0.5]), np.zeros((2, 2)), np.stack([np.eye(2), np.diag([1.0, 0.0])]))
    x = jnp.array([[0.4, 0.7], [-1.0, 1.2]])
    slope = jax.grad(lambda x: jnp.sum(ex.log_density(PROCESS, sheet, x).value))(x)
    np.testing.assert_allclose(slope, -x, atol=5e-3)
