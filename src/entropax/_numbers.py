"""Checks of arguments that are one number each."""

from jax.core import Tracer

from ._arguments import check_finite, check_not_negative


def check_number(**values: object) -> None:
    """Refuses arguments, given by their names, that are not one finite number: arrays with an axis and lists too.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    for name, value in values.items():
        shape = getattr(value, "shape", ())
        if isinstance(value, list | tuple) or shape != ():
            found = f"an array of shape {shape}" if shape != () else f"a {type(value).__name__}, {value!r:.80}"
            raise ValueError(f"`{name}` must be one number; got {found}.")
        check_finite(**{name: value})


def check_share(name: str, value: object) -> None:
    """Refuses what is not one number from 0 to 1.

    **Raises:** `ValueError` that names the argument and what was found.
    """
    check_number(**{name: value})
    check_not_negative(**{name: value})
    if not isinstance(value, Tracer) and value > 1:  # pyright: ignore[reportOperatorIssue]
        raise ValueError(f"`{name}` must be a share, from 0 to 1; got {value}.")
