"""Errors of stretches survive arithmetic, and common samples keep their covariance."""

import dataclasses
import operator

import numpy as np
import pytest

from entropax.dependence._quantities import _by_stretches, _of_stretches, of_shares


STRETCH, NUM = 50, 2_030


def _series(seed):
    """Numbers of which only stretches are independent, and a few more."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.normal(size=NUM // STRETCH + 1), STRETCH)[:NUM] + 0.3 * rng.normal(size=NUM)


def _estimates(*series):
    return [_by_stretches(of_shares(each), STRETCH) for each in series]


def test_the_error_is_that_of_stretches():
    series = _series(0)
    (found,) = _estimates(series)
    means = series[: NUM // STRETCH * STRETCH].reshape(-1, STRETCH).mean(1)
    np.testing.assert_allclose(found.stderr, means.std(ddof=1) / np.sqrt(len(means)), rtol=1e-5)
    # Samples by themselves would have an error that is smaller by nearly the root of 50.
    assert float(found.stderr) > 6 * float(of_shares(series).stderr)


@pytest.mark.parametrize(
    "combine",
    [
        operator.sub,
        operator.add,
        lambda a, b: -(-a) - b,
        lambda a, b: 0.5 * a - 2.0 * b,
        lambda a, b: (a + b) - 3.0 * b,
        lambda a, b: a + 0.0 * b,
        lambda a, b: (a - b) * 0.0 + b,
    ],
)
@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_of_a_combination_it_is_that_of_the_stretches_of_the_combination(combine, shared):
    one, other = _series(1), _series(2)
    other = shared * one + other
    exact = _by_stretches(of_shares(combine(one, other)), STRETCH)
    found = combine(*_estimates(one, other))
    np.testing.assert_allclose(found.stderr, exact.stderr, rtol=1e-4)
    np.testing.assert_allclose(found.value, exact.value, atol=1e-5)


def test_nothing_is_left_of_a_difference_from_itself():
    (found,) = _estimates(_series(3))
    assert float((found - found).stderr) < 1e-6
    assert float((found + found - 2.0 * found).stderr) < 1e-6


def test_an_error_that_was_replaced_is_kept():
    """Residuals of another spread than `stderr_data` are scaled to it before they are added."""
    one, other = (of_shares(_series(seed)) for seed in (4, 5))
    one, other = (
        dataclasses.replace(each, stderr_data=_of_stretches(each.residuals, STRETCH)) for each in (one, other)
    )
    together = np.hypot(float(one.stderr), float(other.stderr))
    # The stretches of both agree by chance, by about one over the root of their number.
    assert abs(float((one - other).stderr) / together - 1) < 0.25
    assert float((one - one).stderr) == 0
    np.testing.assert_allclose((-(-one)).stderr, one.stderr)
    np.testing.assert_allclose((one + 0.0 * other).stderr, one.stderr, rtol=1e-5)
    # Without residuals that vary, what is known of the error is taken for independent.
    flat = dataclasses.replace(of_shares(np.zeros(NUM)), stderr_data=one.stderr_data)
    np.testing.assert_allclose((one + flat).stderr, np.sqrt(2) * one.stderr, rtol=1e-5)
