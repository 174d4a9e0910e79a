"""Whether anyone sees how work goes on."""

import logging
import sys
import threading
import time

from tqdm import tqdm

from .parallel import leads


# A bar is shown of work that takes longer, and a line is logged so often, in seconds.
_PATIENCE, _MINUTE = 2.0, 60.0

_LOGGER = logging.getLogger("entropax")


def is_seen() -> bool:
    """Whether this process speaks for its job, and its standard error is a terminal or a notebook's. It may be closed,
    or not there at all, as under `2>&-` and in programs without a console: then no bar can be drawn, and none is
    needed."""
    try:
        return leads() and sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    # Of a closed stream it is a `ValueError`; what stands in its place need not have the method.
    except (AttributeError, OSError, ValueError):
        return False


class Progress:
    """A bar in terminals and notebooks, and a line a minute for those who listen to the logger `entropax`.

    **Arguments:**

    - `name`: of the work.
    """

    def __init__(self, name: str):
        self._bar = tqdm(desc=name, total=0, leave=False, delay=_PATIENCE, disable=not is_seen(), unit="step")
        self._name, self._done, self._total, self._lock = name, 0, 0, threading.Lock()
        self._said = time.monotonic()

    @staticmethod
    def is_shown() -> bool:
        """Whether anyone would see it."""
        return is_seen() or (leads() and _LOGGER.isEnabledFor(logging.INFO))

    def expect(self, steps: int) -> None:
        """Adds to the steps that there are."""
        with self._lock:
            self._total += steps
            self._bar.total = self._total
            self._bar.refresh()

    def update(self, steps: int = 1) -> None:
        """Adds to the steps that are done. Any thread may call it."""
        with self._lock:
            self._done += steps
            self._bar.update(steps)
            if time.monotonic() - self._said > _MINUTE and self.is_shown():
                self._said = time.monotonic()
                _LOGGER.info("%s: %d of %d steps", self._name, self._done, self._total)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
