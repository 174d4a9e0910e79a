import os
import pathlib
import sys
from collections.abc import Sequence

import jax
import tyro

from ._doctor import Doctor
from ._measure import Measure
from ._refusal import Interruption, Refusal
from ._terminal import tell


# Of a program that Ctrl-C ended, as shells report it.
_INTERRUPTED = 130


def main() -> None:
    """The entry point `entropax`.

    Its exit code is 0 for success; 1 where some output could not be written, after all that could be was; 2 for a
    refusal, with one line on stderr; 130 for an interruption by Ctrl-C; 141 where the reader of standard output went
    away, as `head` does, after all files were written.
    """
    _open_standard_streams()
    _keep_compilations()
    code = run(sys.argv[1:])
    if code == _INTERRUPTED:
        # Python would wait for the fits that still run in threads.
        os._exit(code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """One command.

    **Arguments:**

    - `arguments`: what stands behind `entropax` at the shell.

    **Returns:** the exit code.

    **Raises:** `SystemExit` on `--help` and on options that there are not.
    """
    command = tyro.cli(
        Measure | Doctor,
        prog="entropax",
        description="The information in samples, measured by diffusion models.",
        args=arguments,
    )
    try:
        return command()
    except Refusal as refusal:
        # One line, whatever the message of a library below looks like.
        tell(f"entropax: {' '.join(str(refusal).split())}")
        return 2
    except KeyboardInterrupt as interrupt:
        kept = str(interrupt) if isinstance(interrupt, Interruption) else "nothing was begun"
        tell(f"entropax: interrupted; {kept}.")
        return _INTERRUPTED


def _open_standard_streams() -> None:
    """Puts the null device in the place of standard streams that are closed, as by `2>&-`. The first file that is
    opened would take the place otherwise, and what libraries print to standard error would go into it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free.
            os.open(os.devnull, os.O_RDWR)


def _keep_compilations() -> None:
    """Lets a second run start at once, unless the user has said (`JAX_COMPILATION_CACHE_DIR`) where compilations go."""
    if jax.config.values["jax_compilation_cache_dir"] is None:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(caches) / "entropax"))
