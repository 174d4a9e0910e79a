import os
import pathlib
import sys
from collections.abc import Sequence

import jax
import tyro

from ._doctor import Doctor
from ._measure import Measure
from ._refusal import Refusal


def main() -> None:
    """The entry point `entropax`. Exit code 0 is success, 2 a refusal (one line on stderr), 130 an interruption."""
    _keep_compilations()
    sys.exit(run(sys.argv[1:]))


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
        command()
    except Refusal as refusal:
        # Not by rich, which would break the line and read brackets as markup.
        print("entropax:", " ".join(str(refusal).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("entropax: interrupted; with --checkpoint, the same command goes on from there.", file=sys.stderr)
        return 130
    return 0


def _keep_compilations() -> None:
    """Lets a second run start at once, unless the user has said (`JAX_COMPILATION_CACHE_DIR`) where compilations go."""
    if jax.config.values["jax_compilation_cache_dir"] is None:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(caches) / "entropax"))
