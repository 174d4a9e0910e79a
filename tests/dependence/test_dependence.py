"""What an estimate says of itself."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from entropax.dependence import Dependence
from entropax.dependence._dependence import MISSING, stderr_of_fits
from entropax.dependence._quantities import of_shares


@pytest.mark.parametrize(
    ("rate", "covers"), [(1.0, True), (np.log2(1.5), True), (0.5, True), (0.25, True), (0.15, False)]
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_what_fits_of_a_slow_rate_miss(rate, covers, sign):
    """An error that falls as N^(-rate) is 2^rate times as large for half of the samples."""
    exact, missing = 1.0, sign * 0.01
    fitted, halved = exact - missing, exact - missing * 2**rate
    value = fitted + MISSING * (fitted - halved)
    stderr = stderr_of_fits(fitted, halved, [value], alone=0.0, beyond=0.0)
    shares = of_shares(np.full(100, value))
    found = Dependence(dataclasses.replace(shares, stderr_nodes=jnp.asarray(stderr)), shares, fitted, halved)
    low, high = found.interval()
    assert (low < exact < high) == covers
    if rate == np.log2(1.5):
        np.testing.assert_allclose(found.value, exact, rtol=1e-6)
