"""What users pass for arrays, in every place that takes samples; and numbers of any size and kind."""

import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import jaxtyping
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings

from entropax import data, dependence, distance
from entropax._arguments import check_key
from entropax._arrays import as_floats, as_integers, check_spread, of_unit_size, plain_array, to_float64
from entropax.dependence import _cross_fitting


RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 2))
Y = X @ np.array([[1.0, 0.3], [0.0, 1.0]]) + RNG.normal(size=(240, 2))


@pytest.fixture(autouse=True)
def _without_type_checks():
    """As for users, who do not run beartype."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def untrained(monkeypatch):
    """Networks that find nothing beyond second moments."""

    def train(split, *rest, **settings):
        return _cross_fitting.Round([], np.zeros((1, len(split.tables.of))))

    monkeypatch.setattr(_cross_fitting, "train", train)


TAKERS: dict[str, Callable[[Any], object]] = {
    "check_samples": lambda x: data.check_samples(x),
    "check_samples, y": lambda x: data.check_samples(X, x),
    "check_samples, c": lambda x: data.check_samples(X, Y, x),
    "depends_on": lambda x: data.depends_on(X, x),
    "standardise": lambda x: data.standardise(x),
    "rank_gaussianise": lambda x: data.rank_gaussianise(x, jr.key(0)),
    "gaussian_information, x": lambda x: dependence.gaussian_information(x, Y),
    "gaussian_information, y": lambda x: dependence.gaussian_information(X, x),
    "mutual_information": lambda x: dependence.mutual_information(x, Y, key=jr.key(0)),
    "mutual_information, y": lambda x: dependence.mutual_information(X, x, key=jr.key(0)),
    "mutual_information, given": lambda x: dependence.mutual_information(X, Y, x, key=jr.key(0)),
    "total_correlation": lambda x: dependence.total_correlation(x, key=jr.key(0)),
    "interaction_information": lambda x: dependence.interaction_information(X, x, Y, key=jr.key(0)),
    "transfer_entropy": lambda x: dependence.transfer_entropy(X, x, key=jr.key(0)),
    "energy_distance": lambda x: distance.energy_distance(x, Y),
    "sliced_wasserstein": lambda x: distance.sliced_wasserstein(Y, x, key=jr.key(0)),
    "mmd": lambda x: distance.mmd(Y, x),
}


class Elsewhere:
    """As a tensor on another device."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


MASKED = np.ma.masked_array(X, mask=np.arange(480).reshape(X.shape) % 97 == 5)
REFUSED: dict[str, tuple[Any, str]] = {
    "masked": (MASKED, "masks 5 of 480 entries"),
    "a list of masked rows": (list(MASKED), "masks 5 of 480 entries"),
    "sparse": (scipy.sparse.csr_array(X), r"sparse matrix\. Pass \w+\.toarray\(\)"),
    "sparse matrix": (scipy.sparse.coo_matrix(X), "sparse matrix"),
    "an iterator": (lambda: (row for row in X), r"iterator.*numpy\.stack\(list\("),
    "a mapping": ({"a": X}, "got a dict"),
    "objects": (X.astype(object), r"Python objects \(float\)"),
    "missing entries": (np.array([[None, 1.0]] * 240, object), r"Python objects \(NoneType, float\)"),
    "dates": (np.datetime64("2024-01-01") + np.arange(240), r"datetime64\[D\], of dates"),
    "durations": (np.arange(240).astype("m8[s]"), "of dates or times"),
    "complex": (X + 1j, "dtype complex128"),
    "records": (np.zeros(240, [("a", float), ("b", float)]), "of records"),
    "ragged": ([[1.0, 2.0], [3.0]] * 120, "cannot be made an array, being a list"),
    "on another device": (Elsewhere(), "cannot be made an array, being a Elsewhere.*cuda:0"),
    "integers that merge": (2**60 + np.arange(480).reshape(X.shape), "different numbers of int64 that float64 cannot"),
    "unsigned that merge": (np.uint64(2**63) + np.arange(480, dtype=np.uint64).reshape(X.shape), "of uint64"),
    "long doubles beyond float64": (np.longdouble(10) ** 400 * X, "beyond the range of float64"),
    "long doubles that merge": (1 + X.astype(np.longdouble) * np.longdouble(1e-18), "cannot tell apart"),
    "long doubles too small": (X.astype(np.longdouble) * np.longdouble(10) ** -400, "cannot tell apart"),
    "NaN": (np.where(X > 2, np.nan, X), "must be finite"),
    "infinite": (np.where(X > 2, -np.inf, X), "must be finite"),
    "infinite in half precision": (np.where(X > 2, np.inf, X).astype(np.float16), "must be finite"),
}
if np.finfo(np.longdouble).nmant == np.finfo(float).nmant:
    REFUSED = {name: wrong for name, wrong in REFUSED.items() if not name.startswith("long")}


# Of labels and of ranks nothing is rounded.
INTEGERS = {"integers that merge", "unsigned that merge"}
UNROUNDED = {
    *("check_samples, y", "check_samples, c", "depends_on", "rank_gaussianise"),
    *("mutual_information, y", "mutual_information, given"),
}


@pytest.mark.parametrize("wrong", REFUSED)
@pytest.mark.parametrize("taker", TAKERS)
def test_what_is_no_array_of_numbers_is_refused_everywhere(taker, wrong):
    value, message = REFUSED[wrong]
    if wrong in INTEGERS and taker in UNROUNDED:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            TAKERS[taker](value() if callable(value) else value)


def test_under_jit_it_is_said_what_is_wanted():
    for measure in (dependence.gaussian_information, lambda x, y: dependence.mutual_information(x, y, key=jr.key(0))):
        with pytest.raises(ValueError, match="`x` is traced by JAX.*outside of jax.jit"):
            jax.jit(measure)(jnp.asarray(X), jnp.asarray(Y))


def test_arrays_of_any_kind_are_taken():
    measure: Callable[[Any, Any], Any] = dependence.gaussian_information
    long = lambda x: x.astype(np.longdouble)
    kinds: list[Callable[[Any], Any]] = [list, lambda x: tuple(map(tuple, x)), np.ma.masked_array, long]
    for kind in [*kinds, np.asfortranarray]:
        assert measure(kind(X), Y.tolist()).value == measure(X, Y).value
    few = np.round(10 * X)
    for dtype in (np.int8, np.int64, np.float16, jnp.bfloat16, ">f8"):
        np.testing.assert_array_equal(data.check_samples(few.astype(dtype)).x, few)
    # Integers far from zero whose order float64 keeps, and their labels to the last bit.
    far = 2**62 + np.arange(240) * 2**20
    assert (np.diff(data.check_samples(far).x[:, 0]) > 0).all()
    near = 2**62 + np.arange(240) % 3
    assert data.check_samples(X, near).num_classes == 3
    np.testing.assert_array_equal(data.rank_gaussianise(2**62 + np.arange(240), jr.key(0)).argsort(), np.arange(240))


def of_pair(x, y):
    found = dependence.mutual_information(x, y, key=jr.key(0))
    return found.value, found.p_value


def of_columns(x, y):
    return dependence.total_correlation(np.c_[x, y], key=jr.key(0)).value


def of_labels(x):
    fitting = dependence.CrossFitting(folds=2, steps=240)
    return dependence.mutual_information(x, (Y[:, 0] > 0).astype(int), fitting=fitting, key=jr.key(0)).value


SCALES = [1e150, 1e-150, 1e160, 1e-200, 1e307, 1e-307, -1e155]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_information_is_the_same_in_all_units(scale, untrained):
    """Of a column, of a table, of both."""
    column = X * np.array([1.0, scale])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for x, y in ((column, Y), (X * scale, Y), (X * scale, Y / scale), (X, Y * np.array([scale, 1 / scale]))):
            found, expected = dependence.gaussian_information(x, y), dependence.gaussian_information(X, Y)
            np.testing.assert_allclose(found.value, expected.value, rtol=1e-5)
            np.testing.assert_allclose(found.stderr, expected.stderr, rtol=1e-5)
            assert not data.depends_on(x, y)
            if scale < 0:
                continue
            # Ranks are what they are, to the bit.
            for measure in (of_pair, of_columns):
                assert measure(x, y) == measure(X, Y)
        if scale == SCALES[0]:
            assert of_labels(column) == of_labels(X)
    with pytest.warns(data.SamplesWarning, match="looks like a function"):
        assert data.depends_on(column, np.c_[column[:, 1] + Y[:, 0] * 1e-5 * abs(scale), Y[:, 1]])


@given(st.integers(-1000, 1000), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_standardised_samples_are_the_same_in_all_units_to_the_bit(power, seed):
    x = np.random.default_rng(seed).normal(3.0, size=(50, 2))
    scaled, mean, std = data.standardise(np.ldexp(x, power))
    expected, of_mean, of_std = data.standardise(x)
    np.testing.assert_array_equal(scaled, expected)
    np.testing.assert_array_equal(mean, np.ldexp(of_mean, power))
    np.testing.assert_array_equal(std, np.ldexp(of_std, power))
    np.testing.assert_allclose(of_mean, x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(of_std, x.std(0), rtol=1e-14)


def test_numbers_of_unit_size():
    numbers = np.array([[5e-324, -1.7e308, 0.75], [1e-310, 1.7e308, 0.0]])
    scaled, exponents = of_unit_size(numbers)
    largest = np.abs(scaled).max(0)
    assert ((0.5 <= largest) & (largest < 1)).all()
    np.testing.assert_array_equal(np.ldexp(scaled, exponents), numbers)
    x, mean, std = data.standardise(np.array([-1.7e308, 1.7e308, 0.0])[:, None])
    np.testing.assert_allclose(x[:, 0], [-(1.5**0.5), 1.5**0.5, 0], rtol=1e-6)
    assert mean[0] == 0 and std[0] == pytest.approx(1.7e308 * (2 / 3) ** 0.5)


def test_differences_under_a_large_offset(untrained):
    """Integers beyond 2^53, once the offset is off, as the refusal says."""
    counts = np.round(100 * X).astype(np.int64)
    far = counts + 2**60
    with pytest.raises(ValueError, match=r"x - x\.min\(0\)"):
        dependence.mutual_information(far, Y, key=jr.key(0))
    near = dependence.mutual_information(far - far.min(0), Y, key=jr.key(0))
    assert near.value == dependence.mutual_information(counts, Y, key=jr.key(0)).value


def test_arrays_keep_their_kind():
    assert plain_array([1, 2], "x").dtype == np.int64 and plain_array(["a"], "x").dtype.kind == "U"
    assert plain_array([True, False], "x").dtype == bool
    np.testing.assert_array_equal(to_float64(np.array([True, False]), "x"), [1.0, 0.0])
    with pytest.raises(ValueError, match="`z` must hold numbers; got text"):
        to_float64(np.array(["a"]), "z")


MIXTURE = data.GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
KEYLESS: dict[str, Callable[[Any], object]] = {
    "mutual_information": lambda key: dependence.mutual_information(X, Y, key=key),
    "two_sided": lambda key: dependence.two_sided_mutual_information(X, Y, key=key),
    "total_correlation": lambda key: dependence.total_correlation(X, key=key),
    "interaction_information": lambda key: dependence.interaction_information(X, Y, X[:, :1] ** 2, key=key),
    "transfer_entropy": lambda key: dependence.transfer_entropy(X, Y, key=key),
    "rank_gaussianise": lambda key: data.rank_gaussianise(X, key),
    "JointGaussian.random": lambda key: data.JointGaussian.random(key, dim_x=2, dim_y=2, noise_std=1.0),
    "JointGaussian.sample": lambda key: data.JointGaussian(np.eye(2), np.eye(2), np.eye(2)).sample(key, 3),
    "GaussianMixture.sample": lambda key: data.GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))).sample(
        key, 3
    ),
    "Square": lambda key: data.Square().sample(key, 3),
    "Race": lambda key: data.Race(np.eye(2) / 2, 2.0).sample(key, 3),
    "digits": lambda key: data.digits(key),
    "bmi": lambda key: data.bmi.tasks()[0].sample(key, 3),
}


@pytest.mark.parametrize("call", KEYLESS)
@pytest.mark.parametrize("key, found", [(3, r"3\. Write key=jax\.random\.key\(3\)"), (None, "None"), (1.5, "1.5")])
def test_a_key_that_is_none(call, key, found):
    with pytest.raises(ValueError, match=f"`key` must be a key of `jax.random.key`; got {found}"):
        KEYLESS[call](key)


def test_one_typed_key():
    assert check_key(jr.key(0)) == jr.key(0)
    with pytest.raises(ValueError, match="as of `jax.random.PRNGKey`. Write key=jax.random.wrap_key_data"):
        check_key(jr.PRNGKey(0))
    with pytest.raises(ValueError, match="got an array of keys of shape"):
        check_key(jr.split(jr.key(0), 3))
    jax.jit(check_key)(jr.key(0))


def test_floats_keep_their_precision_and_all_else_becomes_the_default():
    kept = (np.ones(2, np.float32), jnp.ones(2, jnp.bfloat16), np.ones(2, np.float16))
    for array in kept:
        assert as_floats(array, "x").dtype == array.dtype
    for array in ([1, 2], np.arange(2), np.ones(2), np.ones(2, np.longdouble), np.ma.array([1, 2], mask=False)):
        found = as_floats(array, "x")
        assert isinstance(found, jax.Array) and found.dtype == jnp.result_type(float)
    on_device = jnp.ones(2)
    assert as_floats(on_device, "x") is on_device
    assert not jnp.isfinite(as_floats([np.inf, np.nan], "x", finite=False)).any()


def test_traced_floats_pass_and_what_is_known_is_checked_under_a_trace():
    assert jax.jit(lambda x: as_floats(x, "x"))(jnp.nan) != 0
    with pytest.raises(ValueError, match="`x` must hold real numbers; got dtype complex64"):
        jax.jit(lambda x: as_floats(x, "x"))(1j)
    known = jnp.array([jnp.nan])
    with pytest.raises(ValueError, match="`x` must be finite"):
        jax.jit(lambda y: y + as_floats(known, "x"))(1.0)
    assert jax.grad(lambda x: as_floats(x, "x") ** 2)(3.0) == 6


def test_floats_that_have_no_place_in_the_precision():
    for value, message in ((1e200, r"`x` holds 1e\+200, beyond the range of float32"), (1e-200, "`x` must not vanish")):
        with pytest.raises(ValueError, match=message):
            as_floats([value], "x")
        with pytest.raises(ValueError, match="`x`"):
            check_spread(value * X, "x")
    for scale in (1e-18, 1.0, 1e18):
        check_spread(scale * X, "x")
    check_spread(np.full((5, 2), 1e-30), "x")


def test_integers():
    assert as_integers([1, 2], "y").dtype == as_integers(np.arange(2), "y").dtype == jnp.int32
    assert jax.jit(lambda y: as_integers(y, "y"))(3) == 3
    for value in ([1.0], ["a"], None, np.ma.array([1, 2], mask=[True, False]), np.array([2**40])):
        with pytest.raises(ValueError, match="`y`"):
            as_integers(value, "y")
    with pytest.raises(ValueError, match="`y` must hold integers; got float32"):
        jax.jit(lambda y: as_integers(y, "y"))(3.0)
