"""A denoiser chosen for each noise level, against the levels where the better one is known to change."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

import entropax as ex
from tests.trusted import Trusted


BIT = ex.Grid(-1.0, 1.0, 2)
# Of a fair coin ±1: the linear denoiser errs by γ/(1 + γ), rounding what is seen by γ · 4 Q(√γ).
LINEAR, ROUNDED = ex.Equilibrium(), ex.HardRounding(ex.Zero(), BIT)
CROSSING = float(
    np.asarray(brentq(lambda log_snr: 4 * ndtr(-np.exp(0.5 * log_snr)) * (1 + np.exp(log_snr)) - 1, -3, 3))
)


def _coins(key, num):
    return jnp.where(jr.bernoulli(key, shape=(num, 1)), 1.0, -1.0)


def test_the_choice_changes_where_the_errors_cross(getkey):
    found = ex.Ensemble.fit([LINEAR, ROUNDED], _coins(getkey(), 20_000), key=getkey(), log_snr_range=(-6.0, 6.0))
    edges, choice = np.asarray(found.edges), np.asarray(found.choice)
    assert choice.size == 24 and edges[0] == -6 and edges[-1] == 6
    sure = (edges[1:] < CROSSING - 0.5) | (edges[:-1] > CROSSING + 0.5)
    np.testing.assert_array_equal(choice[sure], (edges[:-1] > CROSSING)[sure].astype(int))


def test_the_lesser_error_bounds_the_entropy_most_closely(getkey):
    ensemble = ex.Ensemble.fit([LINEAR, ROUNDED], _coins(getkey(), 4000), key=getkey())
    x, key = _coins(getkey(), 8000), getkey()
    together, linear, rounded = (
        ex.discrete_nll(denoiser, x, key=key, grid=BIT) for denoiser in (ensemble, LINEAR, ROUNDED)
    )
    assert float(together.value) < min(float(linear.value), float(rounded.value)) - 0.1
    # ½∫ min(γ/(1 + γ), 4γQ(√γ)) dλ, above the entropy log 2.
    log_snr = np.linspace(-20, 6, 20001)
    gamma = np.exp(log_snr)
    exact = np.trapezoid(0.5 * np.minimum(gamma / (1 + gamma), 4 * gamma * ndtr(-np.sqrt(gamma))), log_snr)
    assert np.log(2) < exact
    assert abs(float(together.value) - exact) < 4 * float(together.stderr) + 2e-3


def test_a_member_is_asked_in_its_bins_alone_and_beyond_the_outermost():
    members = [ex.Equilibrium(0.5), ex.Equilibrium(1.0), ex.Equilibrium(2.0)]
    ensemble = ex.Ensemble(members, [-2.0, 0.0, 1.0, 3.0], [2, 0, 1])
    z, log_snr = jnp.asarray([0.3, -1.0]), jnp.asarray([-9.0, -1.0, 0.0, 0.5, 2.0, 50.0])
    asked = [2, 2, 0, 0, 1, 1]
    expected = jnp.stack([members[k](z, value) for k, value in zip(asked, log_snr)])
    np.testing.assert_array_equal(jax.vmap(ensemble, (None, 0))(z, log_snr), expected)
    np.testing.assert_array_equal(jnp.stack([jax.jit(ensemble)(z, value) for value in log_snr]), expected)
    assert ensemble.log_snr_range == (-np.inf, np.inf)


def test_conditions_reach_the_members(getkey):
    problem = ex.data.JointGaussian.random(jr.key(0), dim_x=3, dim_y=2, noise_std=0.5)
    x, y = problem.sample(getkey(), 2000)
    alone = ex.Unconditional(problem.denoiser())
    found = ex.Ensemble.fit([alone, problem.denoiser()], x, y, key=getkey(), log_snr_range=(-4.0, 4.0), bins=8)
    # What y tells is worth knowing at every noise level.
    assert found.choice == (1,) * 8
    z, log_snr = x[0], jnp.asarray(0.3)
    np.testing.assert_allclose(found(z, log_snr, y[0]), problem.denoiser()(z, log_snr, y[0]), rtol=1e-6)


def test_ranges_and_bad_arguments(getkey):
    low, high = Trusted(ex.Equilibrium(), (-9.0, 1.0)), Trusted(ex.Equilibrium(2.0), (-1.0, 8.0))
    experts = ex.Ensemble([low, high], [-9.0, 0.5, 8.0], [0, 1])
    assert experts.log_snr_range == (-9.0, 8.0)
    fitted = ex.Ensemble.fit([low, high], jr.normal(getkey(), (500, 2)), key=getkey(), bins=4)
    assert fitted.edges[0] == -1.0 and fitted.edges[-1] == 1.0 and fitted.log_snr_range[0] == -9.0
    with pytest.raises(ValueError, match=r"asks denoiser 0 for \(-9.000, 2.000\); it can be trusted on \(-9.0, 1.0\)"):
        ex.Ensemble([low, high], [-9.0, 2.0, 8.0], [0, 1])
    with pytest.raises(ValueError, match=r"within \(-1.000, 1.000\), where all members .* got \(-2.000, 1.000\)"):
        ex.Ensemble.fit([low, high], jnp.ones((5, 2)), key=getkey(), log_snr_range=(-2.0, 1.0))
    with pytest.raises(ValueError, match="`edges` must be one more than `choice`; got 2 and 2"):
        ex.Ensemble([low], [0.0, 1.0], [0, 0])
    with pytest.raises(ValueError, match="`edges` must increase"):
        ex.Ensemble([low], [0.0, 0.0], [0])
    with pytest.raises(ValueError, match="`choice` must index the 1 denoisers; got 1"):
        ex.Ensemble([low], [0.0, 1.0], [1])
    with pytest.raises(ValueError, match=r"`x` must hold at least one sample.*\(0, 2\)"):
        ex.Ensemble.fit([low], jnp.ones((0, 2)), key=getkey())
