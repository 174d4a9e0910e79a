"""The best latents of a Gaussian, against what a search finds."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import entropax as ex


@given(
    st.floats(-8.0, 4.0),
    st.lists(st.floats(0.5, 12.0), min_size=1, max_size=3),
    st.floats(0.05, 2.0),
    st.floats(-6.0, 3.0),
)
def test_the_optimum_is_the_least_cost(low, widths, weight, log_variance):
    edges = tuple(np.cumsum([low, *widths]))
    found = ex.latent.gaussian_optimum(np.exp([log_variance]), edges, weight)
    for place, (a, b) in enumerate(zip(edges, edges[1:])):
        u = np.append(np.linspace(log_variance - 40.0, log_variance, 40_001), found.log_variances[place])
        cost = 0.5 * (np.logaddexp(0, b + u) - np.logaddexp(0, a + u)) + 0.5 * weight * (log_variance - u)
        assert cost[-1] <= cost.min() + 1e-9
        np.testing.assert_allclose(found.rates[place], 0.5 * (log_variance - found.log_variances[place]), atol=1e-12)


def test_what_crosses_from_one_latent_to_the_other():
    # A direction of variance v stands out of the noise above λ = -log v: before that edge the latent of less noise
    # tells of it, behind it that of more.
    v, weight = np.array([0.02]), 0.7
    early = ex.latent.gaussian_optimum(v, (-9.0, 1.0, 12.0), weight).rates
    late = ex.latent.gaussian_optimum(v, (-9.0, 7.0, 12.0), weight).rates
    assert early[0, 0] == 0 and early[1, 0] > 3
    # From the most noise to an edge e: v' = β/(1 - β) e^-e.
    np.testing.assert_allclose(late[0], 0.5 * np.log(v / (0.7 / 0.3 * np.exp(-7.0))), rtol=1e-4)
    assert late[1, 0] == 0


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="`weight`"):
        ex.latent.gaussian_optimum(np.ones(1), (0.0, 1.0), 0.0)
    with pytest.raises(ValueError, match="`variances`"):
        ex.latent.gaussian_optimum(np.zeros(1), (0.0, 1.0))
    with pytest.raises(ValueError, match="`edges`"):
        ex.latent.gaussian_optimum(np.ones(1), (1.0, 0.0))
