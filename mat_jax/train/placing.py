"""Arrays onto a mesh and back to the host, on one process or on several.

On one process this is `jax.device_put`. Of several, each puts onto its own devices what lies there,
and the arrays are global: they name shards that other processes hold.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mat_jax.train import mesh as meshes
from mat_jax.types.arrays import Batch


def placed(tree: Any, shardings: Any) -> Any:
    """A tree that every process has whole, laid out over the mesh as the shardings say."""

    def one(leaf: Any, sharding: NamedSharding) -> jax.Array:
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    first = jax.tree.leaves(shardings)
    if not first or first[0].is_fully_addressable:
        return jax.device_put(tree, shardings)
    return jax.tree.map(one, tree, shardings)


def whole(tree: Any) -> Any:
    """The same tree, each array as a whole on this process: on its host where others hold a part.

    Of arrays that are split, one at a time is put together on the devices.
    """

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
            return leaf
        if not leaf.is_fully_replicated:
            assert isinstance(leaf.sharding, NamedSharding)
            everywhere = NamedSharding(leaf.sharding.mesh, PartitionSpec())
            leaf = jax.jit(_same, out_shardings=everywhere)(leaf)
        return np.asarray(leaf.addressable_data(0))

    return jax.tree.map(one, tree)


def _same(leaf: jax.Array) -> jax.Array:
    return leaf


def rows_here(mesh: Mesh, batch_size: int) -> list[int] | None:
    """The rows of a batch that lie on this process's devices; None for all."""
    rows = _rows(meshes.batch_sharding(mesh), batch_size)
    return None if len(rows) == batch_size else rows


def _rows(sharding: NamedSharding, batch_size: int) -> list[int]:
    indices = sharding.addressable_devices_indices_map((batch_size,)).values()
    parts = [range(batch_size)[index[0]] for index in indices if index is not None]
    return sorted({row for part in parts for row in part})


class BatchRows:
    """Puts the rows of a batch that a process has read onto its devices, as the global batch."""

    def __init__(self, mesh: Mesh, batch_size: int) -> None:
        self._sharding = meshes.batch_sharding(mesh)
        self._size = batch_size
        rows = _rows(self._sharding, batch_size)
        self._places = {row: place for place, row in enumerate(rows)}

    def placed(self, batch: Batch) -> Batch:
        """The global batch, of which `batch` has the rows of `rows_here`, in rising order."""
        if self._sharding.is_fully_addressable:
            return jax.device_put(batch, self._sharding)
        return jax.tree.map(self._leaf, batch)

    def _leaf(self, leaf: Any) -> jax.Array:
        def shard(index: tuple[slice, ...] | None) -> np.ndarray:
            assert index is not None
            return leaf[[self._places[row] for row in range(self._size)[index[0]]]]

        return jax.make_array_from_callback((self._size, *leaf.shape[1:]), self._sharding, shard)
