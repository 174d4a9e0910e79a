"""Data that repeat: binary, ordinal, counts, zero-inflated, censored and rounded columns, in every quantity."""

import warnings

import hypothesis
import hypothesis.strategies as st
import jax
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import rankdata

import entropax as ex
from entropax import dependence
from entropax.dependence._neighbours import check_counts
from entropax.dependence._samples import copies_of, independent_order
from entropax.dependence._variables import of_numbers


FITTING = dependence.CrossFitting(folds=3, steps=400, batch_size=256)
NUM = 1_000


def entropy_of_coin(p):
    return -(p * np.log(p) + (1 - p) * np.log(1 - p))


def of_table(table):
    """I(X;Y) of a table of probabilities."""
    positive = table > 0
    return (table[positive] * np.log(table[positive] / np.outer(table.sum(1), table.sum(0))[positive])).sum()


def covers(found, exact):
    low, high = found.interval()
    return low <= exact <= high and found.converged


# By chance: each of these repeats, and none of its rows is a copy.
def by_chance(rng, num):
    a, b = rng.integers(0, 2, (2, num))
    ten, age, reading = rng.integers(0, 10, num), rng.integers(0, 100, num), rng.integers(0, 256, num)
    z, noise = rng.normal(size=(2, num))
    return {
        "coins": (a, b),
        "exclusive or": (a, b, a ^ b),
        "equal coins": (a, a),
        "ten levels, a function": (ten, ten >= 5),
        "uneven levels, a function": (np.exp(1.3 * ten), ten >= 5),
        "age and a label": (age, rng.random(num) < age / 100),
        "age and its square": (age, age**2),
        "age and an age": (age, age + rng.integers(0, 3, num)),
        "readings of eight bits": (reading, reading // 2),
        "rounded to tenths": (np.round(z, 1), np.round(0.9 * z + 0.1 * noise, 1)),
        "rounded to thousandths": (np.round(z, 3), np.round(0.9 * z + 0.01 * noise, 3)),
        "rectified, a function": (np.maximum(z, 0), 2 * np.maximum(z, 0)),
        "zero-inflated": (np.where(a, np.exp(z), 0), rng.integers(0, 3, num)),
        "zero-inflated, zeros of one label": (np.where(a, np.exp(z), 0), a),
        "saturated": (np.minimum(z, 1), np.minimum(z + noise, 0.5)),
        "counts": (rng.poisson(3, num), rng.poisson(1_000, num)),
        "incomes": (np.round(1_000 * np.exp(z), -1), np.round(1_000 * np.exp(z + noise), -2)),
        "single precision": (z.astype(np.float32), noise.astype(np.float32)),
        "six ratings": tuple(rng.integers(1, 6, (6, num))),
    }


def copied(rng, num):
    pairs = {}
    for times in (2, 3):
        z = np.repeat(rng.normal(size=(num // times, 2)), times, 0)
        label = np.repeat(rng.integers(0, 3, num // times), times)
        pairs |= {
            f"pairs, {times} times": tuple(z.T),
            f"numbers and labels, {times} times": (z[:, 0], label),
            f"zero-inflated, {times} times": (np.maximum(z[:, 0], 0), label),
        }
    z = rng.normal(size=(num, 2))
    drawn, some = rng.integers(0, num, num), z.copy()
    some[: num // 50] = some[num // 2 : num // 2 + num // 50]
    return pairs | {"a bootstrap": tuple(z[drawn].T), "a few rows twice": tuple(some.T)}


@pytest.mark.parametrize("num", [300, 2_000])
def test_rows_are_copies_only_where_chance_does_not_repeat_them(num):
    rng = np.random.default_rng(num)
    for name, columns in by_chance(rng, num).items():
        groups = copies_of(np.stack(columns, 1).astype(float))
        assert len(np.unique(groups)) == num, name
    for name, columns in copied(rng, num).items():
        rows = np.stack(columns, 1).astype(float)
        groups = copies_of(rows)
        distinct = len(np.unique(rows, axis=0))
        # Zeros that two samples share are no copies.
        assert distinct <= len(np.unique(groups)) < num, name
        if "zero" not in name:
            assert len(np.unique(groups)) == distinct, name


def regular(rng, num):
    """Values that repeat by chance, though their column is neither whole numbers nor a grid of float64."""
    readings, counts = 300 + 2 * rng.normal(size=num), rng.negative_binomial(2, 0.02, num)
    ages = rng.integers(18, 91, num)
    return {
        "logarithms of counts": np.log1p(counts),
        "roots of counts": np.sqrt(counts),
        "pitches": 440 * 2 ** ((rng.integers(21, 109, num) - 69) / 12),
        "readings in float32": np.round(readings, 2).astype(np.float32),
        "standardised ages in float32": ((ages - ages.mean()) / ages.std()).astype(np.float32),
        "sums of rounded numbers": np.round(rng.normal(size=num), 1) + np.round(rng.normal(size=num), 1),
        "ranks of ages": rankdata(ages) / num,
        "logarithms of rounded numbers": np.log(np.round(np.exp(1 + rng.normal(size=num)), 1)),
        "two digits": np.array([float(f"{value:.1e}") for value in np.exp(3 * rng.normal(size=num))]),
        "reciprocals": 1 / rng.integers(1, 100, num),
        "temperatures in Fahrenheit": np.round(rng.normal(20, 5, num), 1) * 9 / 5 + 32,
        "brightness": (rng.integers(0, 256, num) / 255) ** 2.2,
    }


@pytest.mark.parametrize("num", [300, 1_000])
def test_maps_of_counts_and_of_rounded_numbers_repeat_by_chance(num):
    rng = np.random.default_rng(num)
    for name, column in regular(rng, num).items():
        # A label that each value determines: only the column itself can show that its values repeat by chance.
        _, place = np.unique(column, return_inverse=True)
        labels = rng.integers(0, 2, place.max() + 1)[place]
        assert len(np.unique(copies_of(np.stack([column.astype(float), labels], 1)))) == num, name


@pytest.mark.parametrize("draw", [np.random.Generator.normal, np.random.Generator.standard_cauchy])
@pytest.mark.parametrize("copies", [2, 5, 12])
def test_samples_of_a_density_do_not_repeat_by_chance(draw, copies):
    rng = np.random.default_rng(copies)
    for dtype in (np.float64, np.float32):
        own = draw(rng, size=100).astype(dtype).astype(float)
        rows = np.repeat(np.stack([own, rng.integers(0, 2, 100)], 1), copies, 0)
        assert len(np.unique(copies_of(rows))) == 100


@pytest.mark.slow
def test_the_information_of_transformed_counts():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 60, 1_000)
    y = counts // 20
    found = ex.dependence.mutual_information(np.log1p(counts), y, key=jr.key(1))
    exact = -(np.bincount(y) / 1_000 * np.log(np.bincount(y) / 1_000)).sum()
    assert abs(found.value - exact) < 3 * found.stderr
    assert found.p_value is not None and found.p_value <= 0.02


def test_equal_rows_are_in_all_folds_and_copies_in_one():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 1_000))
    order = independent_order(np.stack([a, b], 1), jr.key(0))
    # Four kinds of rows in five folds: shares within five standard errors of a quarter.
    shares = [np.bincount(2 * a[fold] + b[fold], minlength=4) / 200 for fold in np.array_split(order, 5)]
    np.testing.assert_allclose(shares, 0.25, atol=5 * (0.25 * 0.75 / 200) ** 0.5)
    rows = np.repeat(rng.normal(size=(500, 2)), 2, 0)
    with pytest.warns(ex.data.SamplesWarning, match="500 of 1000 rows are copies"):
        order = independent_order(rows, jr.key(0))
    assert sorted(order) == list(range(1_000))
    np.testing.assert_array_equal(order[::2] // 2, order[1::2] // 2)


def test_every_run_holds_each_label_in_its_share():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    order = independent_order(rng.normal(size=(1_000, 2)), jr.key(0), labels)
    for run in np.array_split(order, 20):
        np.testing.assert_allclose(np.bincount(labels[run], minlength=3), [30, 15, 5], atol=1)
    # Random within a label, and rare labels are not all in one place.
    assert not np.array_equal(np.sort(order[:500]), np.arange(500))
    rare = np.concatenate([np.zeros(900, int), 1 + np.arange(100)])
    order = independent_order(rng.normal(size=(1_000, 2)), jr.key(0), rare)
    assert all(8 <= (rare[fold] > 0).sum() <= 34 for fold in np.array_split(order, 5))


def test_atoms_are_taken_apart_and_lose_nothing():
    r"""$D$ and $S$ determine a value: $D$ by its atom, $S$ by its order among the others."""
    rng = np.random.default_rng(2)
    x = np.where(rng.random(500) < 0.4, 0.0, np.exp(rng.normal(size=500)))[:, None]
    variable = of_numbers(x, jr.key(0), "x")
    (part,) = variable.discrete
    np.testing.assert_array_equal(part.labels == 1, x[:, 0] == 0)
    apart = part.labels == 0
    np.testing.assert_array_equal(np.argsort(variable.scores[apart, 0]), np.argsort(x[apart, 0]))
    # The scores say nothing of the atom: those at it are spread over all others.
    assert abs(np.corrcoef(apart, variable.scores[:, 0])[0, 1]) < 4 / 500**0.5
    plain = of_numbers(rng.normal(size=(500, 1)), jr.key(0), "x")
    np.testing.assert_allclose(np.sort(variable.scores[:, 0]), np.sort(plain.scores[:, 0]), atol=1e-6)
    assert variable.kind == "continuous, with repeated values 0"
    counts = of_numbers(rng.poisson(2.0, (500, 1)), jr.key(0), "x")
    assert counts.is_discrete and counts.kind.endswith("ordered values")
    # Of counts with many values none stands out.
    assert not of_numbers(rng.poisson(60.0, (500, 1)), jr.key(0), "x").discrete


def exclusive_or(num):
    a, b = np.random.default_rng(3).integers(0, 2, (2, num))
    return a, b, a ^ b


def pairs():
    """Samples, the kinds that are told, and the exact value."""
    rng = np.random.default_rng(4)
    x = rng.integers(0, 2, NUM)
    y = np.where(rng.random(NUM) < 0.1, 1 - x, x)
    yield "binary labels", x, y, {}, np.log(2) - entropy_of_coin(0.1)
    yield "binary numbers", x * 7.0, y * 0.5, {"y_kind": "continuous"}, np.log(2) - entropy_of_coin(0.1)
    yield "both labels", x, y, {"x_kind": "discrete"}, np.log(2) - entropy_of_coin(0.1)
    chances = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    rating = rng.integers(0, 5, NUM)
    yield (
        "a rating and a label",
        1 + rating,
        rng.random(NUM) < chances[rating],
        {},
        np.log(2) - entropy_of_coin(chances).mean(),
    )
    table = np.exp(-0.5 * (np.arange(6)[:, None] - np.arange(6)) ** 2)
    table /= table.sum()
    cell = rng.choice(36, NUM, p=table.reshape(-1))
    yield "two ratings", cell // 6, cell % 6 + 0.0, {"y_kind": "continuous"}, of_table(table)
    ten = rng.integers(0, 10, NUM)
    high = rng.random(NUM) < np.where(ten >= 5, 0.9, 0.1)
    yield "ten levels and a label", ten, high, {}, np.log(2) - entropy_of_coin(0.1)
    # A function of few values has their entropy, and no warning.
    yield "a function", ten, (ten >= 5).astype(int), {}, np.log(2)


@pytest.mark.parametrize("name, x, y, kinds, exact", [pytest.param(*pair, id=pair[0]) for pair in pairs()])
def test_mutual_information_of_few_values(name, x, y, kinds, exact):
    # Warnings are errors: none of these is a copy, or a function that has no bound.
    found = dependence.mutual_information(x, y, key=jr.key(1), fitting=FITTING, **kinds)
    low, high = found.interval()
    assert low - 0.003 <= exact <= high + 0.003 and found.converged and (found.p_value or 1) <= 0.02
    assert found.stderr < 0.06


def test_two_values_are_as_good_as_counting():
    """The estimate is nearer to that by the same samples' counts than half of the error of finite data."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, 2, 600)
    y = np.where(rng.random(600) < 0.1, 1 - x, x)
    counts = np.zeros((2, 2))
    np.add.at(counts, (x, y), 1)
    found = dependence.mutual_information(x, y, key=jr.key(1), fitting=FITTING)
    # One degree of freedom costs 1 / 2N.
    assert abs(found.value - (of_table(counts / 600) - 0.5 / 600)) < 0.5 * float(found.estimate.stderr_data)
    ratios = np.log(counts / 600 / np.outer(counts.sum(1), counts.sum(0)) * 360_000)[x, y]
    assert abs(float(found.estimate.stderr_data) / (ratios.std() / 600**0.5) - 1) < 0.1
    assert found.kinds == {"x": "2 ordered values", "y": "2 labels"}


@hypothesis.given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 3), st.floats(0.3, 5.0))
@hypothesis.settings(max_examples=12)
def test_any_small_table(seed, rows, columns, concentration):
    """Within four standard errors of the exact value, whatever the table."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(rows * columns, 20 * concentration)).reshape(rows, columns)
    cell = rng.choice(table.size, NUM, p=table.reshape(-1))
    x, y = np.unravel_index(cell, table.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dependence.ConvergenceWarning)
        found = dependence.mutual_information(x, y, key=jr.key(1), fitting=FITTING)
    assert abs(found.value - of_table(table)) < 4 * found.stderr + 0.004


def test_quantities_of_exclusive_or():
    r"""TC and $I(X;Y \mid Z)$ are $\log 2$, DTC is $2 \log 2$, and $\Omega = -\log 2$."""
    x, y, z = exclusive_or(NUM)
    table = np.stack([x, y, z], 1)
    measured = {
        "TC": (dependence.total_correlation(table, key=jr.key(1), fitting=FITTING), 1),
        "DTC": (dependence.dual_total_correlation(table, key=jr.key(1), fitting=FITTING), 2),
        "O-information": (dependence.o_information(table, key=jr.key(1), fitting=FITTING), -1),
        "interaction": (dependence.interaction_information(x, y, z, key=jr.key(1), fitting=FITTING), 1),
        "conditional": (dependence.mutual_information(x, y, z, key=jr.key(1), fitting=FITTING), 1),
        "labels": (dependence.o_information(table, kind="discrete", key=jr.key(1), fitting=FITTING), -1),
    }
    for name, (found, times) in measured.items():
        assert abs(found.value - times * np.log(2)) < 0.02 and found.stderr < 0.05, name
        assert found.converged, name
    assert (measured["TC"][0].p_value or 1) < 0.03


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_transfer_entropy_of_binary_series(kind):
    r"""$Y_t$ is $X_{t-1}$, flipped one time in ten: $\log 2 - h(0.1)$ one way, nothing the other way."""
    rng = np.random.default_rng(6)
    source, flipped = rng.integers(0, 2, NUM), rng.random(NUM) < 0.1
    target = np.where(flipped, 1 - np.roll(source, 1), np.roll(source, 1))
    kinds = dict(source_kind=kind, target_kind=kind)
    # What the same samples would give by counting, whose own error is that of finite data.
    counts = np.zeros((2, 2, 2))
    np.add.at(counts, (target[1:], source[:-1], target[:-1]), 1)
    counted = sum(of_table(part / part.sum()) * part.sum() for part in counts.transpose(2, 0, 1)) / (NUM - 1)
    forth = dependence.transfer_entropy(source, target, **kinds, key=jr.key(1), fitting=FITTING)
    back = dependence.transfer_entropy(target, source, **kinds, key=jr.key(1), fitting=FITTING)
    assert abs(forth.value - counted) < 0.01 and forth.converged
    assert abs(counted - (np.log(2) - entropy_of_coin(0.1))) < 4 * forth.stderr < 0.2
    assert abs(back.value) < 3 * back.stderr + 0.003 and back.stderr < 0.01


SHARES = np.array([0.1, 0.5, 0.8])


def genes():
    """A gene that is on in some cells of each kind, where its level tells nothing; and another that is on with it, nine
    times of ten."""
    rng = np.random.default_rng(21)
    cell = rng.integers(0, 3, NUM)
    on = rng.random(NUM) < SHARES[cell]
    other_on = np.where(rng.random(NUM) < 0.1, ~on, on)
    return cell, *(np.where(each, np.exp(rng.normal(size=NUM)), 0.0) for each in (on, other_on))


def test_a_zero_inflated_variable_and_labels():
    cell, gene, _ = genes()
    found = dependence.mutual_information(gene, cell, key=jr.key(1), fitting=FITTING)
    assert covers(found, entropy_of_coin(SHARES.mean()) - entropy_of_coin(SHARES).mean())
    assert found.stderr < 0.04 and (found.p_value or 1) <= 0.02


@pytest.mark.slow
def test_two_zero_inflated_variables():
    _, gene, other = genes()
    share = SHARES.mean()
    table = np.array([[0.9 * (1 - share), 0.1 * (1 - share)], [0.1 * share, 0.9 * share]])
    found = dependence.mutual_information(gene, other, key=jr.key(1), fitting=FITTING)
    assert covers(found, of_table(table)) and found.stderr < 0.06 and (found.p_value or 1) <= 0.03
    assert found.kinds["y"] == "continuous, with repeated values 0"


def test_kinds_are_said_and_told():
    rng = np.random.default_rng(7)
    spikes = rng.poisson(2.0, NUM)
    rate = spikes + rng.normal(size=NUM)
    measure = lambda **kinds: dependence.mutual_information(rate, spikes, key=jr.key(1), fitting=FITTING, **kinds)
    labels, numbers = measure(), measure(y_kind="continuous")
    assert labels.kinds["y"].endswith("labels") and numbers.kinds["y"].endswith("ordered values")
    assert labels.kinds["x"] == "continuous"
    assert abs(labels.value - numbers.value) < 0.1


@pytest.mark.slow
def test_ranks_need_not_be_promoted(monkeypatch):
    """With `jax_numpy_rank_promotion=raise`, which holds in all threads, as without it."""
    # One block, on one device: most of the time goes into compiling.
    monkeypatch.setattr("entropax.dependence._network._DEPTH", 1)
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(2, 240))
    short = dependence.CrossFitting(folds=2, steps=240, batch_size=64)
    before = jax.config.jax_numpy_rank_promotion  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_numpy_rank_promotion", "raise")
    try:
        with warnings.catch_warnings(), jax.default_device(jax.devices()[0]):
            warnings.simplefilter("ignore", dependence.ConvergenceWarning)
            table = np.stack([np.maximum(x, 0), y, rng.integers(0, 2, 240)], 1)
            found = dependence.total_correlation(table, key=jr.key(0), fitting=short)
    finally:
        jax.config.update("jax_numpy_rank_promotion", before)
    assert abs(found.value) < 4 * found.stderr + 0.02
    assert found.kinds == {"x": "1 × continuous, with repeated values 0, 1 × continuous, 1 × 2 ordered values"}


@pytest.mark.parametrize("num", [200, 201])
def test_labels_of_equal_numbers(num):
    """Half of the samples hold both labels, however evenly these alternate in the order of folds: of two variables that
    are equal, the information is the entropy."""
    x = np.random.default_rng(9).permutation(np.arange(num) % 2)
    for y in (x, 1 - x):
        # Warnings are errors.
        found = dependence.mutual_information(x, y, key=jr.key(1), fitting=FITTING)
        assert abs(found.value - np.log(2)) < 0.02 and found.converged
        assert abs(found.halved - np.log(2)) < 0.04


def test_an_estimate_below_what_counts_tell_is_named():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 30, 1_000)
    x, y = (of_numbers(column[:, None], jr.key(0), "x") for column in (counts, counts + rng.integers(0, 2, 1_000)))
    shares = np.r_[0.5, np.ones(29), 0.5] / 30
    exact = -(shares * np.log(shares)).sum() - np.log(2)
    with pytest.warns(ex.dependence.ResolutionWarning, match=r"2\.42 ± 0\.1 .* 2\.7\d by counting the 60 pairs"):
        check_counts(x, y, 2.42, 0.1)
    # Warnings are errors: not near the counted value, not where pairs hardly repeat, and not of labels.
    check_counts(x, y, exact - 0.15, 0.1)
    check_counts(x, of_numbers(rng.normal(size=(1_000, 1)), jr.key(0), "y"), 0.0, 0.01)
    check_counts(x, of_numbers(rng.integers(0, 30, (1_000, 1)), jr.key(0), "y"), -1.0, 0.01)


@pytest.mark.slow
def test_what_is_done_about_an_estimate_below_counts_is_right():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 30, 1_000)
    following = counts + rng.integers(0, 2, 1_000)
    shares = np.r_[0.5, np.ones(29), 0.5] / 30
    exact = -(shares * np.log(shares)).sum() - np.log(2)
    with pytest.warns(ex.dependence.ResolutionWarning, match=r"2\.7\d by counting the 60 pairs"):
        ex.dependence.mutual_information(counts, following, y_kind="continuous", key=jr.key(0))
    found = ex.dependence.mutual_information(
        counts, following, x_kind="discrete", y_kind="discrete", fitting=FITTING, key=jr.key(0)
    )
    assert abs(found.value - exact) < 3 * found.stderr
