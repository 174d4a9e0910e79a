import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from entropax.data.images import augment, random_flip, random_shift


HEIGHT, WIDTH = 7, 9

flip = jax.jit(random_flip, static_argnums=2)
shift = jax.jit(random_shift, static_argnums=2)


def coordinates(num):
    """Images whose two channels say the row and the column of each pixel."""
    both = np.indices((HEIGHT, WIDTH)).astype(np.uint8)
    return jnp.asarray(np.broadcast_to(both, (num, 2, HEIGHT, WIDTH)))


def test_a_flip_is_an_involution(getkey):
    batch, key = jr.bits(getkey(), (50, 3, HEIGHT, WIDTH), jnp.uint8), getkey()
    once = flip(key, batch, 0.5)
    np.testing.assert_array_equal(flip(key, once, 0.5), batch)
    changed = np.asarray((once != batch).any((1, 2, 3)))
    assert 10 < changed.sum() < 40
    np.testing.assert_array_equal(once[changed], np.asarray(batch)[changed][..., ::-1])
    np.testing.assert_array_equal(flip(key, batch, 0.0), batch)
    np.testing.assert_array_equal(flip(key, batch, 1.0), batch[..., ::-1])


def test_a_shift_moves_the_content_by_its_offset_and_repeats_the_edge(getkey):
    num, most = 3_000, 2
    batch = coordinates(num)
    found = np.asarray(shift(getkey(), batch, most)).astype(int)
    # The pixel in the middle says where it has come from.
    a = HEIGHT // 2 - found[:, 0, HEIGHT // 2, WIDTH // 2]
    b = WIDTH // 2 - found[:, 1, HEIGHT // 2, WIDTH // 2]
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    np.testing.assert_array_equal(found[:, 0], np.clip(rows - a[:, None, None], 0, HEIGHT - 1))
    np.testing.assert_array_equal(found[:, 1], np.clip(columns - b[:, None, None], 0, WIDTH - 1))
    # All 25 offsets are as likely, and there are no others: chi-squared, 24 degrees of freedom.
    counts = np.zeros((5, 5))
    np.add.at(counts, (a + most, b + most), 1)
    statistic = ((counts - num / 25) ** 2).sum() / (num / 25)
    assert abs(statistic - 24) < 4.5 * np.sqrt(48)
    np.testing.assert_array_equal(shift(getkey(), batch, 0), batch)


def test_the_expectation_is_the_mean_over_all_flips_and_shifts(getkey):
    num, most, probability = 60_000, 1, 0.25
    image = np.asarray(jr.normal(getkey(), (2, HEIGHT, WIDTH)), np.float64)
    exact, square = np.zeros_like(image), np.zeros_like(image)
    for flipped, weight in ((image, 1 - probability), (image[..., ::-1], probability)):
        padded = np.pad(flipped, ((0, 0), (most, most), (most, most)), mode="edge")
        for a in range(3):
            for b in range(3):
                window = padded[:, a : a + HEIGHT, b : b + WIDTH]
                exact += weight / 9 * window
                square += weight / 9 * window**2
    batch = jnp.broadcast_to(jnp.asarray(image, jnp.float32), (num, *image.shape))
    run = jax.jit(functools.partial(augment, flip=probability, shift=most))
    found = np.asarray(run(getkey(), batch), np.float64)
    std = np.sqrt(np.maximum(square - exact**2, 0))
    np.testing.assert_array_less(np.abs(found.mean(0) - exact), 4.5 * std / np.sqrt(num) + 1e-6)


def test_the_key_decides_and_none_leaves_the_batch(getkey):
    batch, key = jr.bits(getkey(), (20, 1, HEIGHT, WIDTH), jnp.uint8), getkey()
    run = jax.jit(functools.partial(augment, flip=0.5, shift=2))
    np.testing.assert_array_equal(run(key, batch), augment(key, batch, flip=0.5, shift=2))
    assert not np.array_equal(run(key, batch), run(getkey(), batch))
    np.testing.assert_array_equal(augment(key, batch, flip=0.0, shift=0), batch)


def test_refusals(getkey):
    batch = coordinates(2)
    with pytest.raises(ValueError, match="`probability` must be from 0 to 1; got 1.5"):
        random_flip(getkey(), batch, 1.5)
    for most in (-1, HEIGHT):
        with pytest.raises(ValueError, match="`most` must be at least 0 and less than 7, the least side"):
            random_shift(getkey(), batch, most)
