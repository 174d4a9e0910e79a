"""What is said at the shell, whatever becomes of the terminal."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from rich.console import Console

from .._progress import is_seen


# What our own texts hold beyond ASCII; `…` is where rich cuts a cell off.
_ASCII = str.maketrans({"±": "+/-", "…": "...", "–": "-", "λ": "lambda", "Ω": "Omega", "²": "^2"})

# The exit code of a program that lost some of its output, and of one whose reader went away, as shells report it.
LOST = 1
READER_GONE = 128 + signal.SIGPIPE


def encodable(text: str, encoding: str | None) -> str:
    """The text, or what an encoding such as ASCII can hold of it: `+/-` for `±`, `?` for what has no other form."""
    encoding = encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text


def show(draw: Callable[[Console], None]) -> int:
    """Prints to standard output.

    **Arguments:**

    - `draw`: prints to the console that it is given. Cells of tables should be [`encodable`][], so that columns align.

    **Returns:** the exit code: 0, `READER_GONE` where nobody reads, `LOST`, with a word on stderr, where the text
        cannot be written.
    """
    stream = sys.stdout
    if stream is None or stream.closed:
        tell("entropax: standard output is closed, so that nothing could be printed.")
        return LOST
    try:
        console = Console(file=stream, highlight=False, markup=False)
        # All at once: what rich prints itself it ends the process by if nobody reads.
        with console.capture() as captured:
            draw(console)
        stream.write(encodable(captured.get(), stream.encoding))
        stream.flush()
    except BrokenPipeError:
        _give_up(stream)
        return READER_GONE
    except OSError as error:
        _give_up(stream)
        tell(f"entropax: standard output could not be written: {error.strerror}.")
        return LOST
    return 0


def tell(text: str) -> None:
    """Prints one line to standard error, if that can be done."""
    stream = sys.stderr
    if stream is not None:
        # Of a stream that was closed it is a `ValueError`.
        with contextlib.suppress(OSError, ValueError):
            stream.write(f"{encodable(text, stream.encoding)}\n")
            stream.flush()


@contextlib.contextmanager
def busy(text: str) -> Iterator[None]:
    """Shows on a terminal that work goes on."""
    if not is_seen():
        yield
        return
    status = Console(stderr=True).status(text)
    # A terminal that went away is no reason to stop.
    with contextlib.suppress(OSError):
        status.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            status.stop()


def _give_up(stream) -> None:
    """Lets what is still in the buffer go nowhere, so that Python does not fail on it when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
