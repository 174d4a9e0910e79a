"""Samples of models in units of their own: everything that holds λ holds that of the samples."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROCESS = ex.VariancePreserving()
MEAN, SCALE = jnp.array([3.0, -1.0]), 1 / 16
SHIFT = 2 * np.log(SCALE)
# Of u = (x - MEAN)/SCALE, whose covariance is not that of the noise, so that every step matters.
OF_U = ex.GaussianMixture(jnp.full(2, 0.5), jnp.array([[-1.0, 0.0], [1.0, 0.5]]), jnp.tile(0.1 * jnp.eye(2), (2, 1, 1)))
RANGE = (-8.0, 8.0)


def of_u() -> ex.Neural:
    """A model that is exact: its network adds nothing."""
    return ex.Neural(
        net=lambda z, log_snr, y: jnp.zeros_like(z),
        baseline=OF_U,
        scale=ex.entropy_matching().scale,
        normalise=ex.Standardising(jnp.zeros(()), jnp.ones(())),
        trained_range=(-9.0, 9.0),
    )


def of_x() -> ex.Neural:
    return dataclasses.replace(of_u(), moments=ex.Moments(MEAN, jnp.full(2, SCALE), SCALE))


def in_x(log_snr_range):
    return tuple(end - SHIFT for end in log_snr_range)


def estimate(shift):
    """A rate that has its peak at λ = 1 for u."""
    found = ex.total_entropy(ex.Gaussian(jnp.zeros(1), jnp.eye(1)), jr.normal(jr.key(0), (100, 1)), key=jr.key(1))
    assert found.profile is not None
    at = found.profile.log_snr
    return eqx.tree_at(lambda e: (e.profile.log_snr, e.profile.rate), found, (at - shift, jnp.exp(-((at - 1) ** 2))))


NODES = jnp.linspace(*RANGE, 12) + jnp.sin(jnp.arange(12.0))
# Each with λ of u, and with λ of x.
SAMPLERS = {
    "a range": [ex.Sampler(log_snr_range=span) for span in (RANGE, in_x(RANGE))],
    "no range": [ex.Sampler(), ex.Sampler()],
    "nodes": [ex.Sampler(grid=ex.solve.Nodes(NODES - shift)) for shift in (0, SHIFT)],
    "time": [ex.Sampler(grid=ex.solve.UniformTime(), log_snr_range=span) for span in (RANGE, in_x(RANGE))],
    "entropic": [
        ex.Sampler(grid=ex.solve.Entropic(estimate(shift), even=0.1), log_snr_range=span)
        for shift, span in ((0, RANGE), (SHIFT, in_x(RANGE)))
    ],
    "churn": [
        ex.Sampler(
            ex.solve.SDEDPMSolverPlusPlus(),
            log_snr_range=span,
            churn=lambda log_snr, shift=shift: jnp.where(log_snr + shift > 0, 1.0, 0.25),
        )
        for shift, span in ((0, RANGE), (SHIFT, in_x(RANGE)))
    ],
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_of_a_model_in_units_of_its_own_are_those_of_the_model_there(name):
    own, given = SAMPLERS[name]
    u = ex.sample(PROCESS, of_u(), (64, 2), key=jr.key(0), sampler=own).x
    x = ex.sample(PROCESS, of_x(), (64, 2), key=jr.key(0), sampler=given).x
    np.testing.assert_allclose((x - MEAN) / SCALE, u, atol=2e-4)
    assert 0.5 < float(jnp.std(u)) < 1.5


@pytest.mark.parametrize("name", SAMPLERS)
def test_its_nodes_are_of_the_samples(name):
    own, given = SAMPLERS[name]
    np.testing.assert_allclose(given.nodes(PROCESS, of_x()) + SHIFT, own.nodes(PROCESS, of_u()), atol=1e-4)


def test_the_range_of_a_model_is_a_range_for_its_samplers():
    model = of_x()
    x = ex.sample(PROCESS, model, (4_000, 2), key=jr.key(0), sampler=ex.Sampler(log_snr_range=model.log_snr_range)).x
    means = MEAN + SCALE * OF_U.means
    # Half of the samples lie near each mean.
    near = jnp.argmin(jnp.sum((x[:, None] - means) ** 2, -1), 1)
    assert abs(float(near.mean()) - 0.5) < 0.04
    np.testing.assert_allclose(jnp.std(x, 0), SCALE * jnp.sqrt(0.1 + jnp.array([1.0, 0.0625])), rtol=0.05)


def test_a_trajectory_is_as_denoisers_see_it():
    sampler = ex.Sampler(log_snr_range=in_x(RANGE), steps=40)
    path = ex.trajectory(PROCESS, of_x(), jr.normal(jr.key(0), (4_000, 2)), sampler=sampler)
    np.testing.assert_allclose(path.log_snr[jnp.array([0, -1])], in_x(RANGE), atol=1e-4)
    # Tweedie's means have the mean of the data at every noise level, whichever form they have.
    a = jax.nn.sigmoid(path.log_snr)[:, None, None]
    noise = jax.vmap(lambda z, log_snr: jax.vmap(lambda z: of_x()(z, log_snr))(z))(path.z, path.log_snr)
    means = jnp.mean((path.z - jnp.sqrt(1 - a) * noise) / jnp.sqrt(a), 1)
    np.testing.assert_allclose(
        means, jnp.broadcast_to(MEAN + SCALE * OF_U.means.mean(0), means.shape), atol=0.1 * SCALE
    )
    # And what it ends at are samples.
    end = path.z[-1] / jnp.sqrt(a[-1])
    np.testing.assert_allclose(jnp.std(end, 0), SCALE * jnp.sqrt(0.1 + jnp.array([1.0, 0.0625])), rtol=0.05)


def test_what_is_encoded_is_decoded():
    model, sampler = of_x(), ex.Sampler(log_snr_range=in_x(RANGE), steps=60, finish=None)
    x = MEAN + SCALE * jr.normal(jr.key(0), (50, 2))
    back = ex.decode(PROCESS, model, ex.encode(PROCESS, model, x, sampler=sampler), sampler=sampler).x
    np.testing.assert_allclose((back - x) / SCALE, 0, atol=0.02)


def test_a_range_beyond_the_model_is_refused_in_units_of_the_samples():
    low, high = of_x().log_snr_range
    with pytest.raises(ValueError, match=rf"from λ = -6.000 to 20.000.*\({low:.3f}, {high:.3f}\)"):
        ex.sample(PROCESS, of_x(), (4, 2), key=jr.key(0), sampler=ex.Sampler(log_snr_range=(-6.0, 20.0)))
