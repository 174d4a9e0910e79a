"""What a device does in a second: multiply matrices, move memory, train a network, evaluate and sample from it.

Each function here is a stage of `benchmarks.gpu`: it takes and returns plain data, as it runs in a process of its own.
All times are of work that the device has ended, after a first round that compiles; of several rounds the least and the
median are given, the first for what the device can do and the second for what it does."""

import dataclasses
import importlib.metadata
import os
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from benchmarks import _flops
from entropax.train import _train
from runs._record import provenance


# What computes on a GPU, where it is installed.
_LIBRARIES = ("jax-cuda12-plugin", "jax-cuda13-plugin", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "nvidia-cublas")


@dataclasses.dataclass(frozen=True)
class Network:
    """A U-Net, and how much it is given.

    **Arguments:**

    - `preset`: its name in `entropax.nn`.
    - `width`: of its condition, one of ten labels.
    - `shape`: of an image.
    - `images`: evaluated and sampled at once.
    - `chunk`: evaluations at a time in an integral.
    """

    preset: str
    width: int
    shape: tuple[int, int, int]
    images: int
    chunk: int

    def net(self) -> ex.nn.UNet:
        condition = ex.nn.LabelCondition(10, self.width, key=jr.key(0))
        return getattr(ex.nn, self.preset)(condition, dtype=jnp.bfloat16, key=jr.key(1))

    def denoiser(self) -> ex.Neural:
        # Zeros, which parts of a network start from, are multiplied with less power, and so faster.
        moved = lambda leaf: leaf + 0.02 * jr.normal(jr.key(2), leaf.shape) if eqx.is_inexact_array(leaf) else leaf
        net, how = jax.tree.map(moved, self.net()), ex.entropy_matching()
        seen = ex.Standardising(jnp.zeros(self.shape), jnp.ones(self.shape))
        return ex.Neural(net, how.baseline, how.scale, seen, (-9.0, 13.0))

    def data(self, num: int) -> tuple[jax.Array, jax.Array]:
        """As many images of noise with labels: what they show makes no difference to speed."""
        return jr.normal(jr.key(3), (num, *self.shape)), jr.randint(jr.key(4), (num,), 0, 10)

    def flops(self) -> dict[str, Any]:
        """Floating-point operations for one image by our own count, which is the one that is used; and forwards by
        XLA's of the program as it is before it is compiled."""
        net = eqx.filter_eval_shape(self.net)
        size = self.shape[1:]
        params, static = eqx.partition(net, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
        forward = jax.jit(lambda params, z, log_snr, y: eqx.combine(params, static)(z, log_snr, y))
        z, log_snr, y = jnp.zeros(self.shape), jnp.zeros(()), jnp.zeros((), jnp.int32)
        lowered = forward.lower(params, z, log_snr, y)
        return {
            "forward": _flops.forward(net, size),
            "training": _flops.training(net, size),
            "forward_by_xla": _count(lowered.cost_analysis()),
        }


def device() -> dict[str, Any]:
    """What computes."""
    installed = {name.metadata["Name"]: name.version for name in importlib.metadata.distributions()}
    libraries = {name: installed[name] for name in _LIBRARIES if name in installed}
    return provenance() | {"libraries": libraries, "xla_flags": os.environ.get("XLA_FLAGS", "")}


def peak(sizes: tuple[int, ...], megabytes: int, rounds: int) -> dict[str, Any]:
    """Products of square matrices in bfloat16, ten in a row; and the bytes that an addition reads and writes."""
    times = 10
    found: dict[str, Any] = {"matrices": {}}
    for size in sizes:
        a, b = (jr.normal(key, (size, size), jnp.bfloat16) for key in jr.split(jr.key(0)))
        # So that products neither grow nor vanish.
        b = b * size**-0.5
        products = jax.jit(lambda a, b: jax.lax.fori_loop(0, times, lambda _, c: c @ b, a))
        spent = _timed(lambda: products(a, b), rounds)
        found["matrices"][size] = spent | {"flops_per_second": 2 * times * size**3 / spent["least"]}
    found["flops_per_second"] = max(each["flops_per_second"] for each in found["matrices"].values())
    x = jnp.zeros(megabytes * 2**18)
    added = jax.jit(lambda x: jax.lax.fori_loop(0, times, lambda _, x: x + 1, x))
    found["bytes_per_second"] = 2 * times * x.nbytes / _timed(lambda: added(x), rounds)["least"]
    return found


def train(network: Network, batch: int, chunk: int, rounds: int) -> dict[str, Any]:
    """Steps of `entropax.train`, a scan of `chunk` of them at a time, by the clock around and inside of its calls."""
    denoiser, (x, y) = network.denoiser(), network.data(4 * batch)
    # So few are held out that the loss on them, at the end of each scan, takes no time.
    settings = ex.Settings(steps=(1 + rounds) * chunk, batch_size=batch, chunk=chunk, learning_rate=1e-5)
    held_out = x[:8], y[:8]
    stepping = _Stepping(_train.run_chunk)
    _train.run_chunk = stepping
    ex.train(denoiser, x, y, held_out=held_out, key=jr.key(5), settings=settings)
    # The first round warms up.
    begun, ended = np.asarray(stepping.marks).T
    inside, wall = (ended - begun)[1:], ended[-1] - ended[0]
    flops = network.flops()
    per_step = np.asarray([inside.min(), np.median(inside)]) / chunk
    return {
        "batch": batch,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(denoiser.net, eqx.is_inexact_array))),
        "step_seconds": {"least": per_step[0], "median": per_step[1], "rounds": rounds, "steps_per_round": chunk},
        "steps_per_second": 1 / per_step[1],
        "images_per_second": batch / per_step[1],
        "flops_per_image": flops,
        "flops_per_second": batch * flops["training"] / per_step[1],
        "idle_share": 1 - inside.sum() / wall,
        "compile_seconds": stepping.compile_seconds,
        "compiled": stepping.compiled_numbers(),
        "memory_bytes": _memory(),
    }


def evaluate(network: Network, rounds: int) -> dict[str, Any]:
    """Calls of the network in `entropax.integrate`, one for each image and noise level, and two for the tails."""
    model, (x, y) = network.denoiser(), network.data(network.images)
    integrator = ex.Integrator(chunk=network.chunk)
    integrand = ex.Gap(model, ex.Equilibrium())
    run = lambda: ex.integrate(integrand, x, y, key=jr.key(6), integrator=integrator).value
    return _rates(network, integrator.evaluations(network.images), run, rounds)


def sample(network: Network, evaluations: int, rounds: int) -> dict[str, Any]:
    """`entropax.sample`, images of given labels."""
    process, model, (x, y) = ex.VariancePreserving(), network.denoiser(), network.data(network.images)
    # The denoised mean at the end is an evaluation too.
    sampler = ex.Sampler(steps=evaluations - 1)
    run = lambda: ex.sample(process, model, x.shape, y, key=jr.key(7), sampler=sampler)
    calls = run().evaluations
    assert calls is not None and int(calls[0]) == evaluations
    return _rates(network, network.images * evaluations, lambda: run().x, rounds)


class _Stepping:
    """`run_chunk`, compiled once and apart, and timed."""

    def __init__(self, run_chunk):
        self.run_chunk, self.compiled = run_chunk, None
        # When each call began and ended.
        self.marks: list[tuple[float, float]] = []

    def __call__(self, *args):
        if self.compiled is None:
            start = time.perf_counter()
            self.compiled = self.run_chunk.lower(*args).compile()
            self.compile_seconds = time.perf_counter() - start
        start = time.perf_counter()
        state = jax.block_until_ready(self.compiled(*args))
        self.marks.append((start, time.perf_counter()))
        return state

    def compiled_numbers(self) -> dict[str, Any]:
        """What XLA says of the program. It counts one step of a scan, and on a GPU nothing that a library computes,
        which is most of it: no number to divide by."""
        assert self.compiled is not None
        memory = self.compiled.compiled.memory_analysis()
        return {
            "flops_by_xla": _count(self.compiled.compiled.cost_analysis()),
            "temporary_bytes": getattr(memory, "temp_size_in_bytes", None),
        }


def _rates(network, calls, run, rounds):
    spent = _timed(run, rounds)
    flops = network.flops()
    return {
        "images": network.images,
        "calls": calls,
        "seconds": spent,
        "images_per_second": network.images / spent["median"],
        "calls_per_second": calls / spent["median"],
        "flops_per_image": flops,
        "flops_per_second": calls * flops["forward"] / spent["median"],
        "compile_seconds": spent["first"] - spent["median"],
        "memory_bytes": _memory(),
    }


def _timed(run, rounds: int) -> dict[str, float]:
    """Seconds: of the first call, which compiles, and the least and the median of as many others."""
    spent = []
    for _ in range(1 + rounds):
        start = time.perf_counter()
        jax.block_until_ready(run())
        spent.append(time.perf_counter() - start)
    return {"first": spent[0], "least": min(spent[1:]), "median": float(np.median(spent[1:])), "rounds": rounds}


def _memory() -> int | None:
    """The most that was taken at once since the process began, what trials of kernels took while compiling included."""
    return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def _count(analysis) -> float | None:
    # One for each device in some versions of JAX.
    analysis = analysis[0] if isinstance(analysis, list) and analysis else analysis
    return analysis.get("flops") if isinstance(analysis, dict) else None
