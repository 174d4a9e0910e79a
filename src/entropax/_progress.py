"""Whether anyone sees how work goes on."""

import sys

from .parallel import leads


def is_seen() -> bool:
    """Whether this process speaks for its job, and its standard error is a terminal. It may be closed, or not there at
    all, as under `2>&-` and in programs without a console: then no bar can be drawn, and none is needed."""
    try:
        return leads() and sys.stderr is not None and sys.stderr.isatty()
    # Of a closed stream it is a `ValueError`; what stands in its place need not have the method.
    except (AttributeError, OSError, ValueError):
        return False
