import collections
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from entropax.data import batch_rows, process_rows


def epochs(key, num, batch_size, count):
    """The rows of the first epochs, shape `(count, steps, batch_size)`."""
    steps = jnp.arange(count * (num // batch_size))
    rows = jax.jit(jax.vmap(lambda step: batch_rows(key, step, num, batch_size)))(steps)
    return np.asarray(rows).reshape(count, -1, batch_size)


@pytest.mark.parametrize("num, batch_size", [(1, 1), (2, 1), (7, 7), (1000, 40), (1024, 32)])
def test_an_epoch_covers_each_sample_exactly_once(getkey, num, batch_size):
    for rows in epochs(getkey(), num, batch_size, 3):
        np.testing.assert_array_equal(np.sort(rows, axis=None), np.arange(num))


def test_an_incomplete_batch_is_left_out_others_each_time(getkey):
    num, batch_size = 11, 4
    found = epochs(getkey(), num, batch_size, 200).reshape(200, -1)
    left_out = collections.Counter()
    for rows in found:
        assert len(set(rows.tolist())) == 8 and 0 <= rows.min() and rows.max() < num
        left_out.update(set(range(num)) - set(rows.tolist()))
    # Each of the eleven is left out 3/11 of the time.
    counts = np.asarray([left_out[k] for k in range(num)])
    assert np.abs(counts - 200 * 3 / 11).max() < 4.5 * math.sqrt(200 * 3 / 11 * 8 / 11)


def test_a_step_is_the_same_after_a_restart_eager_jitted_and_in_a_scan(getkey):
    key = getkey()
    run = jax.jit(batch_rows, static_argnums=(2, 3))
    _, scanned = jax.lax.scan(lambda carry, step: (carry, batch_rows(key, step, 50, 8)), 0, jnp.arange(20))
    for step in (0, 5, 6, 17, 19):
        np.testing.assert_array_equal(run(key, step, 50, 8), scanned[step])
    np.testing.assert_array_equal(batch_rows(key, 17, 50, 8), scanned[17])
    assert not np.array_equal(run(getkey(), 0, 50, 8), scanned[0])


def test_epochs_differ(getkey):
    first, second = epochs(getkey(), 1000, 100, 2).reshape(2, -1)
    # Two random orders agree in one place on average.
    assert (first == second).sum() < 8 and not np.array_equal(first, np.arange(1000))


@pytest.mark.parametrize("processes", [2, 3])
def test_the_shares_of_all_processes_are_the_batch_of_one(getkey, processes):
    key, steps = getkey(), jnp.asarray([0, 1, 1_000_003])
    whole = jax.jit(jax.vmap(lambda step: batch_rows(key, step, 1000, 24)))(steps)
    for k in range(processes):
        share = jax.jit(jax.vmap(lambda step: process_rows(key, step, 1000, 24, process=k, processes=processes)))(steps)
        np.testing.assert_array_equal(share, whole[:, k * 24 // processes : (k + 1) * 24 // processes])


@pytest.mark.parametrize("num", [3, 5, 10])
def test_orders_of_few_samples_are_as_likely(getkey, num):
    draws = 20_000
    run = jax.jit(jax.vmap(lambda key: batch_rows(key, 0, num, num)[: min(num, 4)]))
    rows = np.asarray(run(jr.split(getkey(), draws)))
    # The first four of the order, of which there are at most 5040, by the chi-squared test.
    kinds = math.perm(num, min(num, 4))
    counts = np.zeros(kinds)
    found = np.unique(rows, axis=0, return_counts=True)[1]
    counts[: len(found)] = found
    statistic = ((counts - draws / kinds) ** 2).sum() / (draws / kinds)
    assert abs(statistic - (kinds - 1)) < 4.5 * math.sqrt(2 * (kinds - 1))


def test_batch_means_vary_as_without_replacement(getkey):
    # In data with an order, which the rectangle that rows are permuted on must not show: num = 40² - 7, 40 columns.
    num, batch_size = 1593, 59
    rows, place = epochs(getkey(), num, batch_size, 150), np.arange(num)
    exact = (num - batch_size) / (num - 1) / batch_size
    for x in (place, place % 40, place // 40, place % 2):
        means = ((x - x.mean()) / x.std())[rows].mean(-1)
        assert abs(means.mean()) < 1e-12
        # Those of an epoch sum to zero: 27 of them have 26 degrees of freedom.
        found = (means**2).mean() / exact
        assert abs(found - 1) < 4.5 * math.sqrt(2 / (150 * 26))


def test_samples_meet_in_a_batch_as_often_as_by_chance(getkey):
    num, batch_size, count = 100, 10, 3_000
    rows = epochs(getkey(), num, batch_size, count)
    batch_of = np.argsort(rows.reshape(count, -1), axis=1) // batch_size
    meetings = np.sum([np.equal.outer(one, one).astype(int) for one in batch_of], 0)[np.triu_indices(num, 1)]
    chance = (batch_size - 1) / (num - 1)
    z = (meetings - count * chance) / math.sqrt(count * chance * (1 - chance))
    assert np.abs(z).max() < 5 and abs(z.var() - 1) < 4.5 * math.sqrt(2 / len(z))


def test_no_order_is_kept_however_many_samples_there_are(getkey):
    # One order of them would take 40 MB.
    key, num = getkey(), 10_000_019
    run = jax.jit(batch_rows, static_argnums=(2, 3)).lower(key, 0, num, 64).compile()
    memory = run.memory_analysis()
    assert memory is not None and memory.temp_size_in_bytes < 4_000_000
    rows = np.asarray(run(key, 3))
    assert len(set(rows.tolist())) == 64 and 0 <= rows.min() and rows.max() < num


def test_refusals():
    key = jr.key(0)
    for batch_size in (0, 11):
        with pytest.raises(ValueError, match="`batch_size` must be from 1 to `num`, 10"):
            batch_rows(key, 0, 10, batch_size)
    with pytest.raises(ValueError, match="`processes` must divide `batch_size`, 8; got 3"):
        process_rows(key, 0, 10, 8, process=0, processes=3)
    with pytest.raises(ValueError, match="`process` must be from 0 to 1; got 2"):
        process_rows(key, 0, 10, 8, process=2, processes=2)
