"""All that knows about devices: a mesh over those of all processes, and how a pytree lies on it."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from ._processes import initialize as initialize


_BATCH = "batch"

# Arrays smaller than this are not worth sharding.
_SMALL = 1 << 14


def make_mesh(devices: Sequence | None = None) -> Mesh:
    """A mesh with one axis, over all devices of all processes, or those given.

    Its axis is of type `Auto`: under `Explicit`, the default of `jax.make_mesh`, `diffrax.diffeqsolve` fails.

    **Raises:** `ValueError` if `devices` is empty, or holds something else than devices.
    """
    devices = jax.devices() if devices is None else devices
    listed = list(devices) if isinstance(devices, Sequence | np.ndarray) and np.ndim(devices) == 1 else [None]
    if not all(isinstance(device, jax.Device) for device in listed):
        raise ValueError(f"`devices` must be a list of devices, such as jax.devices()[:2]; got {devices!r:.80}.")
    if len(devices) == 0:
        raise ValueError("`devices` must hold one device or more; got []. Leave it out for all devices.")
    return Mesh(np.asarray(devices), (_BATCH,), axis_types=(AxisType.Auto,))


def check_mesh(mesh: Mesh | None) -> None:
    """Refuses what is no mesh, and a mesh with axes of another name or type than those of
    [`entropax.parallel.make_mesh`][]; accepts `None`.

    **Raises:** `ValueError` that says what to use instead.
    """
    if mesh is None:
        return
    wanted = "`mesh` must be of entropax.parallel.make_mesh, with an axis `batch` and axes of type Auto; got"
    if not isinstance(mesh, Mesh):
        raise ValueError(f"{wanted} {type(mesh).__name__}. Write entropax.parallel.make_mesh(devices).")
    if _BATCH not in mesh.axis_names or any(kind != AxisType.Auto for kind in mesh.axis_types):
        axes = ", ".join(f"{name} of type {kind.name}" for name, kind in zip(mesh.axis_names, mesh.axis_types))
        raise ValueError(
            f"{wanted} {axes}. Write entropax.parallel.make_mesh(mesh.devices.flatten()); a mesh of jax.make_mesh has "
            "axes of type Explicit, unless told otherwise, under which solves fail."
        )


def leads() -> bool:
    """Whether this process is the one of its job that speaks and writes."""
    return jax.process_index() == 0


def together(name: str) -> None:
    """Waits until all processes of a job have come here.

    **Arguments:**

    - `name`: of the place, the same on all of them.
    """
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def agreed(number: int) -> bool:
    """Whether a number is the same on all processes, which must all ask."""
    if jax.process_count() == 1:
        return True
    return bool((multihost_utils.process_allgather(np.asarray(number)) == number).all())


def shard(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Spreads the leading axis of every array over the mesh, inside and outside of `jax.jit`; no mesh, no change. Where
    there are several processes, each brings the same whole array, and keeps its part.

    **Raises:** `ValueError` where a leading axis does not divide by the number of devices, and for other meshes than
        those of [`entropax.parallel.make_mesh`][].
    """
    check_mesh(mesh)
    if mesh is None:
        return tree
    for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array)):
        if leaf.ndim == 0 or leaf.shape[0] % mesh.size:
            raise ValueError(
                f"`mesh` has {mesh.size} devices, by which the number of samples must divide; got shape {leaf.shape}."
            )
    return eqx.filter_shard(tree, NamedSharding(mesh, PartitionSpec(_BATCH)))


def replicate(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Copies every array to all devices of the mesh; no mesh, no change."""
    check_mesh(mesh)
    if mesh is None:
        return tree
    return eqx.filter_shard(tree, NamedSharding(mesh, PartitionSpec()))


def shard_parameters(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Spreads every large array over the mesh, along its longest axis that divides by the number of devices, and copies
    the others: parameters and optimiser states that one device cannot hold. No mesh, no change."""
    check_mesh(mesh)
    if mesh is None:
        return tree

    def place(leaf):
        if not eqx.is_array(leaf):
            return leaf
        axes = [axis for axis in range(leaf.ndim) if leaf.shape[axis] % mesh.size == 0]
        if leaf.size < _SMALL or not axes:
            return replicate(leaf, mesh)
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        # As short as the compiler writes it: one that is longer counts for another, and would be compiled for again.
        spec = PartitionSpec(*(None,) * longest, _BATCH)
        return eqx.filter_shard(leaf, NamedSharding(mesh, spec))

    return jax.tree.map(place, tree)


def gather(tree: PyTree) -> PyTree:
    """Every array whole, as NumPy's, on every process: what lies on the devices of others is fetched. All processes
    must ask for it."""

    def whole(leaf):
        if not isinstance(leaf, jax.Array):
            return leaf
        if leaf.is_fully_addressable:
            return np.asarray(leaf)
        if leaf.is_fully_replicated:
            return np.asarray(leaf.addressable_data(0))
        return multihost_utils.process_allgather(leaf, tiled=True)

    return jax.tree.map(whole, tree)


def own(tree: PyTree) -> PyTree:
    """What this process holds of arrays that are the same on all devices: arrays that it can go on with by itself.
    Those of a single process, and traced ones, are left as they are."""

    def local(leaf):
        if isinstance(leaf, Tracer) or not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
            return leaf
        return leaf.addressable_data(0)

    return jax.tree.map(local, tree)


def on_each_device(function: Callable[..., PyTree], mesh: Mesh | None) -> Callable[..., PyTree]:
    """A function of arrays whose leading axes are spread over the mesh, called on each device with its own part. What
    is adaptive then takes on each device as many steps as its own part needs: under `jit` alone all devices would ask
    each other at each step whether to go on. No mesh, no change.

    **Arguments:**

    - `function`: of pytrees of arrays with a common leading axis, to pytrees of the same kind, row by row.
    - `mesh`: from [`entropax.parallel.make_mesh`][].
    """
    check_mesh(mesh)
    if mesh is None:
        return function
    spec = PartitionSpec(_BATCH)
    # Diffrax's loops carry what does not vary over devices beside what does, which the check refuses.
    return jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
