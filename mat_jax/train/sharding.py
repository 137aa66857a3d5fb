"""Which weight is split how: a table of names.

A row names weights by a pattern and says over which axis of the mesh each dimension is split. The
first row that fits is the weight's, and the optimizer's memory of a weight is split as the weight.
`tensor` cuts between attention heads, between hidden units and between words, as the layers
compute (`Dense` in `models/layers.py` says which of its sides is cut). `fsdp` cuts another
dimension, for storage alone.
"""

from fnmatch import fnmatchcase
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from mat_jax.train.mesh import replicated
from mat_jax.utils.devices import FSDP, TENSOR

Axes = tuple[str | None, ...]  # of each dimension the axis it is split over

TABLE: tuple[tuple[str, Axes], ...] = (
    # attention: heads
    ("*.attn.[qkv].kernel", (FSDP, TENSOR)),
    ("*.attn.[qkv].bias", (TENSOR,)),
    ("*.attn.o.kernel", (TENSOR, FSDP)),
    # feed-forward: hidden units
    ("*.mlp.fc1.kernel", (FSDP, TENSOR)),
    ("*.mlp.fc1.bias", (TENSOR,)),
    ("*.mlp.fc2.kernel", (TENSOR, FSDP)),
    # embeddings: words [vocabulary, width], positions, patches [height, width, 3, width]
    ("*.tok", (TENSOR, FSDP)),
    ("*.pos", (None, FSDP)),
    ("*.patch.kernel", (None, None, None, FSDP)),
    # projections and heads
    ("*_proj.kernel", (FSDP, None)),
    # adapters [inputs, rank] and [rank, outputs]
    ("*.lora_a", (FSDP, None)),
    ("*.lora_b", (None, FSDP)),
    # normalisations, and biases that are added to all of the width
    ("*.cls", ()),
    ("*.scale", ()),
    ("*.bias", ()),
)


def axes_of(name: str, shape: tuple[int, ...], mesh: Mesh) -> Axes:
    """The axis each dimension of a weight is split over, None for none.

    An axis that the mesh lacks, or that does not divide its dimension, is left out. A weight that
    no row names, or whose row has another number of dimensions, is split over `fsdp` along its
    largest dimension that divides.
    """
    for pattern, axes in TABLE:
        if fnmatchcase(name, pattern) and len(axes) in (0, len(shape)):
            return tuple(
                axis if axis and mesh.shape.get(axis, 1) > 1 and size % mesh.shape[axis] == 0
                else None
                for axis, size in zip(axes, shape, strict=False)
            )  # fmt: skip
    parts = mesh.shape.get(FSDP, 1)
    divides = [i for i, size in enumerate(shape) if size % parts == 0 and size >= parts]
    if parts == 1 or not divides:
        return ()
    longest = max(divides, key=lambda i: shape[i])
    return (*[None] * longest, FSDP)


def state_shardings(mesh: Mesh, state: PyTree) -> Any:
    """For every array of a state: the weights, and what an optimizer keeps of each by its name."""

    def one(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        name = _name(path)
        if not name:  # the key, and what counts
            return replicated(mesh)
        return NamedSharding(mesh, PartitionSpec(*axes_of(name, leaf.shape, mesh)))

    return jax.tree_util.tree_map_with_path(one, state)


def _name(path: tuple[Any, ...]) -> str:
    """The weight a leaf is, or is about: weights are named by the keys of dictionaries."""
    keys = [key.key for key in path if isinstance(key, jax.tree_util.DictKey)]
    return str(keys[-1]) if keys else ""
