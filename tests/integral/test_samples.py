"""Samples as users have them: the same numbers in any container; what is not finite in the end is an error."""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportIncompatibleMethodOverride=false

import jax
import jax.numpy as jnp
import jax.random as jr
import jaxtyping
import numpy as np
import pytest

import entropax as ex
from entropax.integral import as_samples


@pytest.fixture(autouse=True)
def _without_type_checks():
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


MODEL = ex.Gaussian(np.zeros(2), 4 * np.eye(2))
INTEGRATOR = ex.Integrator(nodes=ex.Stratified(8))
WHOLE = np.asarray(jnp.round(2 * jr.normal(jr.key(0), (100, 2)))).astype(int)


def _entropy(x, denoiser=MODEL):
    return ex.total_entropy(denoiser, x, key=jr.key(1), integrator=INTEGRATOR)


def test_the_container_of_samples_does_not_change_the_estimate():
    expected = _entropy(jnp.asarray(WHOLE, jnp.float32))
    for x in (WHOLE, WHOLE.tolist(), WHOLE.astype(float), jnp.asarray(WHOLE, jnp.bfloat16), WHOLE.astype(np.float16)):
        found = _entropy(x)
        assert found.value.dtype == jnp.float32
        np.testing.assert_array_equal(found.pointwise, expected.pointwise)


def test_conditions_keep_their_tree_and_become_arrays():
    x = np.zeros((3, 1))
    _, y = as_samples(x, {"labels": [0, 1, 2], "pair": (np.ones((3, 2)), [[0.5], [1.5], [2.5]]), "none": None})
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype.name), y) == {
        "labels": ((3,), "int32"),
        "pair": (((3, 2), "float32"), ((3, 1), "float32")),
        "none": None,
    }
    _, y = as_samples(x, [True, False, True])
    np.testing.assert_array_equal(y, [1, 0, 1])
    assert as_samples(x)[1] is None


class _Spoiled(ex.AbstractDenoiser):
    """Another number than the prediction for states beyond a bound and noise below a level."""

    instead: float
    log_snr_range = (-9.0, 9.0)

    def __call__(self, z, log_snr, y=None):
        return jnp.where((z[0] > 1.5) & (log_snr > 4.0), self.instead, z)


X = jr.normal(jr.key(2), (400, 2))


@pytest.mark.parametrize("chunk", [32768, 800])
def test_nan_is_an_error_that_names_sample_and_noise_level(chunk):
    integrator = ex.Integrator(nodes=ex.Stratified(8), chunk=chunk)
    with pytest.raises(
        RuntimeError, match=r"The rate is NaN for \d+ of 400 samples, first for x\[\d+\], at λ"
    ) as caught:
        ex.neural_entropy(_Spoiled(jnp.nan), X, key=jr.key(1), integrator=integrator)
    words = str(caught.value).split()
    row = int(next(word for word in words if word.startswith("x["))[2:].rstrip("],"))
    level = float(words[words.index("λ") + 2].rstrip("."))
    # At that noise, less than 0.14, only a sample beyond the bound is spoiled, or one within a little of it.
    assert level > 4.0 and float(X[row, 0]) > 1.1


@pytest.mark.parametrize("estimand", [ex.total_entropy, ex.nll, ex.nll_map, ex.neural_entropy, ex.entropy_rate])
def test_every_estimand_refuses_nan(estimand):
    with pytest.raises(RuntimeError, match="NaN"):
        estimand(_Spoiled(jnp.nan), X, key=jr.key(1), integrator=INTEGRATOR)


def test_an_infinite_rate_is_a_warning_that_names_sample_and_noise_level():
    with pytest.warns(
        ex.InfiniteWarning, match=r"The rate is infinite for \d+ of 400 samples, first for x\[\d+\], at λ"
    ):
        found = _entropy(X, _Spoiled(jnp.inf))
    assert float(found.value) == -np.inf


def test_a_bound_names_sample_and_noise_level():
    levels = np.array([9.0, 5.0, 0.0, -9.0])
    with pytest.raises(RuntimeError, match=r"samples is not finite, first for x\[\d+\], at λ = 5.00: .*_Spoiled"):
        ex.variational_bound(_Spoiled(jnp.nan), X, key=jr.key(1), log_snr=levels)


def test_inside_jit_nothing_is_checked():
    value = jax.jit(lambda x: _entropy(x, _Spoiled(jnp.nan)).value)(X)
    assert np.isnan(value)
