"""What every test stands on: two simulated CPU devices, strict dtype promotion, a compilation cache, keys."""

import gc
import itertools
import os
import pathlib
import zlib


# Each worker has cores of its own: threads of several that meet on one core wait for each other in a spin.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    index, workers = int(worker.removeprefix("gw")), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[index::workers] or cores)

# Read when jax, or matplotlib, is first imported; subprocesses of a test inherit them. Most of the suite's time goes
# into compiling, which takes a third of it without optimisation; a flag of the caller's own wins.
_FLAGS = (
    "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
)
os.environ["XLA_FLAGS"] = f"{_FLAGS} {os.environ.get('XLA_FLAGS', '')}"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis
import jax
import jax.random as jr
import pytest


jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(__file__).parents[1] / ".cache" / "jax"))
# The smallest too: workers share them, and a module that comes after caches were cleared finds them again.
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# A failure must come back when the test is run again, on another machine too.
hypothesis.settings.register_profile("entropax", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("entropax")


def pytest_configure(config: pytest.Config):
    # JAX writes cache entries in place, so another worker, or a later run after a kill, may read half of one. It then
    # warns and compiles, which is what we want of it; only the warning must not fail the test that happened to read.
    config.addinivalue_line("filterwarnings", "ignore:Error (reading|writing) persistent compilation cache entry")


# Files that take longest: those that come last would leave all workers but one idle.
_LONGEST = ("test_quantities", "test_train", "test_readme", "test_labels", "test_pages", "test_cli", "test_parallel")


def pytest_collection_modifyitems(items: list[pytest.Item]):
    items.sort(key=lambda item: item.path.stem not in _LONGEST)


@pytest.fixture
def getkey(request):
    """Fresh keys, a new one at each call. They follow from the name of the test, so that neither the order of the tests
    nor their distribution over workers changes a number."""
    root = jr.key(zlib.crc32(request.node.nodeid.encode()) & 0x7FFFFFFF)
    calls = itertools.count()
    return lambda: jr.fold_in(root, next(calls))


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled():
    """Linux lets a process map 65 530 pieces of memory, and what JAX compiles takes up some dozens for each function. A
    worker that runs half of the suite would come close to that many, and beyond them it crashes amid a test."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > 20_000:
        jax.clear_caches()
        gc.collect()
