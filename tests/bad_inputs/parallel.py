# pyright: reportArgumentType=false
"""Bad inputs of devices and meshes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh

from entropax import parallel
from tests.bad_inputs import BadInput


INPUTS = [
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
