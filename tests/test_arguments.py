"""Checks of arguments accept what is right, refuse what is wrong by name, and let traced values pass."""

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax import _arguments as arguments


@pytest.mark.parametrize("value", [1, 2.5, np.float32(1e-30), jnp.ones(3), np.array([1, 2]), jnp.bfloat16(2)])
def test_positive_numbers(value):
    arguments.check_positive(rate=value)
    arguments.check_not_negative(rate=value)


@pytest.mark.parametrize(
    "value", [0, -1.0, np.nan, np.inf, jnp.array([1.0, -2.0]), None, "1", True, [1.0, None], 1j, jnp.bfloat16(-1)]
)
def test_numbers_that_are_not_positive(value):
    with pytest.raises(ValueError, match="`rate` must be .*positive and finite; got"):
        arguments.check_positive(other=1.0, rate=value)


def test_zero_is_not_negative():
    arguments.check_not_negative(rtol=0.0, atol=jnp.zeros(2))
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
        return value

    assert build(-1) == -1
