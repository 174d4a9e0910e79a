"""What the ranks of finitely many samples take off a correlation, and that it is given back."""

import numpy as np
import pytest
from scipy.special import ndtri

from entropax.dependence._gaussian import gaussian_part, without_swaps
from entropax.dependence._variables import mutual_information_terms, Variables


def scores_of_pairs(left, num, draws):
    r"""Normal scores of pairs whose correlation squared is one less `left`."""
    rng = np.random.default_rng(0)
    scores = ndtri((np.arange(num) + 0.5) / num)
    for _ in range(draws):
        x, noise = rng.normal(size=(2, num))
        pair = np.stack([x, np.sqrt(1 - left) * x + np.sqrt(left) * noise])
        yield scores[pair.argsort(1).argsort(1)].T / scores.std()


@pytest.mark.parametrize("left, num", [(1e-2, 1_000), (1e-5, 1_000), (1e-4, 10_000), (5e-7, 10_000)])
def test_information_of_nearly_equal_columns(left, num):
    r"""$-\tfrac12\log(1 - \rho^2)$; what ranks alone know falls short of it by up to half a nat."""
    found, plain = [], []
    for both in scores_of_pairs(left, num, draws=60):
        for ranked, values in (((True, True), found), ((), plain)):
            variables = Variables(both, (1, 1), ranked)
            values.append(gaussian_part(variables, mutual_information_terms(0, 1), ("x", "y")))
    exact = -0.5 * np.log(left)
    values = np.array([float(estimate.value) for estimate in found])
    stderr = values.std() / np.sqrt(len(values))
    short = exact - np.mean([float(estimate.value) for estimate in plain])
    # All but a twentieth of what is missing, beside the chance of so many draws.
    assert abs(values.mean() - exact) < 0.05 * short + 4 * stderr < 0.25 * short + 0.01 * exact
    covered = [abs(float(estimate.value) - exact) < 1.96 * float(estimate.stderr) for estimate in found]
    assert np.mean(covered) > 0.85


def test_what_is_not_ranked_stays():
    values = np.random.default_rng(0).multivariate_normal(np.zeros(3), 1e-3 * np.eye(3) + 1, 1_000)
    values = (values - values.mean(0)) / values.std(0)
    correlations = np.corrcoef(values.T)
    found = without_swaps(values, correlations, np.array([True, False, True]))
    np.testing.assert_allclose(found[:2, :2], correlations[:2, :2], rtol=1e-15)
    assert correlations[0, 2] < found[0, 2] < 1
    np.testing.assert_array_equal(found, found.T)


@pytest.mark.parametrize("left", [1e-6, 1e-1])
def test_the_sign_of_a_column_changes_signs_alone(left):
    (values,) = scores_of_pairs(left, 1_000, draws=1)
    ranked, mirror = np.ones(2, bool), np.array([1.0, -1.0])
    as_they_are, turned = (without_swaps(both, np.corrcoef(both.T), ranked) for both in (values, values * mirror))
    np.testing.assert_allclose(turned, as_they_are * np.outer(mirror, mirror), rtol=1e-12)


def test_equal_columns_stay_equal():
    """Ranks that agree everywhere tell of no noise at all: such columns are functions of one another."""
    (values,) = scores_of_pairs(0.0, 1_000, draws=1)
    np.testing.assert_allclose(without_swaps(values, np.corrcoef(values.T), np.ones(2, bool)), 1.0, atol=1e-12)
