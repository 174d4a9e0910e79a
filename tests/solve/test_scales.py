"""Paths and flows of data whose scale is far from one."""

import jax
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROCESS = ex.VariancePreserving()


def test_paths_that_begin_in_the_noise_are_refused_or_say_so(getkey):
    model = ex.Gaussian(np.zeros(2), np.diag([1.0, 1e-8]))
    x = jr.normal(getkey(), (100, 2)) * np.array([1.0, 1e-4], np.float32)
    with pytest.raises(ValueError, match="`paths` begin at `s_min` = 1e-05.*resolved from λ = 18.4"):
        ex.solve.path_nll(PROCESS, model, x, key=getkey())
    with pytest.warns(ex.TruncationWarning, match="hides a direction of the data that is resolved from λ = 18.4"):
        ex.solve.entropy_production(PROCESS, model, x, key=getkey(), paths=ex.solve.Paths(steps=8))
    with pytest.warns(ex.TruncationWarning, match="from then on"):
        ex.solve.information_injected(PROCESS, model, x, key=getkey(), paths=ex.solve.Paths(steps=8))


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_a_path_integral_has_the_jacobian(scale, getkey):
    model = ex.Gaussian(np.zeros(1), np.array([[scale**2]]))
    x = scale * jr.normal(getkey(), (400, 1))
    found = ex.solve.path_nll(PROCESS, model, x, key=getkey())
    exact = -np.asarray(jax.vmap(model.log_density)(x))
    wrong = np.asarray(found.pointwise) - exact
    assert abs(wrong.mean()) < 3.5 * wrong.std() / len(wrong) ** 0.5 + 0.01
    assert wrong.std() < 4


def test_samples_in_other_units_are_named(getkey):
    model = ex.Gaussian(np.zeros(1), np.eye(1))
    x = 100 * jr.normal(getkey(), (100, 1))
    with pytest.warns(ex.UnitsWarning, match="lies far outside the data that Gaussian was made for"):
        ex.log_density(PROCESS, model, x)
    with pytest.warns(ex.UnitsWarning, match="lies far outside"):
        ex.solve.path_nll(PROCESS, model, x, key=getkey(), paths=ex.solve.Paths(steps=8))
