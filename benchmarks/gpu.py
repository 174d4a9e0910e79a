"""What the library makes of a GPU. `just bench-gpu`

The device first: the most that it multiplies in bfloat16, by large square matrices, and its memory's bandwidth. Then
the U-Nets of CIFAR-10 and MNIST, parameters and outputs in float32 and what lies between in bfloat16: training
(`entropax.train`), evaluation (`entropax.integrate`) and sampling (`entropax.sample`, 20 evaluations), each in images
per second and as a share of that peak. Floating-point operations are our own count of convolutions, linear layers and
attention; XLA's count stands beside it.

Each stage has a process of its own and a limit of time; what fails is noted, and the next one begins. After each,
`benchmarks/results/<device>.json` is written. At most 8 minutes, most of them compiling. `--preset smoke` is the same
path with a network for 8 x 8 images, on any device and within a minute; it says nothing of speed.

Expected on an H200: at least 40 % of the peak in training on CIFAR-10.
"""

import argparse
import dataclasses
import pathlib
import re
import sys
from typing import Any

import rich.console
import rich.table

from benchmarks import _speed
from benchmarks._speed import Network
from benchmarks._stages import Stages


@dataclasses.dataclass(frozen=True)
class Config:
    """`trainings` are of a network by its name, a batch and the steps of one scan: the most important first, as time
    may run out. `seconds` are those of all stages, `limit` that of any."""

    networks: dict[str, Network]
    trainings: tuple[tuple[str, int, int], ...]
    matrices: tuple[int, ...] = (4096, 8192, 16384)
    megabytes: int = 4096
    evaluations: int = 20
    rounds: int = 5
    seconds: float = 460.0
    limit: float = 150.0


PRESETS = {
    "default": Config(
        networks={
            "cifar10": Network("unet_cifar10", 1024, (3, 32, 32), images=512, chunk=1024),
            "mnist": Network("unet_mnist", 128, (1, 28, 28), images=1024, chunk=8192),
        },
        trainings=(("cifar10", 256, 20), ("mnist", 512, 100), ("cifar10", 512, 10), ("cifar10", 128, 40)),
    ),
    "smoke": Config(
        networks={"digits": Network("unet_digits", 16, (1, 8, 8), images=8, chunk=64)},
        trainings=(("digits", 8, 2),),
        matrices=(64, 128),
        megabytes=1,
        rounds=2,
        # It must end, however busy the machine is.
        seconds=3600.0,
        limit=3600.0,
    ),
}


def main(args: list[str] | None = None) -> pathlib.Path:
    """Measures, writes and prints; the results' file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--preset", choices=sorted(PRESETS), default="default")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parent / "results")
    asked = parser.parse_args(args)
    config = PRESETS[asked.preset]
    stages = Stages(config.seconds, config.limit, _speed.__name__)
    device = stages.run("device", _speed.device)
    if "error" in device:
        sys.exit(f"No device answers: {device['error']}")
    kind, platform = device["device"]["kind"], device["device"]["platform"]
    if asked.preset == "default" and platform == "cpu":
        sys.exit(
            "This benchmark needs a GPU, and JAX finds none here, only a CPU. On a machine with one: `pip install "
            '"entropax[cuda]"`. `--preset smoke` runs all parts on any device with tiny networks.'
        )
    ending = "" if asked.preset == "default" else f"-{asked.preset}"
    file = asked.root / f"{re.sub('[^a-z0-9]+', '-', kind.lower())}{ending}.json"
    stages.file = file
    stages.results = {"device": kind, "preset": asked.preset, "provenance": device, **stages.results}
    peak = stages.run("peak", _speed.peak, config.matrices, config.megabytes, config.rounds).get("flops_per_second")

    def measure(name, function, *rest):
        found = stages.run(name, function, *rest)
        if peak is not None and "flops_per_second" in found:
            found["share_of_peak"] = found["flops_per_second"] / peak
            stages.write()

    def train(name, batch, chunk):
        measure(f"train {name}, batch {batch}", _speed.train, config.networks[name], batch, chunk, config.rounds)

    # The most important first, as time may run out.
    for training in config.trainings[: len(config.networks)]:
        train(*training)
    for name, network in config.networks.items():
        measure(f"evaluate {name}", _speed.evaluate, network, config.rounds)
        measure(f"sample {name}", _speed.sample, network, config.evaluations, config.rounds)
    for training in config.trainings[len(config.networks) :]:
        train(*training)
    _print(stages.results)
    print(f"Written: {file}")
    return file


def _print(results: dict[str, Any]) -> None:
    peak, stages = results["stages"]["peak"], results["stages"]
    title = f"{results['device']}: no peak"
    if "error" not in peak:
        flops, bandwidth = peak["flops_per_second"] / 1e12, peak["bytes_per_second"] / 1e12
        title = f"{results['device']}: {flops:.4g} TFLOP/s in bfloat16, {bandwidth:.3g} TB/s"
    columns = ("stage", "images/s", "steps/s", "TFLOP/s", "of the peak", "idle", "compiling", "memory")
    table = rich.table.Table(*columns, title=title)
    for name, found in stages.items():
        if "error" in found:
            table.add_row(name, f"[red]{found['error']}")
        elif "images_per_second" in found:
            memory, idle = found["memory_bytes"], found.get("idle_share")
            table.add_row(
                name,
                f"{found['images_per_second']:,.0f}",
                f"{found['steps_per_second']:.2f}" if "steps_per_second" in found else "",
                f"{found['flops_per_second'] / 1e12:.4g}",
                f"{found['share_of_peak']:.1%}" if "share_of_peak" in found else "",
                f"{idle:.1%}" if idle is not None else "",
                f"{found['compile_seconds']:.1f} s",
                f"{memory / 2**30:.1f} GiB" if memory is not None else "",
            )
    rich.console.Console(width=130).print(table)


if __name__ == "__main__":
    main()
