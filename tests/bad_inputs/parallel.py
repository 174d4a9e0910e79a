# pyright: reportArgumentType=false
"""Bad inputs of devices and meshes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

import entropax as ex
from entropax import parallel
from tests.bad_inputs import BadInput


def spread(array):
    """The array on a mesh as `jax.make_mesh` makes it by default."""
    mesh = jax.make_mesh((1,), ("rows",), axis_types=(AxisType.Explicit,), devices=jax.devices()[:1])
    return jax.device_put(array, NamedSharding(mesh, PartitionSpec("rows")))


def gaussian():
    return ex.Gaussian(jnp.zeros(2), jnp.eye(2))


def of_explicit_axes(name: str, call, argument: str) -> BadInput:
    return BadInput(
        f"{name} on explicit axes",
        call,
        ValueError,
        (f"`{argument}`", "axes of type Explicit", "over rows", f"parallel.shard({argument}, entropax.parallel.make_"),
    )


INPUTS = [
    of_explicit_axes("samples", lambda: ex.nll(gaussian(), spread(jnp.ones((64, 2))), key=jax.random.key(0)), "x"),
    of_explicit_axes(
        "labels", lambda: ex.nll(gaussian(), jnp.ones((64, 2)), spread(jnp.zeros(64, int)), key=jax.random.key(0)), "y"
    ),
    of_explicit_axes("samples of a fit", lambda: ex.fit(spread(jnp.ones((64, 2))), key=jax.random.key(0)), "x"),
    of_explicit_axes("points of an empirical distribution", lambda: ex.Empirical(spread(jnp.ones((64, 2)))), "points"),
    of_explicit_axes("classes", lambda: ex.ClassLosses(gaussian(), spread(jnp.arange(3))), "classes"),
    BadInput("no devices", lambda: parallel.make_mesh([]), ValueError, ("`devices`", "[]")),
    BadInput("a number of devices", lambda: parallel.make_mesh(3), ValueError, ("`devices`", "list of devices", "3")),
    BadInput("names of devices", lambda: parallel.make_mesh(["cpu"]), ValueError, ("`devices`", "devices", "'cpu'")),
    BadInput("devices in words", lambda: parallel.make_mesh("cpu"), ValueError, ("`devices`", "devices", "'cpu'")),
    BadInput("a number as a mesh", lambda: parallel.replicate(jnp.ones(2), 2), ValueError, ("`mesh`", "int")),
    BadInput(
        "a mesh with an axis of another name",
        lambda: parallel.shard(jnp.ones(2), Mesh(np.array(jax.devices()[:1]), ("data",))),
        ValueError,
        ("`mesh`", "`batch`", "data of type Auto", "make_mesh(mesh.devices"),
    ),
    BadInput(
        "a mesh with explicit axes",
        lambda: parallel.on_each_device(
            lambda x: x, Mesh(np.array(jax.devices()[:1]), ("batch",), axis_types=(AxisType.Explicit,))
        ),
        ValueError,
        ("`mesh`", "batch of type Explicit", "make_mesh(mesh.devices"),
    ),
]
