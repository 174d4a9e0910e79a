"""Information by second moments is unbiased of Gaussians, and its error bar is the known one."""

import jax.random as jr
import numpy as np
import pytest
from scipy.special import loggamma, polygamma

import entropax as ex
from entropax.dependence._gaussian import _overlaps, _variance, excess_kurtosis, gaussian_part
from entropax.dependence._variables import (
    dual_total_correlation_terms,
    mutual_information_terms,
    o_information_terms,
    total_correlation_terms,
    Variables,
)


def test_unbiased_at_few_samples():
    # 40 samples in 5 + 5 dimensions: without the correction 0.4 nats too much.
    law = ex.data.bmi.DensePair(5, 5, 0.5)
    rng = np.random.default_rng(0)
    cov = np.full((10, 10), 0.5) + 0.5 * np.eye(10)
    found, plain = [], []
    for _ in range(1_500):
        both = rng.multivariate_normal(np.zeros(10), cov, 40)
        found.append(float(ex.dependence.gaussian_information(both[:, :5], both[:, 5:]).value))
        dets = [np.linalg.slogdet(np.cov(part.T))[1] for part in (both[:, :5], both[:, 5:], both)]
        plain.append(0.5 * (dets[0] + dets[1] - dets[2]))
    assert abs(np.mean(found) - law.mutual_information) < 4 * np.std(found) / np.sqrt(len(found))
    assert np.mean(plain) - law.mutual_information > 0.3


def test_kurtosis_in_standard_errors():
    r"""Of independent uniform columns, whose fourth moments are 9/5: $d(d - 1) + \tfrac95 d$ where a Gaussian has
    $d(d + 2)$."""
    rng, num = np.random.default_rng(0), 2_000
    for dim in (2, 20, 200):
        kurtosis = lambda values: excess_kurtosis(Variables(values, (1, dim - 1)))
        assert abs(kurtosis(rng.normal(size=(num, dim)) @ rng.normal(size=(dim, dim)))) < 4
        if dim < 200:
            expected = -1.2 * dim / np.sqrt(8 * dim * (dim + 2) / num)
            assert kurtosis(rng.uniform(size=(num, dim))) == pytest.approx(expected, rel=0.15)


def test_the_error_bar_is_that_of_a_correlation():
    r"""$\mathrm{d}I = \rho/(1 - \rho^2)\,\mathrm{d}\rho$, and $\rho$ has an error of $(1 - \rho^2)/\sqrt N$."""
    law = ex.data.bmi.SparsePair(1, 1, (0.75,))
    estimates = [ex.dependence.gaussian_information(*law.sample(key, 2_000)) for key in jr.split(jr.key(0), 200)]
    values = np.array([float(estimate.value) for estimate in estimates])
    np.testing.assert_allclose([float(e.stderr) for e in estimates], 0.75 / np.sqrt(2_000), rtol=0.15)
    assert abs(values.std() / (0.75 / np.sqrt(2_000)) - 1) < 4 / np.sqrt(2 * len(values))
    assert abs(values.mean() - law.mutual_information) < 4 * values.std() / np.sqrt(len(values))


def test_pointwise():
    law = ex.data.bmi.DensePair(2, 3, 0.5)
    x, y = law.sample(jr.key(1), 20_000)
    estimate = ex.dependence.gaussian_information(x, y)
    assert estimate.pointwise is not None
    assert np.corrcoef(estimate.pointwise, law.pointwise(x, y))[0, 1] > 0.999
    np.testing.assert_allclose(np.mean(estimate.pointwise), estimate.value, atol=1e-5)


def test_pointwise_in_many_dimensions():
    """625 correlations of which none is known well: what single samples tell drowns in their noise, unless shrunk."""
    law = ex.data.bmi.DensePair(25, 25, 0.5)
    x, y = law.sample(jr.key(1), 1_000)
    estimate = ex.dependence.gaussian_information(x, y)
    assert np.corrcoef(estimate.value + np.asarray(estimate.residuals), law.pointwise(x, y))[0, 1] < 0.8
    assert np.corrcoef(np.asarray(estimate.pointwise), law.pointwise(x, y))[0, 1] > 0.97


def test_coordinates_do_not_matter():
    x, y = ex.data.bmi.DensePair(2, 3, 0.5).sample(jr.key(1), 500)
    turned = x @ np.array([[2.0, 1.0], [-3.0, 0.5]]) + 7.0, y * np.array([1e-3, 1.0, 1e4])
    np.testing.assert_allclose(
        ex.dependence.gaussian_information(*turned).value, ex.dependence.gaussian_information(x, y).value, rtol=1e-6
    )


@pytest.mark.parametrize("scale", [1e-200, 1e160])
def test_nor_do_extreme_units(scale):
    x, y = (np.asarray(part, float) for part in ex.data.bmi.DensePair(2, 2, 0.5).sample(jr.key(1), 100))
    plain = ex.dependence.gaussian_information(x, y)
    found = ex.dependence.gaussian_information(x * np.array([scale, 1.0]), y * scale)
    np.testing.assert_allclose([found.value, found.stderr], [plain.value, plain.stderr], rtol=1e-5)
    # One column needs no second axis.
    flat = ex.dependence.gaussian_information(x[:, 0], y[:, 0])
    assert float(flat.value) == float(ex.dependence.gaussian_information(x[:, :1], y[:, :1]).value)


def test_refusals():
    x, y = ex.data.bmi.DensePair(2, 2, 0.5).sample(jr.key(1), 50)
    with pytest.raises(ValueError, match="`y` must hold as many samples as `x`, 50; got 49"):
        ex.dependence.gaussian_information(x, y[1:])
    with pytest.raises(ValueError, match="more samples than columns, 6 or more; got 5"):
        ex.dependence.gaussian_information(x[:5], y[:5])
    with pytest.raises(ValueError, match="linear function of others"):
        ex.dependence.gaussian_information(x, x[:, :1] - 2 * x[:, 1:])
    with pytest.raises(ValueError, match=r"`y` must vary: columns \[1\]"):
        ex.dependence.gaussian_information(x, np.stack([y[:, 0], np.ones(50)], 1))
    with pytest.raises(ValueError, match="`x` must be finite"):
        ex.dependence.gaussian_information(np.full((50, 2), np.nan), y)


def _errors(cov, dims, terms, num, draws):
    """The standard deviation of estimates from samples of a Gaussian, and their mean standard error."""
    rng, root = np.random.default_rng(0), np.linalg.cholesky(cov)
    found = [
        gaussian_part(Variables(rng.standard_normal((num, len(cov))) @ root.T, dims), terms, ("x",))
        for _ in range(draws)
    ]
    return np.std([float(each.value) for each in found]), np.mean([float(each.stderr) for each in found])


@pytest.mark.parametrize(
    "cov, dims, terms, most",
    [
        # Independent columns, for which the first order of the variance vanishes.
        (np.eye(40), (20, 20), mutual_information_terms(0, 1), 1.15),
        (np.eye(15), (5, 10), mutual_information_terms(0, 1), 1.15),
        (np.eye(6), (1,) * 6, total_correlation_terms(6), 1.25),
        (np.eye(6), (1,) * 6, dual_total_correlation_terms(6), 1.25),
        # Dependent ones.
        (0.3 + 0.7 * np.eye(40), (20, 20), mutual_information_terms(0, 1), 1.15),
        (np.kron([[1.0, 0.8], [0.8, 1.0]], np.eye(20)), (20, 20), mutual_information_terms(0, 1), 1.15),
        (np.kron([[1.0, 0.8], [0.8, 1.0]], np.eye(5)), (5, 3, 2), mutual_information_terms(0, 1, (2,)), 1.15),
        (0.6 + 0.4 * np.eye(6), (1,) * 6, total_correlation_terms(6), 1.15),
        (0.6 + 0.4 * np.eye(6), (1,) * 6, o_information_terms(6), 1.15),
    ],
)
def test_the_error_bar_has_the_second_order(cov, dims, terms, most):
    spread, stderr = _errors(cov, dims, terms, 60, 150)
    assert 1 / 1.15 < stderr / spread < most


def test_the_variance_of_log_determinants():
    """Exact where one set of columns holds the other, and by Kibble's series for two correlated columns."""
    rho, num = 0.7, 20
    cov = np.array([[1.0, rho, 0.0], [rho, 1.0, 0.0], [0.0, 0.0, 1.0]])
    orders = np.arange(1, 400)
    # Cov(log s_x², log s_y²) = Σ_k ρ^2k (k - 1)! / (k (ν/2)_k).
    series = rho ** (2 * orders) / orders
    series *= np.exp(loggamma(orders) + loggamma(num / 2) - loggamma(orders + num / 2))
    with_truth = lambda weights: _variance(cov, num, weights, lambda apparent, *_: apparent)
    found = with_truth({(0,): 1.0, (1,): 1.0})
    exact = 2 * polygamma(1, num / 2) + 2 * series.sum()
    assert abs((found.first + found.higher) / exact - 1) < 0.005
    found = with_truth({(0, 1, 2): 1.0, (0, 2): -1.0})
    # The variance of the second column given the others is χ² with two degrees of freedom fewer.
    assert abs((found.first + found.higher) / polygamma(1, (num - 2) / 2) - 1) < 1e-9


def test_overlaps_of_spans():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 5)) @ rng.normal(size=(5, 5))
    sets = [(0,), (1, 2), (0, 1, 3, 4), (2, 3, 4), (0, 1, 2, 3, 4)]
    held = np.array([[column in columns for column in range(5)] for columns in sets])
    projections = [np.linalg.qr(values[:, row])[0] for row in held]
    exact = [[np.sum((one.T @ other) ** 2) for other in projections] for one in projections]
    np.testing.assert_allclose(_overlaps(values.T @ values, held), exact, rtol=1e-8)


def test_heavy_tails_widen_the_error_bar():
    """Of elliptical samples with a kurtosis of three (1 + κ) the variance is 1 + κ times that of a Gaussian's."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        scale = np.sqrt(rng.gamma(2.0, 0.5, size=(400, 1)))
        both = scale * rng.multivariate_normal(np.zeros(2), [[1.0, 0.6], [0.6, 1.0]], 400)
        found.append(ex.dependence.gaussian_information(both[:, :1], both[:, 1:]))
    spread = np.std([float(each.value) for each in found])
    assert spread > 1.15 * 0.6 / np.sqrt(400)
    assert abs(np.mean([float(each.stderr) for each in found]) / spread - 1) < 0.15
