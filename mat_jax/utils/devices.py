"""What computing code may ask of the mesh that it is traced for, and say to it.

Outside of a mesh, on one device and inside `jax.shard_map`, all of it is without effect.
"""

import math

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Array

DATA, FSDP, TENSOR = "data", "fsdp", "tensor"
BATCH = (DATA, FSDP)  # what a batch is split over


def split_over(*axes: str) -> tuple[str, ...]:
    """Those of these axes that the mesh has, of more than one device."""
    mesh = jax.sharding.get_abstract_mesh()
    manual = set(mesh.manual_axes)
    return tuple(axis for axis in axes if mesh.shape.get(axis, 1) > 1 and axis not in manual)


def parts(*axes: str) -> int:
    """Into how many parts something is cut that is split over these axes."""
    shape = jax.sharding.get_abstract_mesh().shape
    return math.prod(shape[axis] for axis in split_over(*axes))


def own_share() -> int:
    """How many devices work side by side on parts of their own, as in `jax.shard_map`."""
    mesh = jax.sharding.get_abstract_mesh()
    return math.prod(mesh.shape[axis] for axis in mesh.manual_axes)


def placed(x: Array, *dimensions: str | tuple[str, ...] | None) -> Array:
    """`x`, each dimension split over these axes; it is whole along those that do not divide.

    Only how devices share the work, no number depends on it.
    """
    wanted = [(one,) if isinstance(one, str) else one or () for one in dimensions]
    cuts = [split_over(*axes) for axes in wanted]
    cuts = [
        axes if size % parts(*axes) == 0 else () for axes, size in zip(cuts, x.shape, strict=True)
    ]
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*(axes or None for axes in cuts)))
