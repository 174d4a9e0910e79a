import contextlib
from collections.abc import Iterator


class Refusal(Exception):
    """The command cannot do what was asked; the message tells the user in one line."""


class Interruption(KeyboardInterrupt):
    """The user stopped the command; the message says what was kept."""


@contextlib.contextmanager
def refusing(*kinds: type[Exception], about: str = "") -> Iterator[None]:
    """Makes exceptions that are the user's to mend, not ours, into a [`Refusal`][].

    **Arguments:**

    - `kinds`: of exceptions.
    - `about`: the option that the message shall begin with.
    """
    try:
        yield
    except kinds as error:
        raise Refusal(f"{about}: {error}" if about else str(error)) from error
