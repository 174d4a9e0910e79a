"""Mixtures of Gaussians and kernels against closed forms."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import multivariate_normal, ortho_group

import entropax as ex
from entropax._progress import Progress
from entropax.dependence import CrossFitting
from entropax.dependence._cross_fitting import departures, stacked
from entropax.dependence._mixtures import conditional_departure, fitted_mixtures, Mixture
from entropax.dependence._variables import mutual_information_terms, Variables


COLUMNS = [([0, 1], [2]), ([0, 1], [])]

# The name of the mixture with the fewest components.
FIRST = ("mixture", 2, 4.0)


def density(mean, cov, part):
    """A Gaussian's, of some of its columns."""
    return multivariate_normal(mean[part], cov[np.ix_(part, part)])


def mixed(num, seed=0):
    """Samples of two components in three columns, and log p(a, b) - log p(b) of each."""
    rng = np.random.default_rng(seed)
    means = np.array([[-1.5, 0.0, -1.0], [1.0, 1.0, 1.5]])
    axes = np.array(
        [[[0.6, 0.2, 0.0], [0.0, 0.7, 0.1], [0.2, 0.0, 0.6]], [[0.5, 0.0, 0.3], [0.1, 0.8, 0.0], [0, 0.1, 0.4]]]
    )
    covs = axes @ np.swapaxes(axes, 1, 2)
    which = rng.random(num) < 0.4
    values = np.where(
        which[:, None], rng.multivariate_normal(means[1], covs[1], num), rng.multivariate_normal(means[0], covs[0], num)
    )

    def log_density(part):
        each = [density(mean, cov, part).pdf(values[:, part]) for mean, cov in zip(means, covs)]
        return np.log(0.6 * each[0] + 0.4 * each[1])

    return values, log_density([0, 1, 2]) - log_density([2])


def of_gaussian(values, rows):
    """log N(a | b), fitted to some rows."""
    mean, cov = values[rows].mean(0), np.cov(values[rows].T)
    log_density = lambda part: density(mean, cov, part).logpdf(values[:, part])
    return log_density([0, 1, 2]) - log_density([2])


def fitted(values, held=500, seed=0):
    rows = np.arange(len(values))
    return fitted_mixtures(values, rows[held:], rows[:held], COLUMNS, most=1_000, seed=seed)


def test_departures_are_those_of_the_densities():
    """A mixture by its closed form, in the coordinates of the samples."""
    values, _ = mixed(2_000)
    found = fitted(values)
    mixture, white = found.few[FIRST], found.white
    turned = np.linalg.inv(white.whitening.astype(np.float64))
    centre = values[500:].mean(0)
    weights, means = np.exp(mixture.log_weights), np.asarray(mixture.means, np.float64) @ turned + centre
    covs = turned.T @ np.asarray(mixture.covariances, np.float64) @ turned

    def log_density(part):
        parts = [
            weight * density(mean, cov, part).pdf(values[:, part])
            for weight, mean, cov in zip(weights, means, covs)
            if weight > 0
        ]
        return np.log(np.sum(parts, 0))

    wanted = log_density([0, 1, 2]) - log_density([2]) - of_gaussian(values, np.arange(500, 2_000))
    np.testing.assert_allclose(found.members[FIRST][0], wanted[:500], atol=2e-3)
    draws = jnp.asarray(values - centre, jnp.float32)[None]
    again = conditional_departure(mixture, white, np.array([0, 1]), np.array([2]), draws)
    np.testing.assert_allclose(again[0], wanted, atol=2e-3)


def test_two_components_are_found():
    values, exact = mixed(4_000)
    found = fitted(values, 2_000).members[FIRST][0]
    wanted = exact[:2_000] - of_gaussian(values, np.arange(2_000, 4_000))[:2_000]
    # Nineteen parameters cost 19 / 2N = 0.005 nats.
    np.testing.assert_allclose(found.mean(), wanted.mean(), atol=0.012)
    assert np.corrcoef(found, wanted)[0, 1] > 0.97


def test_no_rotation_changes_anything():
    """Nor does a reflection, or another origin."""
    values, _ = mixed(1_500)
    turn = np.eye(3)
    turn[:2, :2] = ortho_group.rvs(2, random_state=1)
    turn[2, 2] = -1.0
    found, again = (fitted(each).members for each in (values, values @ turn + 7))
    assert len(found) > 5
    for name, one in found.items():
        np.testing.assert_allclose(one.mean(-1), again[name].mean(-1), atol=5e-3)


def test_kernels_see_a_thin_ring():
    """Points on a circle of radius one with noise of 0.05: no mixture of few components follows it, and kernels come
    within 0.2 nats of log p(x | y) - log N(x | y)."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 3_000)
    values = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.05 * rng.normal(size=(3_000, 2))
    rows = np.arange(3_000)
    found = fitted_mixtures(values, rows[1_000:], rows[:1_000], [([0], [1])], most=1_000, seed=0).members
    # The density along the ring is 1/2π, across it that of the noise; Y alone has arcsine's, smoothed a little.
    radius = np.hypot(*values[:1_000].T)
    joint = -np.log(2 * np.pi * radius) - 0.5 * ((radius - 1) / 0.05) ** 2 - np.log(0.05 * (2 * np.pi) ** 0.5)
    grid = 0.05 * rng.normal(size=20_000) + np.sin(rng.uniform(0, 2 * np.pi, 20_000))
    counts, edges = np.histogram(grid, 60, density=True)
    of_y = np.log(counts[np.clip(np.searchsorted(edges, values[:1_000, 1]) - 1, 0, 59)])
    wanted = (joint - of_y).mean() + 0.5 * np.log(2 * np.pi * np.e * 0.5)
    few = found[FIRST].mean()
    kernels = np.array([one.mean() for name, one in found.items() if name[0] == "kernels"])
    assert len(kernels) == 2
    assert few < wanted - 0.5 and (kernels > wanted - 0.2).all() and (kernels < wanted + 0.05).all()


def test_a_stack_is_no_worse_than_its_best_member():
    """Samples of an equal mixture of two Gaussians, each of which is a member: the stack is the mixture."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=3_000) + np.where(rng.random(3_000) < 0.3, 2.0, -2.0)
    log_normal = lambda x: -0.5 * x**2 - 0.5 * np.log(2 * np.pi)
    members = np.stack([log_normal(x / 3) - np.log(3), log_normal(x + 2), log_normal(x - 2)])
    folds = np.array_split(np.arange(3_000), 5)
    found = stacked(members, folds)
    exact = np.log(0.7 * np.exp(members[1]) + 0.3 * np.exp(members[2]))
    np.testing.assert_allclose(found.mean(), exact.mean(), atol=2e-3)
    # Weights of a fold are by the others alone.
    changed = members.copy()
    changed[:, folds[0]] += rng.normal(size=(3, len(folds[0])))
    again = stacked(changed, folds)
    weights = [
        np.linalg.lstsq(np.exp(several[:, folds[0]]).T, np.exp(stack[folds[0]]), rcond=None)[0]
        for several, stack in ((members, found), (changed, again))
    ]
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-4)


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_two_columns_need_no_network(noise, monkeypatch):
    """y = x² + noise, whose information is by quadrature."""
    monkeypatch.setattr("entropax.dependence._cross_fitting.train", lambda *_, **__: pytest.fail("a network"))
    grid = np.linspace(-9, 9, 4_001)
    y = np.linspace(-8, 60, 6_001)
    weight = np.exp(-0.5 * grid**2)
    of_y = np.exp(-0.5 * ((y[:, None] - grid**2) / noise) ** 2) @ weight / weight.sum() / (noise * (2 * np.pi) ** 0.5)
    entropy = -np.sum(of_y * np.log(of_y + 1e-300)) * (y[1] - y[0])
    exact = entropy - 0.5 * np.log(2 * np.pi * np.e * noise**2)
    x, error = jr.normal(jr.key(0), (2, 2_000))
    found = ex.dependence.mutual_information(x, x**2 + noise * error, key=jr.key(1))
    assert abs(found.value - exact) < 2 * found.stderr < 0.2 and found.p_value == 0.01


def test_no_mixture_rejects_what_is_independent():
    """Of twenty pairs that are far from Gaussian and independent few are rejected, and intervals hold zero."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(20):
        x = rng.normal(size=300) * np.where(rng.random(300) < 0.5, 0.1, 2)
        y = rng.uniform(-1, 1, 300) ** 3
        found.append(ex.dependence.mutual_information(x, y, key=jr.key(seed)))
    assert sum(one.p_value < 0.05 for one in found) <= 3
    assert sum(one.interval()[0] <= 0 <= one.interval()[1] for one in found) >= 18


def test_too_few_samples_for_any_mixture():
    """Ten columns of a hundred samples have none: the estimate is that of second moments."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, 10))
    variables = Variables(values, (5, 5), (True, True))
    terms, progress = mutual_information_terms(0, 1), Progress("I(X;Y)")
    short = CrossFitting(folds=2, steps=20)
    found = departures(variables, terms, rng.permutation(100), fitting=short, progress=progress, key=jr.key(0))
    assert np.isfinite(found.whole).all() and abs(found.whole.mean()) < 0.1


@pytest.mark.parametrize("num", [101, 104])
def test_mixtures_are_measured_on_samples_held_out(num, monkeypatch):
    calls = []

    def spy(values, fitted, held, columns, **settings):
        calls.append((fitted, held))
        return fitted_mixtures(values, fitted, held, columns, **settings)

    monkeypatch.setattr("entropax.dependence._cross_fitting.fitted_mixtures", spy)
    variables = Variables(np.random.default_rng(0).normal(size=(num, 2)), (1, 1), (True, True))
    order = np.random.default_rng(1).permutation(num)
    terms, progress = mutual_information_terms(0, 1)[:1], Progress("I(X;Y)")
    departures(variables, terms, order, fitting=CrossFitting(), progress=progress, key=jr.key(0))
    assert all(not np.isin(held, fitted).any() for fitted, held in calls)
    for several in (calls[:5], calls[5:]):
        np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held in several])), np.arange(num))


def test_a_component_without_samples_stays_finite():
    """More components than distinct samples of a start."""
    values = np.repeat(np.random.default_rng(0).normal(size=(20, 2)), 10, 0) + 1e-4 * np.arange(400).reshape(200, 2)
    rows = np.arange(200)
    found = fitted_mixtures(values, rows[40:], rows[:40], [([0], [1])], most=80, seed=0)
    assert isinstance(found.few[FIRST], Mixture) and all(np.isfinite(one).all() for one in found.members.values())


@pytest.mark.parametrize("strength", [30.0, 300.0])
def test_ranks_that_agree_are_no_information(strength):
    """Of columns that nearly agree, ranks in the tails agree exactly: nothing is found beyond the Gaussian copula."""
    shared, first, second = np.random.default_rng(1).normal(size=(3, 1_000))
    found = ex.dependence.mutual_information(strength * shared + first, strength * shared + second, key=jr.key(0))
    exact = -0.5 * np.log1p(-((strength**2 / (1 + strength**2)) ** 2))
    assert abs(found.value - exact) < 3 * found.stderr
    assert abs(found.value - float(found.gaussian.value)) < 0.15
