"""Samples in other units than the model's are told, samples of the model's own distribution never."""

import warnings

import hypothesis.strategies as st
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given

import entropax as ex
from entropax.integral import check_units


def _said(model, x):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_units([model], jnp.asarray(x, jnp.float32))
    return [str(each.message) for each in caught]


def _cauchy(rng, shape):
    return rng.standard_cauchy(shape)


KINDS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.uniform(size=shape),
    "binary": lambda rng, shape: (rng.uniform(size=shape) < 0.03).astype(float),
    "counts": lambda rng, shape: rng.poisson(0.2, shape).astype(float),
    "zero-inflated": lambda rng, shape: rng.lognormal(size=shape) * (rng.uniform(size=shape) < 0.1),
    "log-normal": lambda rng, shape: rng.lognormal(0.0, 3.0, shape),
    "t": lambda rng, shape: rng.standard_t(2.0, shape),
    "Cauchy": _cauchy,
    "two clusters": lambda rng, shape: rng.choice([-5.0, 5.0], shape) + 0.01 * rng.normal(size=shape),
    "constant": lambda rng, shape: np.full(shape, 0.1),
}


@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 10_000),
    st.sampled_from([20, 100, 1000]),
    st.sampled_from([1, 3, 50]),
    st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_samples_of_the_models_own_distribution_are_never_told(kind, seed, num, dim, unit):
    rng = np.random.default_rng(seed)
    fitted, seen = (unit * KINDS[kind](rng, (rows, dim)) + 3 * unit for rows in (2000, num))
    assert not _said(ex.Empirical(jnp.asarray(fitted, jnp.float32)), seen)


@given(
    st.sampled_from(["normal", "uniform", "counts", "two clusters"]),
    st.integers(0, 10_000),
    st.sampled_from([100, 1000]),
    st.sampled_from([1, 3]),
    st.sampled_from([12.0, 100.0, 1e4]),
)
def test_samples_in_other_units_are_told(kind, seed, num, dim, factor):
    rng = np.random.default_rng(seed)
    # With a mean of their own, as measured quantities have.
    fitted, seen = (KINDS[kind](rng, (rows, dim)) + 2.0 for rows in (2000, num))
    assert "far outside" in _said(ex.Empirical(jnp.asarray(fitted, jnp.float32)), factor * seen)[0]


def test_the_column_that_is_elsewhere_is_named():
    x = np.random.default_rng(0).normal(size=(200, 3)) * np.array([1.0, 5.0, 0.1])
    model = ex.Gaussian(np.zeros(3), np.diag([1.0, 25.0, 0.01]))
    for change in (lambda column: 20 * column, lambda column: column + 3.0):
        moved = x.copy()
        moved[:, 2] = change(moved[:, 2])
        assert "in coordinate 2" in _said(model, moved)[0]
    assert not _said(model, x)


def test_samples_in_larger_units_are_told_where_all_of_them_shrink():
    x = np.random.default_rng(0).normal(size=(1000, 3))
    model = ex.Gaussian(np.zeros(3), np.eye(3))
    assert "far narrower" in _said(model, 0.01 * x)[0]
    # One sample again and again is no distribution.
    assert not _said(model, np.repeat(0.01 * x[:1], 200, 0))
    assert not _said(model, np.repeat(100 * x[:1], 200, 0))


X = np.random.default_rng(1).normal(size=(100, 2))
MODEL = ex.Gaussian(np.zeros(2), np.eye(2))


@pytest.mark.parametrize("estimand", [ex.nll, ex.total_correlation, ex.negentropy])
def test_estimands_look_at_the_model_and_not_at_what_it_is_compared_with(estimand):
    # References that are fitted to the samples fit them.
    with pytest.warns(ex.UnitsWarning, match="`x` lies far outside the data that Gaussian was made for"):
        estimand(MODEL, jnp.asarray(100 * X), key=jr.key(0))
    # A divergence from a distribution far away is what it is.
    far = ex.Gaussian(np.full(2, 50.0), np.eye(2))
    found = ex.kl_divergence(MODEL, far, jnp.asarray(X), key=jr.key(0))
    assert abs(float(found.value) - 2500.0) < 4 * float(found.stderr)
