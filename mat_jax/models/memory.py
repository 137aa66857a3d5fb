"""What towers keep of a forward pass for the way back, and how much they encode at once."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import Primitive

from mat_jax.models.layers import TOWERS, Block, Hidden, Mask, Only, Queries
from mat_jax.utils.devices import FSDP, own_share, split_over

Remat = Literal["none", "dots", "blocks"]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Memory:
    """What a tower keeps of a forward pass for the way back, and how it goes through its blocks.

    The numbers are the same, but for their rounding.

    Args:
        remat: "none" keeps all, "dots" what dense layers return, "blocks" what each block is given.
            The rest is computed a second time (Chen et al. 2016, arXiv:1604.06174).
        scan: blocks that are alike are one loop, which is compiled once for all of them. So it is
            with `remat` and on a mesh with `fsdp` whatever is said here: outside of a loop, XLA
            takes what is computed or gathered a second time for the same, and keeps it.
        rows: how many images or texts are encoded at once; None for all. Those of one piece are
            encoded again on the way back.
    """

    remat: Remat = "none"
    scan: bool = False
    rows: int | None = None


def through(
    blocks: Sequence[Block], memory: Memory, x: Hidden, mask: Mask = None, only: Only = None
) -> Queries:
    """`x` through the blocks, one after another; the last one with `only`."""
    policies = jax.checkpoint_policies
    call = Block.__call__
    if memory.remat == "dots":
        call = jax.checkpoint(call, policy=policies.dots_with_no_batch_dims_saveable)
    elif memory.remat == "blocks":
        call = jax.checkpoint(call)
    elif split_over(FSDP):
        call = jax.checkpoint(call, policy=_but_gathered)
    if only is not None or not loops(memory):
        for block in blocks:
            x = call(block, x, mask, only)
        return x
    for alike in _runs(blocks):
        stacked = jax.tree.map(lambda *weights: jnp.stack(weights), *alike)
        x, _ = jax.lax.scan(lambda x, block: (call(block, x, mask), None), x, stacked)
    return x


def loops(memory: Memory) -> bool:
    """Whether blocks that are alike are one loop."""
    return memory.scan or memory.remat != "none" or bool(split_over(FSDP))


def _but_gathered(primitive: Primitive, *_: Any, **__: Any) -> bool:
    """All is kept but what is gathered, which is let go and gathered again on the way back."""
    return primitive.name not in ("sharding_constraint", "custom_vjp_call")


def in_pieces(function: Callable[[T], R], rows: int | None, given: T) -> R:
    """`function(given)`, for so many rows of the first axis at once, if they are apart.

    What a piece leaves behind for the way back is not kept: it is encoded again. So the memory is
    that of one piece, and of what comes out, whatever is done with all of it (GradCache, Gao et
    al. 2021, arXiv:2101.06983). The slopes of weights are added up over pieces.
    """
    size = len(jax.tree.leaves(given)[0])
    rows = None if rows is None else max(1, rows // own_share())
    if rows is None or size <= rows:
        return function(given)
    count = size // rows
    # Every so many-th row: where devices share the batch, they share each piece alike.
    pieces = jax.tree.map(
        lambda x: x[: rows * count].reshape(rows, count, *x.shape[1:]).swapaxes(0, 1), given
    )
    apart = jax.checkpoint(function)
    found = jax.tree.map(
        lambda x: x.swapaxes(0, 1).reshape(rows * count, *x.shape[2:]), jax.lax.map(apart, pieces)
    )
    if size == rows * count:
        return found
    rest = apart(jax.tree.map(lambda x: x[rows * count :], given))
    return jax.tree.map(lambda x, y: jnp.concatenate([x, y]), found, rest)


def _runs(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Neighbours with the same weights, by name and shape."""

    def kind(block: Block) -> Any:
        leaves, layout = jax.tree.flatten(block)
        return layout, [leaf.shape for leaf in leaves]

    for _, alike in itertools.groupby(blocks, kind):
        yield list(alike)


@runtime_checkable
class Remembers(Protocol):
    """A tower that can be told what to keep of a forward pass."""

    memory: Memory


def remember(model: nnx.Module, memory: Memory) -> None:
    """Let the towers of a model keep so much of a forward pass.

    Raises:
        ValueError: it is to keep less than all, and the model has no tower that could.
    """
    towers = [getattr(model, name, None) for name in TOWERS]
    for tower in towers:
        if isinstance(tower, Remembers):
            tower.memory = memory
    if memory != Memory() and not any(isinstance(tower, Remembers) for tower in towers):
        raise ValueError(
            f"{type(model).__name__} has no tower that encodes in pieces or computes twice: leave "
            "micro_batch, remat and scan as they are"
        )
