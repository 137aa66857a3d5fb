"""Optimizers Optax has the parts of: Muon beside AdamW; any of them with a mean of the weights."""

import math
from collections.abc import Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jaxtyping import Array, BFloat16, Float, Key


def muon_adamw(
    schedule: optax.Schedule | float, *, weight_decay: float = 0.1, clip: float = 1.0
) -> optax.GradientTransformation:
    """Muon (Jordan et al. 2024) on the matrices inside transformer blocks, AdamW on the others.

    Muon replaces a matrix's momentum by the nearest orthogonal matrix; scaled to Adam's usual step
    length (rms 0.2, Liu et al. 2025, section 2.2), so that one schedule serves both. Training
    `scenes-clip` from nothing it reached a loss in 200 steps that AdamW had not reached in 450
    (64 images a step, same learning rate).

    Args:
        schedule: learning rate, or a function of the step.
        weight_decay: decoupled, on all weights.
        clip: largest global norm of the gradient.
    """

    def labels(weights: dict) -> dict:
        inside = {n: ".blocks." in n and n.endswith(".kernel") for n in weights}
        return {name: "muon" if inside[name] else "adamw" for name in weights}

    parts: dict[Hashable, optax.GradientTransformation] = {
        "muon": optax.contrib.muon(schedule, weight_decay=weight_decay, consistent_rms=0.2),
        "adamw": optax.adamw(schedule, b2=0.98, weight_decay=weight_decay),
    }
    return optax.chain(optax.clip_by_global_norm(clip), optax.partition(parts, labels))


class Averaged(NamedTuple):
    """What `averaged` remembers."""

    optimizer: Any
    count: jax.Array  # updates so far
    average: Any  # as the weights that train


def averaged(
    optimizer: optax.GradientTransformation, decay: float = 0.999
) -> optax.GradientTransformation:
    r"""The same optimizer, which keeps a mean of the weights that the later ones count more in.

    $$\bar w_n = \frac{1 - d}{1 - d^n} \sum_{k=1}^n d^{n-k} w_k$$

    with $w_k$ the weights after update k, an exponential moving average (EMA) with the correction
    that Adam's moments have: the weights before training are not in it, however short the run.
    Updates are those of `optimizer`. A run whose optimizer has an average exports and measures it;
    checkpoints carry it, so that a run that goes on has the same, bit for bit.

    Wrap the whole optimizer: weights are averaged after the updates that this one returns.

    Args:
        optimizer: any Optax transformation.
        decay: d, above 0 and below 1; about 1 / (1 - d) updates count.
    """
    if not 0 < decay < 1:
        raise ValueError(f"decay {decay} must be above 0 and below 1: 0.999 is usual")
    rate = math.log(decay)

    def init(weights: Any) -> Averaged:
        return Averaged(
            optimizer.init(weights), jnp.zeros((), jnp.int32), jax.tree.map(jnp.copy, weights)
        )

    def update(updates: Any, state: Averaged, params: Any = None) -> tuple[Any, Averaged]:
        if params is None:
            raise ValueError("an average of the weights needs them: call update with params")
        updates, memory = optimizer.update(updates, state.optimizer, params)
        count = state.count + 1
        # (1 - d) / (1 - d^n), exactly 1 at the first update.
        share = jnp.expm1(jnp.float32(rate)) / jnp.expm1(rate * count.astype(jnp.float32))
        moved: Any = optax.apply_updates(params, updates)
        average = optax.incremental_update(moved, state.average, share)
        return updates, Averaged(memory, count, average)

    return optax.GradientTransformation(init, update)  # type: ignore[arg-type]


def average_of(memory: Any) -> Any:
    """The mean of the weights in an optimizer's state, None if it keeps none."""
    parts = jax.tree.leaves(memory, is_leaf=lambda part: isinstance(part, Averaged))
    found = [part.average for part in parts if isinstance(part, Averaged)]
    return found[0] if found else None


class Halved(NamedTuple):
    """What `in_bfloat16` remembers."""

    optimizer: Any  # of which arrays of floats are bfloat16
    count: jax.Array  # updates so far


def in_bfloat16(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    r"""The same optimizer, whose arrays of floats are kept in bfloat16: half the memory.

    Updates are computed in float32. What is kept is rounded up or down at random, so that its mean
    is what was computed:

    $$E[\mathrm{round}(x)] = x$$

    Rounded to the nearest, a mean that moves by a thousandth a step would never move: two
    neighbours in bfloat16 are a 128th to a 256th apart. What is drawn depends on the number of the
    update alone, so a run that goes on has the same numbers.

    A mean of the weights wants float32: `averaged(in_bfloat16(optax.adamw(...)))`.
    """

    def is_wide(leaf: jax.Array) -> bool:
        return leaf.dtype == jnp.float32 and leaf.ndim > 0

    def init(weights: Any) -> Halved:
        first = jax.tree.map(
            lambda x: x.astype(jnp.bfloat16) if is_wide(x) else x, optimizer.init(weights)
        )
        return Halved(first, jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Halved, params: Any = None) -> tuple[Any, Halved]:
        wide = jax.tree.map(
            lambda x: x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x, state.optimizer
        )
        updates, wide = optimizer.update(updates, wide, params)
        leaves, layout = jax.tree.flatten(wide)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), state.count), len(leaves))
        kept = [
            rounded_at_random(leaf, key) if is_wide(leaf) else leaf
            for leaf, key in zip(leaves, keys, strict=True)
        ]
        return updates, Halved(jax.tree.unflatten(layout, kept), state.count + 1)

    return optax.GradientTransformation(init, update)  # type: ignore[arg-type]


def rounded_at_random(x: Float[Array, "*shape"], key: Key[Array, ""]) -> BFloat16[Array, "*shape"]:
    """One of the two bfloat16 about each float32, the nearer the likelier; the mean is `x`.

    A bfloat16 is the upper half of a float32's bits. Sixteen random bits are added to the lower
    half, which is then cut off.
    """
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
    drawn = jax.random.bits(key, x.shape, jnp.uint16).astype(jnp.uint32)
    moved = jnp.where(jnp.isfinite(x), bits + drawn, bits)
    upper = jax.lax.shift_right_logical(moved, jnp.uint32(16)).astype(jnp.uint16)
    return jax.lax.bitcast_convert_type(upper, jnp.bfloat16)
