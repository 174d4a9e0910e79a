"""Checks of arguments accept what is right, refuse what is wrong by name, and let traced values pass."""

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax import _arguments as arguments


@pytest.mark.parametrize("value", [1, 2.5, np.float32(1e-30), jnp.ones(()), np.array(2), jnp.bfloat16(2)])
def test_positive_numbers(value):
    arguments.check_positive(rate=value)
    arguments.check_not_negative(rate=value)


@pytest.mark.parametrize(
    "value",
    [0, -1.0, np.nan, np.inf, jnp.ones(3), [1.0], np.ma.masked, None, "1", True, [1.0, None], 1j, jnp.bfloat16(-1)],
)
def test_numbers_that_are_not_positive(value):
    with pytest.raises(ValueError, match="`rate` must be .*positive and finite; got"):
        arguments.check_positive(other=1.0, rate=value)


def test_pairs_of_numbers():
    arguments.check_less(low=-np.inf, high=jnp.ones(()))
    arguments.check_at_most(low=1, high=1.0)
    arguments.check_interval("ends", [jnp.zeros(()), 1])
    for low, high in ((1, 1), (np.nan, 1), (0, np.nan)):
        with pytest.raises(ValueError, match="`low` must be less than `high`; got"):
            arguments.check_less(low=low, high=high)
    with pytest.raises(ValueError, match=r"`high` must be one number, above `low`; got an array of shape \(1,\)."):
        arguments.check_less(low=0, high=np.ones(1))
    for ends in ((1, 0), (0, np.inf), (0,), 3, None, np.zeros(())):
        with pytest.raises(ValueError, match="`ends` must be two finite numbers that increase; got"):
            arguments.check_interval("ends", ends)


def test_shares():
    arguments.check_share(part=0, other=np.float32(1))
    for value in (-0.1, 1.1, np.nan, "a", [0.5]):
        with pytest.raises(ValueError, match="`part` must be .*from 0 to 1; got"):
            arguments.check_share(part=value)


def test_sequences():
    for widths in ((8, 16), [8, 16], np.array([8, 16]), jnp.array([8, 16])):
        assert arguments.check_wholes("widths", widths, 1) == (8, 16)
    for widths, message in (
        (3, "`widths` must be a tuple of whole numbers; got 3"),
        ((8, 0), r"`widths\[1\]` must be"),
    ):
        with pytest.raises(ValueError, match=message):
            arguments.check_wholes("widths", widths, 1)
    for shape in ([2, 3], 3, (2, 0), (2, 1.5)):
        with pytest.raises(ValueError, match="`shape` must be a"):
            arguments.check_shape("shape", shape)


def test_precisions():
    assert arguments.check_dtype("dtype", "bfloat16") == jnp.bfloat16
    for dtype in (None, "abc", jnp.int32, 3):
        with pytest.raises(ValueError, match="`dtype` must be a dtype of floats, such as jax.numpy.float32; got"):
            arguments.check_dtype("dtype", dtype)


def test_zero_is_not_negative():
    arguments.check_not_negative(rtol=0.0, atol=jnp.zeros(()))
    for value in (-1e-9, np.nan, np.inf, "0"):
        with pytest.raises(ValueError, match="`atol` must be .*finite and not negative; got"):
            arguments.check_not_negative(rtol=0.0, atol=value)


def test_whole_numbers():
    for value in (3, np.int64(7)):
        arguments.check_whole("steps", value, 3)
    for value in (2, 3.0, 3.5, True, "4", None, np.float32(4), np.nan):
        with pytest.raises(ValueError, match="`steps` must be a whole number, at least 3; got"):
            arguments.check_whole("steps", value, 3)


def test_instances():
    arguments.check_instance("solver", diffrax.Heun(), diffrax.AbstractSolver)
    arguments.check_instance("clock", None, (ex.AbstractProcess, type(None)))
    mistakes = {
        diffrax.Heun: r"got the class diffrax.Heun. Write `Heun\(...\)`",
        dict: "got the class dict. Say it thus.",
        len: "got a function, len. Say it thus.",
        "Heun": "got str, 'Heun'. Say it thus.",
    }
    for value, message in mistakes.items():
        with pytest.raises(ValueError, match=f"`solver` must be an instance of diffrax.AbstractSolver; {message}"):
            arguments.check_instance("solver", value, diffrax.AbstractSolver, "Say it thus.")
    with pytest.raises(ValueError, match="instance of entropax.AbstractProcess; got int, 3.$"):
        arguments.check_instance("clock", 3, (ex.AbstractProcess, type(None)))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_keys(impl):
    arguments.check_key(jr.key(0, impl=impl))
    jax.vmap(lambda key: arguments.check_key(key))(jr.split(jr.key(0, impl=impl), 2))


@pytest.mark.parametrize(
    "key, message",
    [
        (3, r"got 3. Write key=jax.random.key\(3\)."),
        (np.int64(3), r"got 3. Write key=jax.random.key\(3\)."),
        (None, r"got None. Write key=jax.random.key\(0\)"),
        (True, "got True. Write"),
        (
            jr.PRNGKey(0),
            r"dtype uint32 and shape \(2,\), as of `jax.random.PRNGKey`. Write key=jax.random.wrap_key",
        ),
        (np.array([0, 3], np.uint32), r"dtype uint32 and shape \(2,\), as of"),
        (np.zeros(2), r"dtype float64 and shape \(2,\). Write"),
        (jr.split(jr.key(0), 3), r"got an array of keys of shape \(3,\). Give one of them, such as key\[0\]"),
        (np.random.default_rng(0), "got Generator"),
    ],
)
def test_what_is_no_key(key, message):
    with pytest.raises(ValueError, match=f"`key` must be a key of `jax.random.key`; .*{message}"):
        arguments.check_key(key)


def test_traced_values_pass():
    @jax.jit
    def build(value):
        arguments.check_positive(value=value)
        arguments.check_not_negative(value=value)
        arguments.check_whole("value", value, 3)
        arguments.check_interval("ends", (value, 0.0))
        return value

    assert build(-1) == -1
