"""Measurements one after the other, each in a process of its own: one that fails, or does not end, costs no other, and
the memory that it took is its own. What there is so far is written after each."""

import json
import multiprocessing
import os
import pathlib
import time
import traceback
from collections.abc import Callable
from typing import Any


class Stages:
    """The results of a benchmark, and the file that they are in.

    **Arguments:**

    - `seconds`: that all stages have together. A stage that has not ended by then is stopped, and later ones are
        skipped.
    - `limit`: that any of them has.
    - `preload`: the module that the stages are in, which is imported once for all.
    """

    def __init__(self, seconds: float, limit: float, preload: str):
        self.results: dict[str, Any] = {"stages": {}}
        self.file: pathlib.Path | None = None
        self._begun, self._seconds, self._limit = time.monotonic(), seconds, limit
        # Each is a fork of a process that has imported what there is to import and has seen no device: after that, a
        # fork is no longer safe.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([preload])

    def run(self, name: str, measure: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        """`measure(*args)` in a process of its own.

        **Returns:** what it returned, and the seconds of all of it; `error` beside them where it failed. All is in
        `results` too, and in the file.
        """
        left = self._seconds - (time.monotonic() - self._begun)
        start = time.monotonic()
        found = self._measured(min(left, self._limit), measure, args) if left > 1 else {"error": "No time was left."}
        found |= {"stage_seconds": round(time.monotonic() - start, 2)}
        self.results["stages"][name] = found
        self.results["seconds"] = round(time.monotonic() - self._begun, 1)
        self.write()
        return found

    def write(self) -> None:
        """The whole file, or the one before: whenever this process is killed, one of both is there."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            aside = self.file.with_name(f".{self.file.name}.{os.getpid()}")
            aside.write_text(json.dumps(self.results, indent=2) + "\n")
            os.replace(aside, self.file)

    def _measured(self, seconds, measure, args):
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_reported, args=(theirs, measure, args))
        process.start()
        # With no other end of it open here, the pipe ends when the process does.
        theirs.close()
        try:
            if not ours.poll(seconds):
                return {"error": f"Stopped after {seconds:.0f} s."}
            return ours.recv()
        except EOFError:
            process.join()
            return {"error": f"The process died with exit code {process.exitcode}."}
        finally:
            process.kill()
            process.join()


def _reported(pipe, measure, args):
    try:
        pipe.send(measure(*args))
    except Exception as error:
        traceback.print_exc()
        # Out of memory is a page of text.
        pipe.send({"error": f"{type(error).__name__}: {error}"[:600]})
