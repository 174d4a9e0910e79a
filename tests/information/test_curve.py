"""Likelihoods from tabulated curves, of laws whose curves and entropies are known."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

import entropax as ex


rng = np.random.default_rng(0)
# Anisotropic: half of the directions narrow.
LOGS = np.log(np.array([1e-4, 3e-4, 0.0198, 0.3, 1.0, 1.9802]))
DIM, TOTAL = LOGS.size, LOGS.sum()
ENTROPY = 0.5 * DIM * np.log(2 * np.pi * np.e) + 0.5 * TOTAL


def _gaussian_mse(log_snr, logs=LOGS):
    return expit(np.asarray(log_snr)[:, None] + logs).sum(1)


def _softplus(value):
    return np.logaddexp(0, value)


def test_the_baseline_itself_has_the_entropy_of_a_gaussian():
    log_snr = rng.permutation(np.linspace(-6, 16, 60))
    mse = _gaussian_mse(log_snr)
    found = ex.nll_from_mse_curve(log_snr, mse, dim=DIM, sum_log_eigenvalues=TOTAL, gaussian_mse=mse)
    assert found == (pytest.approx(ENTROPY, rel=1e-12), 0, 0)
    # It is a floor: a model that does worse is as if it were not there.
    worse = ex.nll_from_mse_curve(log_snr, 1.3 * mse + 0.1, dim=DIM, sum_log_eigenvalues=TOTAL, gaussian_mse=mse)
    assert worse == found


def test_the_isotropic_baseline_differs_over_the_range_and_agrees_with_its_tails():
    for low, high, left in ((-8.0, 8.0, 0.5), (-12.0, 12.0, 0.03), (-12.0, 14.0, 0.005)):
        log_snr = np.linspace(low, high, 200)
        found = ex.nll_from_mse_curve(log_snr, _gaussian_mse(log_snr), dim=DIM, sum_log_eigenvalues=TOTAL)
        # ∫ sigmoid(λ + l) dλ is a difference of softplus.
        own = lambda logs: np.sum(_softplus(high + logs) - _softplus(low + logs))
        exact = ENTROPY - 0.5 * (own(np.full(DIM, TOTAL / DIM)) - own(LOGS))
        np.testing.assert_allclose(found.value, exact, atol=1e-4)
        # From where the rate has its asymptote, the tails make up for what is missing; before, for a part of it.
        assert abs(found.total - ENTROPY) < left * abs(found.value - ENTROPY)


def _mixture_mse(log_snr):
    # E(ε - ε̂)² = 1 - (1 - a) J with J the Fisher information of z, a = sigmoid(λ); quadrature over z.
    a, weights, means, variances = expit(log_snr), (0.3, 0.7), (-2.0, 1.0), (0.25, 1.0)

    def fisher(z):
        spreads = [a * v + 1 - a for v in variances]
        parts = [
            w * np.exp(-0.5 * (z - np.sqrt(a) * m) ** 2 / s) / np.sqrt(2 * np.pi * s)
            for w, m, s in zip(weights, means, spreads)
        ]
        slope = -sum(p * (z - np.sqrt(a) * m) / s for p, m, s in zip(parts, means, spreads))
        return slope**2 / sum(parts)

    return 1 - (1 - a) * quad(fisher, -12, 12, limit=200, epsabs=1e-11)[0]


def test_a_mixture():
    log_snr = np.linspace(-7, 9, 81)
    mse = np.array([_mixture_mse(value) for value in log_snr])
    np.testing.assert_allclose(np.interp([0.0, 3.0], log_snr, mse), [0.6729475, 0.942253], atol=1e-6)
    total, gaussian = np.log(2.665), expit(log_snr + np.log(2.665))
    for baseline in (gaussian, None):
        found = ex.nll_from_mse_curve(log_snr, mse, dim=1, sum_log_eigenvalues=total, gaussian_mse=baseline)
        np.testing.assert_allclose(found.total, 1.759103, atol=2e-5)
        assert abs(found.value - 1.759103) > 3e-5
    # Few nodes will do.
    found = ex.nll_from_mse_curve(log_snr[::5], mse[::5], dim=1, sum_log_eigenvalues=total, gaussian_mse=gaussian[::5])
    np.testing.assert_allclose(found.total, 1.759103, atol=2e-3)


def test_below_the_range_a_gap_falls_as_its_baseline_says():
    # Of the same covariance: the rate falls as e^{3λ}; cut where that holds.
    log_snr = np.linspace(-5, 9, 141)
    mse = np.array([_mixture_mse(value) for value in log_snr])
    gaussian = expit(log_snr + np.log(2.665))
    whole = ex.nll_from_mse_curve(log_snr, mse, dim=1, sum_log_eigenvalues=np.log(2.665), gaussian_mse=gaussian)
    parts = ex.nll_from_mse_curve(
        log_snr[10:], mse[10:], dim=1, sum_log_eigenvalues=np.log(2.665), gaussian_mse=gaussian[10:]
    )
    np.testing.assert_allclose(parts.below, whole.value - parts.value + whole.below, rtol=0.15)


def _binary_mse(log_snr, share):
    # Of P(+1) = share, P(-1) = 1 - share: γ E(x - x̂)², with x̂ = tanh(γ y + ½ log odds), y = x + ε/√γ.
    gamma, half_odds = np.exp(log_snr), 0.5 * np.log(share / (1 - share))

    def error(eps):
        density = np.exp(-0.5 * eps**2) / np.sqrt(2 * np.pi)
        means = [np.tanh(gamma * sign + np.sqrt(gamma) * eps + half_odds) for sign in (1, -1)]
        return density * (share * (1 - means[0]) ** 2 + (1 - share) * (1 + means[1]) ** 2)

    return gamma * quad(error, -12, 12, limit=200, epsabs=1e-12)[0]


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_the_entropy_of_a_bit(share):
    log_snr = np.linspace(-8, 5, 131)
    mse = np.array([_binary_mse(value, share) for value in log_snr])
    found = ex.nll_from_mse_curve(log_snr, mse, dim=1)
    exact = -share * np.log(share) - (1 - share) * np.log(1 - share)
    np.testing.assert_allclose(found.total, exact, atol=2e-5)
    # The tail below is linear in γ, ½ Var x γ₀.
    np.testing.assert_allclose(found.below, 2 * share * (1 - share) * np.exp(-8), rtol=1e-3)
    assert found.above == 0


def test_bad_tables_are_refused():
    log_snr, mse = np.linspace(-3, 3, 7), np.ones(7)
    broken = np.where(np.arange(7) == 3, np.nan, mse)
    for arguments, options, message in [
        ((log_snr[:3], mse[:3]), {}, "`log_snr` must hold four nodes or more; got 3"),
        ((np.append(log_snr[:-1], -3.0), mse), {}, "`log_snr` must hold each node once; got -3.0 twice"),
        ((log_snr, mse[:5]), {}, r"`mse` must have shape \(7,\); got \(5,\)"),
        ((log_snr, broken), {}, "`mse` must be finite; it holds 1 NaN"),
        ((broken, mse), {}, "`log_snr` must be finite; it holds 1 NaN"),
        ((log_snr, mse), {"gaussian_mse": mse}, "`gaussian_mse` was given without `sum_log_eigenvalues`"),
        ((log_snr, mse), {"gaussian_mse": broken, "sum_log_eigenvalues": 0.0}, "`gaussian_mse` must be finite"),
        ((log_snr, mse), {"sum_log_eigenvalues": -np.inf}, "`sum_log_eigenvalues` must be finite; got -inf"),
    ]:
        with pytest.raises(ValueError, match=message):
            ex.nll_from_mse_curve(*arguments, dim=1, **options)
