from concurrent.futures import Future, ThreadPoolExecutor

import jax
import numpy as np
from jaxtyping import PyTree

from ..parallel import gather, leads, together
from ._checkpoint import Checkpoints, import_orbax


class Writer:
    """Writes the checkpoints of a training beside it: states are copied to the host, and a thread takes them to the
    disk, one at a time. Of several processes the first writes.

    **Arguments:**

    - `checkpoints`: where to; nothing is written without.
    """

    def __init__(self, checkpoints: Checkpoints | None):
        self._checkpoints = checkpoints
        if checkpoints is not None:
            # Here, and not in the thread: filters of warnings are those of all threads.
            import_orbax()
        self._pool = ThreadPoolExecutor(1)
        self._pending: Future | None = None

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            self.wait()
        finally:
            self._pool.shutdown()
        if kind is None and self._checkpoints is not None:
            # So that no process looks for what the first has not written yet.
            together("checkpoints")

    def save(self, step: int, state: PyTree) -> None:
        """Begins to write, once what was begun before is done.

        **Raises:** `OSError` where that could not be written.
        """
        if self._checkpoints is None:
            return
        self.wait()
        state = gather(state)
        if leads():
            # Copies: on a CPU they would be views of buffers that the next step writes to.
            state = jax.tree.map(np.array, state)
            self._pending = self._pool.submit(self._checkpoints.save, step, state)

    def wait(self) -> None:
        """Until what was begun is on the disk.

        **Raises:** `OSError` where it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def standing(self) -> str:
        """Which checkpoint is the last good one, and that one could not be written."""
        failure = ""
        try:
            self.wait()
        except OSError as error:
            failure = f" {error}"
        if self._checkpoints is None:
            return "There are no checkpoints."
        newest = self._checkpoints.newest()
        found = "There is no checkpoint yet." if newest is None else f"The last good checkpoint is {newest}."
        return found + failure
