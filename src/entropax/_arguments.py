"""Checks of what a user gives as an argument. Traced values pass: their numbers do not exist yet."""

import inspect
import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import PRNGKeyArray


def check_positive(**values: object) -> None:
    """Refuses arguments, given by their names, that are not one number each, positive and finite.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    for name, value in values.items():
        known = _concrete(name, value, "positive and finite")
        if known is not None and not 0 < known < np.inf:
            raise ValueError(f"`{name}` must be positive and finite; got {value}.")


def check_not_negative(**values: object) -> None:
    """Refuses arguments, given by their names, that are not one number each, finite and not negative.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    for name, value in values.items():
        known = _concrete(name, value, "finite and not negative")
        if known is not None and not 0 <= known < np.inf:
            raise ValueError(f"`{name}` must be finite and not negative; got {value}.")


def check_at_most(**values: object) -> None:
    """Refuses two numbers, given by their names in order, of which the first is greater than the second.

    **Raises:** `ValueError` that names both and what was found.
    """
    (first, low), (second, high) = values.items()
    known = _concrete(first, low, f"at most `{second}`"), _concrete(second, high, f"at least `{first}`")
    if known[0] is not None and known[1] is not None and not known[0] <= known[1]:
        raise ValueError(f"`{first}` must be at most `{second}`; got {low} and {high}.")


def check_less(**values: object) -> None:
    """Refuses two numbers, given by their names in order, of which the first is not less than the second; both may be
    infinite.

    **Raises:** `ValueError` that names both and what was found.
    """
    (first, low), (second, high) = values.items()
    known = _concrete(first, low, f"less than `{second}`"), _concrete(second, high, f"above `{first}`")
    if known[0] is not None and known[1] is not None and not known[0] < known[1]:
        raise ValueError(f"`{first}` must be less than `{second}`; got {low} and {high}.")


def check_interval(name: str, ends: Any) -> None:
    """Refuses what is not a pair of finite numbers that increase.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    wanted = f"`{name}` must be two finite numbers that increase; got"
    if not isinstance(ends, (tuple, list, np.ndarray, jax.Array)) or _length(ends) != 2:
        raise ValueError(f"{wanted} {_short(ends)}.")
    low, high = (_concrete(name, end, "one of two that increase") for end in ends)
    if low is not None and high is not None and not -np.inf < low < high < np.inf:
        raise ValueError(f"{wanted} ({low:g}, {high:g}).")


def check_finite(**values: object) -> None:
    """Refuses arguments, given by their names, that are not one finite number each.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    for name, value in values.items():
        known = _concrete(name, value, "finite")
        if known is not None and not np.isfinite(known):
            raise ValueError(f"`{name}` must be finite; got {value}.")


def check_share(**values: object) -> None:
    """Refuses arguments, given by their names, that are not one number each, from 0 to 1.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    for name, value in values.items():
        known = _concrete(name, value, "from 0 to 1")
        if known is not None and not 0 <= known <= 1:
            raise ValueError(f"`{name}` must be a share, from 0 to 1; got {value}.")


def check_whole(name: str, value: object, least: int) -> None:
    """Refuses what is not an integer of at least `least`. Booleans and whole floats are refused too.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    if isinstance(value, Tracer):
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise ValueError(f"`{name}` must be a whole number, at least {least}; got {value!r}.")


def check_wholes(name: str, values: Any, least: int) -> tuple[int, ...]:
    """The whole numbers of a sequence, of at least `least` each.

    **Raises:** `ValueError` that names the argument, or the entry, and what was found.
    """
    entries = as_sequence(name, values, "whole numbers")
    for place, value in enumerate(entries):
        check_whole(f"{name}[{place}]", value, least)
    return tuple(int(value) for value in entries)


def check_shape(name: str, shape: object) -> None:
    """Refuses what is not the shape of an array with entries, a tuple of positive whole numbers.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    if not isinstance(shape, tuple):
        raise ValueError(f"`{name}` must be a tuple of whole numbers; got {_short(shape)}.")
    for size in shape:
        check_whole(name, size, least=1)


def as_sequence(name: str, values: Any, of: str) -> tuple:
    """The entries of a tuple, a list or an array of one axis.

    **Arguments:**

    - `name`: of the argument.
    - `values`: what was given.
    - `of`: what its entries are to be, for the error.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    if isinstance(values, jax.Array) and not isinstance(values, Tracer):
        values = np.asarray(values)
    is_array = isinstance(values, (np.ndarray, jax.Array)) and values.ndim == 1
    if not is_array and (not isinstance(values, Sequence) or isinstance(values, (str, bytes))):
        raise ValueError(f"`{name}` must be a tuple of {of}; got {_short(values)}.")
    return tuple(values)


def check_callable(name: str, value: object, of: str) -> None:
    """Refuses what is no function, nor an object that can be called like one; a class above all, whose parentheses
    were forgotten.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    if not callable(value) or inspect.isclass(value):
        raise ValueError(f"`{name}` must be a function of {of}; got {_short(value)}.")


def check_dtype(name: str, dtype: Any) -> np.dtype:
    """The precision that an argument names.

    **Raises:** `ValueError` where it is none of floats.
    """
    try:
        # To NumPy, None is float64.
        found = np.dtype(object) if dtype is None else jnp.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if not jnp.issubdtype(found, jnp.floating):
        raise ValueError(f"`{name}` must be a dtype of floats, such as jax.numpy.float32; got {_short(dtype)}.")
    return found


def check_instance(name: str, value: object, kind: type | tuple[type, ...], instead: str = "") -> None:
    """Refuses what is not an instance of a class, or of one of several; most often the class itself, whose
    parentheses were forgotten.

    **Arguments:**

    - `name`: of the argument.
    - `value`: what was given.
    - `kind`: the class or the classes.
    - `instead`: a sentence that says what to write, for a value that is not a class.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    if isinstance(value, kind):
        return
    kinds = kind if isinstance(kind, tuple) else (kind,)
    wanted = " or ".join(_name(each) for each in kinds if each is not type(None))
    if inspect.isclass(value):
        fits = issubclass(value, kinds)
        found = f"the class {_name(value)}"
        instead = f"Write `{value.__name__}(...)`, with its arguments in the parentheses." if fits else instead
    elif inspect.isroutine(value):
        found = f"a function, {value.__name__}"
    else:
        found = f"{type(value).__name__}, {_short(value)}"
    raise ValueError(f"`{name}` must be an instance of {wanted}; got {found}. {instead}".rstrip())


def check_key(key: object, name: str = "key") -> PRNGKeyArray:
    """The key, unless it is something else than one key of `jax.random.key`.

    **Raises:** `ValueError` that names the argument, what was found, and what to write.
    """
    wanted = f"`{name}` must be a key of `jax.random.key`; got"
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.shape == ():
            return key
        raise ValueError(f"{wanted} an array of keys of shape {key.shape}. Give one of them, such as {name}[0].")
    if isinstance(key, numbers.Integral) and not isinstance(key, bool):
        raise ValueError(f"{wanted} {key}. Write {name}=jax.random.key({key}).")
    if isinstance(key, (jax.Array, np.ndarray)):
        found = f"an array of dtype {key.dtype} and shape {key.shape}"
        if key.dtype == np.uint32:
            raise ValueError(
                f"{wanted} {found}, as of `jax.random.PRNGKey`. Write {name}=jax.random.wrap_key_data({name})."
            )
        raise ValueError(f"{wanted} {found}. Write {name}=jax.random.key(0), with any whole number as the seed.")
    raise ValueError(f"{wanted} {_short(key)}. Write {name}=jax.random.key(0), with any whole number as the seed.")


def _concrete(name, value, wanted) -> float | None:
    """The one number that an argument is; `None` where this process cannot read it."""
    # Lists, texts of digits and truth values are mistakes that NumPy would read as numbers.
    is_array = isinstance(value, (np.ndarray, np.generic, jax.Array))
    array = value if is_array else np.asarray(value if isinstance(value, numbers.Real) else None)
    is_real = any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer))
    if not is_real or isinstance(value, bool) or np.ma.is_masked(value):
        raise ValueError(f"`{name}` must be a number, {wanted}; got {_short(value)}.")
    if array.shape != ():
        raise ValueError(f"`{name}` must be one number, {wanted}; got an array of shape {array.shape}.")
    if isinstance(value, Tracer) or (isinstance(value, jax.Array) and not value.is_fully_addressable):
        return None
    return float(array)


def _length(values: tuple | list | np.ndarray | jax.Array) -> int:
    return len(values) if isinstance(values, (tuple, list)) or values.ndim else 0


def _name(cls: type) -> str:
    return f"{cls.__module__.split('.')[0]}.{cls.__name__}".removeprefix("builtins.")


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
