"""The forty tasks of Beyond Normal: their information, that of each sample, and what maps leave alone."""

import jax.random as jr
import numpy as np
import pytest
from scipy.stats import rankdata

import entropax as ex


TASKS = ex.data.bmi.tasks()
# As the benchmark's paper and package have it, in nats.
KNOWN = (
    *(0.4133, 0.4133, 1.7094, 0.3333, 0.4133, 0.4133, 0.4133, 0.2242, 0.2242, 0.4133),
    *(0.2939, 0.4133, 0.5928, 1.2922, 1.6243, 1.0217, 1.0217, 1.0217, 1.0217, 0.4319),
    *(0.1931, 0.2909, 0.1787, 0.4482, 0.2985, *11 * [1.0217], 1.0217, 0.4319, 0.2909, 0.4482),
)
NUM = 10_000


@pytest.fixture(scope="module")
def drawn():
    return {task.name: task.sample_with_pointwise(jr.key(0), NUM) for task in TASKS}


def test_information_is_that_of_the_paper():
    assert len({task.name for task in TASKS}) == 40
    np.testing.assert_allclose([task.mutual_information for task in TASKS], KNOWN, atol=6e-5)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_mean_of_pointwise_information_is_the_information(task, drawn):
    x, y, pointwise = drawn[task.name]
    assert np.isfinite(x).all() and np.isfinite(y).all() and len(x) == len(y) == NUM
    assert abs(pointwise.mean() - task.mutual_information) < 4 * pointwise.std() / np.sqrt(NUM)


def test_pointwise_information_is_a_ratio_of_densities():
    """Of the Gaussian laws against their covariances, of the others against the mean over all partners."""
    dense, sparse = ex.data.bmi.DensePair(2, 3, 0.4), ex.data.bmi.SparsePair(3, 2, (0.9, -0.3))
    cov = np.full((5, 5), 0.4) + 0.6 * np.eye(5)
    other = np.eye(5)
    other[0, 3] = other[3, 0] = 0.9
    other[1, 4] = other[4, 1] = -0.3
    for law, joint in ((dense, cov), (sparse, other)):
        x, y = law.sample(jr.key(1), 50)
        both, d = np.concatenate([x, y], 1), law.dim_x
        log_density = lambda a, c: -0.5 * (np.einsum("ni,ij,nj->n", a, np.linalg.inv(c), a) + np.linalg.slogdet(c)[1])
        expected = log_density(both, joint) - log_density(x, joint[:d, :d]) - log_density(y, joint[d:, d:])
        np.testing.assert_allclose(law.pointwise(x, y), expected, atol=1e-9)
    for law in (ex.data.bmi.AdditiveNoise(1, 1, 0.75), ex.data.bmi.StudentPair(2, 1, 2)):
        x, _ = law.sample(jr.key(2), 20_000)
        _, y = law.sample(jr.key(3), 20)
        for one in y:
            # E over X alone of p(x, y) / p(x) p(y) is 1, where the support of X given Y is all of that of X.
            ratio = np.exp(law.pointwise(x, np.broadcast_to(one, (len(x), 1))))
            if isinstance(law, ex.data.bmi.AdditiveNoise):
                ratio = ratio * (np.abs(x[:, 0] - one[0]) < law.width)
            assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(len(x)) + 1e-9


def test_maps_of_one_law_share_ranks(drawn):
    x, y, _ = drawn["1v1-normal-0.75"]
    ranks = rankdata(x, axis=0), rankdata(y, axis=0)
    for name in (
        "normal_cdf-1v1-normal-0.75",
        "1v1-bimodal-0.75",
        "wiggly-1v1-normal-0.75",
        "half_cube-1v1-normal-0.75",
    ):
        for values, rank in zip(drawn[name], ranks):
            np.testing.assert_array_equal(rankdata(values, axis=0), rank)


def test_spirals_turn_and_can_be_turned_back(drawn):
    x, _, _ = drawn["multinormal-sparse-5-5-2-2.0"]
    turned, _, _ = drawn["spiral-multinormal-sparse-5-5-2-2.0"]
    angle = (turned**2).sum(1) / 5
    np.testing.assert_allclose(angle, (x**2).sum(1) / 5, rtol=1e-12)
    np.testing.assert_allclose(turned[:, 0] * np.cos(angle) + turned[:, 1] * np.sin(angle), x[:, 0], atol=1e-9)
    np.testing.assert_array_equal(turned[:, 2:], x[:, 2:])


def test_the_bimodal_marginal(drawn):
    x, _, _ = drawn["1v1-bimodal-0.75"]
    # 0.3 N(0, 1) + 0.7 N(5, 1)
    assert abs(x.mean() - 3.5) < 4 * x.std() / np.sqrt(NUM)
    assert abs(x.var() - (1 + 0.3 * 0.7 * 25)) < 0.2


def test_the_swiss_roll_lies_on_its_curve(drawn):
    x, _, _ = drawn["swissroll_x-normal_cdf-1v1-normal-0.75"]
    t = 21 * np.linalg.norm(x, axis=1)
    np.testing.assert_allclose(x, np.stack([t * np.sin(t), t * np.cos(t)], 1) / 21, atol=1e-9)
    assert t.min() > 1.5 * np.pi and t.max() < 4.5 * np.pi
