import contextlib
from collections.abc import Iterator


class Refusal(Exception):
    """The command cannot do what was asked; the message tells the user in one line."""


@contextlib.contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Makes exceptions that are the user's to mend, not ours, into a [`Refusal`][]."""
    try:
        yield
    except kinds as error:
        raise Refusal(str(error)) from error
