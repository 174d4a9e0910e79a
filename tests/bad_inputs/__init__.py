"""Bad inputs by area, one module an area: each module lists in `INPUTS` what a user may type by mistake."""

from collections.abc import Callable
from typing import NamedTuple


class BadInput(NamedTuple):
    """A call that must be refused.

    **Arguments:**

    - `name`: what is wrong, in a few words; unique within its area.
    - `call`: makes the mistake, when called without arguments. What it needs is made inside it.
    - `error`: the class of the error, or of the warning, that must be raised.
    - `says`: parts of the message, in their order: the argument, what was found, what is wanted.
    """

    name: str
    call: Callable[[], object]
    error: type[Exception]
    says: tuple[str, ...]
