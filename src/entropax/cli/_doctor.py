import dataclasses
import importlib.metadata
import os
import platform
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from ._refusal import Refusal
from ._terminal import show


# Those whose versions change numbers, by the name of their distribution.
_PACKAGES = {
    "entropax": "entropax",
    "jax": "jax",
    "jaxlib": "jaxlib",
    "equinox": "equinox",
    "optax": "optax",
    "orbax": "orbax-checkpoint",
    "numpy": "numpy",
}


def versions() -> dict[str, str]:
    """The versions that a number depends on."""
    packages = {name: importlib.metadata.version(distribution) for name, distribution in _PACKAGES.items()}
    return {"python": platform.python_version()} | packages


def devices() -> dict[str, Any]:
    """The devices there are, by the names that `--device` takes. The first one is JAX's own choice.

    **Raises:** `Refusal` where JAX finds none of the platforms that it was told to use.
    """
    try:
        # CPUs are there beside an accelerator, but `jax.devices()` does not list them, and `JAX_PLATFORMS` may forbid
        # them.
        found = jax.devices()
    except (RuntimeError, AssertionError) as error:
        # Without any platform that it was told to use JAX only asserts that there is one.
        asked = jax.config.values["jax_platforms"]
        only = f" of the platforms that JAX_PLATFORMS names, {asked!r}" if asked else ""
        why = f": {error}" if str(error) else "; unset it, or install JAX for one of them."
        raise Refusal(f"JAX finds no device{only}{why}") from error
    try:
        found = found + [device for device in jax.devices("cpu") if device not in found]
    except (RuntimeError, AssertionError):
        pass
    return {f"{device.platform}:{device.id}": device for device in found}


def find_device(name: str | None) -> Any:
    """The device of a name like `cpu`, `gpu` or `cuda:1`; JAX's own choice for `None`.

    **Raises:** `Refusal` where there is no such device.
    """
    there = devices()
    if name is None:
        return next(iter(there.values()))
    kind, _, index = name.partition(":")
    try:
        # JAX knows that `cuda` and `gpu` are one.
        matching = jax.devices(kind) if kind else []
    except (RuntimeError, AssertionError):
        matching = []
    place = int(index) if index.isdecimal() else 0 if name == kind else len(matching)
    if place >= len(matching):
        raise Refusal(f"there is no device {name!r}; there are: {', '.join(there)}.")
    return matching[place]


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Versions, devices and settings: what a report of a problem should hold."""

    def __call__(self) -> int:
        """Prints them.

        **Returns:** the exit code.

        **Raises:** `Refusal` where JAX finds no device; all the rest is printed first.
        """
        missing = None
        try:
            names = ", ".join(f"{name} ({device.device_kind})" for name, device in devices().items())
        except Refusal as refusal:
            names, missing = "none", refusal
        code = show(lambda console: self._print(console, names))
        if missing is not None:
            raise missing
        return code

    def _print(self, console: Console, names: str) -> None:
        table = Table(show_header=False, box=None)
        for name, version in versions().items():
            table.add_row(name, version)
        table.add_row("devices", names)
        table.add_row("CPUs", str(os.cpu_count()))
        config = jax.config.values
        precision = config["jax_default_matmul_precision"]
        table.add_row("matmul precision", "the device's default" if precision is None else str(precision))
        table.add_row("x64", "on" if config["jax_enable_x64"] else "off")
        table.add_row("threefry partitionable", "on" if config["jax_threefry_partitionable"] else "off")
        table.add_row("compilation cache", str(config["jax_compilation_cache_dir"]))
        console.print(table)
