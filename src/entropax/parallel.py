"""All that knows about devices: a mesh, and how a pytree lies on it."""

from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree


_BATCH = "batch"


def make_mesh(devices: Sequence | None = None) -> Mesh:
    """A mesh with one axis, over all devices or those given.

    Its axis is of type `Auto`: under `Explicit`, the default of `jax.make_mesh`, `diffrax.diffeqsolve` fails.
    """
    devices = jax.devices() if devices is None else devices
    return Mesh(np.asarray(devices), (_BATCH,), axis_types=(AxisType.Auto,))


def shard(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Spreads the leading axis of every array over the mesh, inside and outside of `jax.jit`; no mesh, no change.

    **Raises:** `ValueError` where a leading axis does not divide by the number of devices.
    """
    if mesh is None:
        return tree
    for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array)):
        if leaf.ndim == 0 or leaf.shape[0] % mesh.size:
            raise ValueError(f"A leading axis must divide by the {mesh.size} devices of the mesh; got {leaf.shape}.")
    return eqx.filter_shard(tree, NamedSharding(mesh, PartitionSpec(_BATCH)))


def replicate(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Copies every array to all devices of the mesh; no mesh, no change."""
    if mesh is None:
        return tree
    return eqx.filter_shard(tree, NamedSharding(mesh, PartitionSpec()))
