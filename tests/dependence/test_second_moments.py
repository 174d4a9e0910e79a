"""Information by second moments is unbiased of Gaussians, and its error bar is the known one."""

import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.dependence._gaussian import excess_kurtosis
from entropax.dependence._variables import Variables


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


def test_refusals():
    x, y = ex.data.bmi.DensePair(2, 2, 0.5).sample(jr.key(1), 50)
    with pytest.raises(ValueError, match="`y` must hold as many samples as `x`, 50; got 49"):
        ex.dependence.gaussian_information(x, y[1:])
    with pytest.raises(ValueError, match="more samples than columns, 6 or more; got 5"):
        ex.dependence.gaussian_information(x[:5], y[:5])
    with pytest.raises(ValueError, match="linear function of others"):
        ex.dependence.gaussian_information(x, x[:, :1] - 2 * x[:, 1:])
    with pytest.raises(ValueError, match=r"`y` has constant columns, which tell nothing: \[1\]"):
        ex.dependence.gaussian_information(x, np.stack([y[:, 0], np.ones(50)], 1))
    with pytest.raises(ValueError, match="`x` must be finite"):
        ex.dependence.gaussian_information(np.full((50, 2), np.nan), y)
