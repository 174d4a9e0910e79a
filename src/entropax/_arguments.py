"""Checks of what a user gives as an argument. Traced values pass: their numbers do not exist yet."""

import inspect
import numbers

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import PRNGKeyArray


def check_positive(**values: object) -> None:
    """Refuses arguments, given by their names, that are not positive and finite; of an array, any entry.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    for name, value in values.items():
        known = _concrete(name, value, "positive and finite")
        if known is not None and not (np.isfinite(known) & (known > 0)).all():
            raise ValueError(f"`{name}` must be positive and finite; got {value}.")


def check_not_negative(**values: object) -> None:
    """Refuses arguments, given by their names, that are negative or not finite; of an array, any entry.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    for name, value in values.items():
        known = _concrete(name, value, "finite and not negative")
        if known is not None and not (np.isfinite(known) & (known >= 0)).all():
            raise ValueError(f"`{name}` must be finite and not negative; got {value}.")


def check_at_most(**values: object) -> None:
    """Refuses two numbers, given by their names in order, of which the first is greater than the second.

    **Raises:** `ValueError` that names both and what was found.
    """
    (first, low), (second, high) = values.items()
    known = _concrete(first, low, "finite"), _concrete(second, high, "finite")
    if known[0] is not None and known[1] is not None and not (known[0] <= known[1]).all():
        raise ValueError(f"`{first}` must be at most `{second}`; got {low} and {high}.")


def check_finite(**values: object) -> None:
    """Refuses arguments, given by their names, that are not finite numbers; of an array, any entry.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    for name, value in values.items():
        known = _concrete(name, value, "finite")
        if known is not None and not np.isfinite(known).all():
            raise ValueError(f"`{name}` must be finite; got {value}.")


def check_whole(name: str, value: object, least: int) -> None:
    """Refuses what is not an integer of at least `least`. Booleans and whole floats are refused too.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    if isinstance(value, Tracer):
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise ValueError(f"`{name}` must be a whole number, at least {least}; got {value!r}.")


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


def _concrete(name, value, wanted) -> np.ndarray | None:
    """The numbers of an argument; `None` for those that this process cannot read."""
    if isinstance(value, Tracer) or (isinstance(value, jax.Array) and not value.is_fully_addressable):
        return None
    # A text of digits, or a truth value, is a mistake that NumPy would read as a number.
    known = np.asarray(None if isinstance(value, (str, bytes, bool)) else value)
    if not any(jnp.issubdtype(known.dtype, kind) for kind in (jnp.floating, jnp.integer)):
        raise ValueError(f"`{name}` must be a number, {wanted}; got {_short(value)}.")
    return known.astype(np.float64)


def _name(cls: type) -> str:
    return f"{cls.__module__.split('.')[0]}.{cls.__name__}".removeprefix("builtins.")


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
