import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import norm

from entropax.data import (
    check_samples,
    depends_on,
    JointGaussian,
    rank_gaussianise,
    SamplesWarning,
    standardise,
)


@pytest.fixture
def normal():
    return np.random.default_rng(0).normal(size=(400, 3))


def _named(labels, classes):
    assert labels is not None and classes is not None
    assert labels.dtype == np.int32
    return classes[labels]


def test_labels_are_renumbered_and_their_classes_kept(normal):
    labels = np.array([30, -2, 7, 7])[np.arange(400) % 4]
    for y in (labels, labels[:, None], labels.astype(np.int8), jnp.asarray(labels)):
        samples = check_samples(normal, y)
        assert samples.num_classes == 3
        np.testing.assert_array_equal(samples.y_classes, [-2, 7, 30])
        np.testing.assert_array_equal(_named(samples.y, samples.y_classes), labels)
    words = np.array(["cat", "dog"])[np.arange(400) % 2]
    samples = check_samples(normal, c=words)
    assert samples.num_c_classes == 2 and samples.num_classes is None
    np.testing.assert_array_equal(_named(samples.c, samples.c_classes), words)
    # Several columns: one label a distinct row.
    rows = np.stack([labels, labels % 2], 1)
    samples = check_samples(normal, rows)
    np.testing.assert_array_equal(_named(samples.y, samples.y_classes), rows)


def test_dtype_decides_and_may_be_overruled(normal):
    grades = (np.arange(400) % 5).astype(float)
    with pytest.raises(ValueError, match=r"only 5 distinct .* y.astype\(int\)"):
        check_samples(normal, grades)
    one_hot = np.eye(5)[np.arange(400) % 5]
    with pytest.raises(ValueError, match="c_kind='continuous'"):
        check_samples(normal, c=one_hot)
    assert check_samples(normal, grades, y_kind="discrete").num_classes == 5
    samples = check_samples(normal, grades, y_kind="continuous")
    assert samples.num_classes is None
    np.testing.assert_array_equal(samples.y, grades[:, None])
    # Few values that are not whole, or many that are, are what their dtype says.
    assert check_samples(normal, grades + 0.5).num_classes is None
    assert check_samples(normal, np.arange(400.0) % 50).num_classes is None
    # An integer variable in which hardly a value repeats is no label.
    counts = np.random.default_rng(1).permutation(400)
    with pytest.raises(ValueError, match=r"400 distinct .* y.astype\(float\)"):
        check_samples(normal, counts)
    samples = check_samples(normal, counts, y_kind="continuous")
    np.testing.assert_array_equal(samples.y, counts[:, None])


def test_numbers_come_through_unchanged(normal):
    samples = check_samples(normal[:, 0].astype(np.float32), normal[:, 1:])
    np.testing.assert_array_equal(samples.x[:, 0], normal[:, 0].astype(np.float32))
    np.testing.assert_array_equal(samples.y, normal[:, 1:])
    assert len(samples) == 400
    half = check_samples(jnp.asarray(normal, jnp.bfloat16))
    np.testing.assert_allclose(half.x, normal, rtol=2**-8)


def test_misuse(normal):
    def refused(message, *args, **kwargs):
        with pytest.raises(ValueError, match=message):
            check_samples(*args, **kwargs)

    broken = normal.copy()
    broken[17, 2], broken[20, 0], broken[21, 1] = np.nan, np.inf, np.nan
    refused("`x` .* 2 NaN and 1 infinite .* row 17, column 2", broken)
    refused("`y` .* 2 NaN", normal, broken)
    refused("`c` must have as many rows as `x`, 400; got 399", normal, c=normal[1:])
    refused(r"`x` is empty: shape \(0, 3\)", normal[:0])
    refused("`x` must have at least 500 rows; got 400", normal, minimum=500)
    refused(r"`x` .* got \(400, 3, 1\). Flatten", normal[..., None])
    refused("`x` must hold real numbers; got dtype complex", normal * 1j)
    refused("`x` must hold numbers; got text", np.array(["a", "b"]))
    constant = normal.copy()
    constant[:, 1] = 0.1
    refused(r"`x` must vary: columns \[1\]", constant)
    refused("`y` must vary", normal, np.ones(400, int))
    refused("`y` must vary: all its labels", normal, np.array(["a"] * 400))


def test_functional_dependence_is_warned_of(normal):
    rng = np.random.default_rng(2)
    mixed = normal @ rng.normal(size=(3, 2))
    noisy = mixed + 0.01 * rng.normal(size=mixed.shape)
    pairs = {
        "linear": (normal, mixed),
        # One of three directions is enough, and either way round.
        "linear, in one direction": (normal, np.stack([mixed[:, 0], noisy[:, 1]], 1)),
        "linear, the other way": (mixed, normal),
    }
    for name, (x, y) in pairs.items():
        with pytest.warns(SamplesWarning, match=r"I\(X;Y\) may be infinite"):
            assert depends_on(x, y), name
    with pytest.warns(SamplesWarning, match="X looks like a function of Y"):
        check_samples(normal, mixed)


def test_strong_dependence_of_finite_information_passes(normal):
    # Warnings are errors here.
    rng = np.random.default_rng(3)
    assert not depends_on(normal, normal + 0.01 * rng.normal(size=normal.shape))
    codes = rng.normal(size=(20, 2))[rng.integers(20, size=400)]
    assert not depends_on(normal, codes)
    # A function of twenty codes has their entropy, log 20 at most.
    for other in (np.sin(5 * codes) + codes**2, np.exp(codes[:, :1]), 2 * codes):
        assert not depends_on(codes, other) and not depends_on(other, codes)
    assert not depends_on(normal, np.arange(400) % 3)
    # More columns than rows: any least squares fit is perfect.
    assert not depends_on(rng.normal(size=(30, 10)), rng.normal(size=(30, 25)))
    # A column that is constant in the rows that are looked at.
    late = np.zeros((10_100, 1))
    late[10_000:, 0] = np.arange(100)
    assert not depends_on(rng.normal(size=(10_100, 1)), late)
    problem = JointGaussian.flattened(jr.key(0), dim_x=10, dim_y=4, rank=3, flat_variance=1e-8, noise_std=0.25)
    assert not depends_on(*problem.sample(jr.key(1), 2000))


def test_standardise(normal):
    x = 1e6 + 3.0 * normal
    scaled, mean, std = standardise(x)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-6)
    np.testing.assert_allclose(scaled * std + mean, x, atol=1e-5)
    x[:, 2] = 0.1
    with pytest.raises(ValueError, match=r"constant coordinates: columns \[2\]"):
        standardise(x)


def test_rank_gaussianise(normal):
    scores = rank_gaussianise(np.exp(normal), jr.key(0))
    # Increasing maps of the coordinates change nothing.
    np.testing.assert_array_equal(scores, rank_gaussianise(normal**3, jr.key(0)))
    grid = norm.ppf((np.arange(400) + 0.5) / 400)
    for column in range(3):
        order = np.argsort(normal[:, column])
        np.testing.assert_allclose(scores[order, column], grid, rtol=1e-6)


def test_ties_are_broken_at_random():
    x = np.repeat([0.0, 1.0], 500)[:, None]
    one, two = (rank_gaussianise(x, jr.key(k))[:, 0] for k in (0, 1))
    np.testing.assert_allclose(np.sort(one), np.sort(two))
    assert (one[:500] < 0).all() and (one[500:] > 0).all()
    # Among ties the order is that of the key, not of the rows.
    correlation = np.corrcoef(one[:500], two[:500])[0, 1]
    assert abs(correlation) < 4.5 / np.sqrt(500)
    assert abs(np.corrcoef(one[:500], np.arange(500))[0, 1]) < 4.5 / np.sqrt(500)
