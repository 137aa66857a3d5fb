"""Texts that begin as others do: their common beginnings are encoded once.

In a causal tower a token reads only itself and those before it. So a caption with another word at
some place has the same keys and values before that place as the caption itself, and only what
follows is encoded (the key-value cache of language models; Pope et al. 2022, arXiv:2211.05102).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mat_jax.models.layers import Block, Keys, product
from mat_jax.models.memory import in_pieces, loops
from mat_jax.models.text import Ids, TextTower

MULTIPLE = 8  # windows are multiples of so many ids
GROUPS, FEWEST = 4, 32  # groups of captions, and texts that are worth a group
Places = Int[Array, " captions"]
Kept = tuple[Array, Array]  # the `Keys` of a block, or of all of them


class Prefixes(NamedTuple):
    """What a causal tower keeps of texts, so that others need not encode the same beginning."""

    ids: Int[Array, "captions length"]
    # One entry a block. Where blocks are a loop, one for all, with an axis of blocks after the
    # captions.
    keys: list[Kept]


def encode(tower: TextTower, ids: Ids) -> Prefixes:
    """Texts through the blocks of a causal tower; what each block reads of them is kept."""
    place = jnp.arange(ids.shape[1])
    readable = (place[None, :] <= place[:, None])[None]

    def step(x: Array, block: Block) -> tuple[Array, Keys]:
        keys = block.attn.keys(block.ln1(x))
        return block(x, readable, keys=keys), keys

    def piece(ids: Array) -> list[Kept]:
        x = tower.embed(ids)
        if loops(tower.memory):
            _, keys = jax.lax.scan(step, x, _stacked(tower))
            return [_swapped(keys)]
        found = []
        for block in tower.blocks:
            x, keys = step(x, block)
            found.append(keys)
        return found

    return Prefixes(ids, in_pieces(piece, tower.memory.rows, ids))


def windows(length: int) -> list[int]:
    """How many ids may be encoded anew, of so many: a quarter of them, or half."""
    found = {-(-length // (parts * MULTIPLE)) * MULTIPLE for parts in (4, 2)}
    return sorted(window for window in found if window < length)


def encode_variants(
    tower: TextTower,
    prefixes: Prefixes,
    ids: Int[Array, "captions variants length"],
    at: Int[Array, "captions variants"],
) -> Float[Array, "captions variants width"]:
    """The token at the place `at` of each variant of captions, as `TextTower` gives it.

    Captions with the longest rests are encoded first, and those with short ones after them. Of
    each group so many ids are encoded as its longest rest needs, the next of `windows`.
    """
    captions, variants, length = ids.shape
    differs = ids != prefixes.ids[:, None]
    first = jnp.min(jnp.where(differs, jnp.arange(length), length), axis=(1, 2))
    first = jnp.minimum(first, jnp.min(at, axis=1))  # which is in the rest
    longest = jnp.max(at, axis=1) - first + 1
    sizes = windows(length)

    def group(given: tuple[Prefixes, Array, Array, Array, Array]) -> Array:
        prefixes, ids, at, first, longest = given

        def whole() -> Array:
            flat = ids.reshape(-1, length)
            pooled = tower(flat, jnp.ones_like(flat, bool), at.reshape(-1))[1]
            return pooled.reshape(*at.shape, -1)

        def rest(window: int) -> Array:
            return _encode_rest(tower, prefixes, ids, at, first, window)

        which = jnp.searchsorted(jnp.asarray(sizes, jnp.int32), jnp.max(longest))
        return jax.lax.switch(which, [*(partial(rest, window) for window in sizes), whole])

    each = max(-(-captions // GROUPS), -(-FEWEST // variants))
    if each >= captions:
        return group((prefixes, ids, at, first, longest))
    order = jnp.argsort(-longest)
    groups = -(-captions // each)
    # What is missing of the last group is the caption with the shortest rest once more.
    places = order[jnp.minimum(jnp.arange(groups * each), captions - 1)].reshape(groups, each)
    whole = prefixes, ids, at, first, longest

    def of(places: Array) -> Array:
        return group(jax.tree.map(lambda x: x[places], whole))

    found = jax.lax.map(of, places)
    return found.reshape(groups * each, variants, -1)[jnp.argsort(order)]


def _encode_rest(
    tower: TextTower, prefixes: Prefixes, ids: Array, at: Array, first: Places, window: int
) -> Array:
    """What stands before `first` is read of the captions; `window` ids from there are encoded."""
    length = ids.shape[-1]

    def piece(given: tuple[list[Kept], Array, Array, Array]) -> Array:
        keys, ids, at, first = given
        # What would stand behind the last id comes after `at`, so that nobody reads it.
        place = jnp.minimum(first[:, None] + jnp.arange(window)[None], length - 1)
        rest = jnp.take_along_axis(ids, place[:, None], axis=2).reshape(-1, window)
        x = tower.embed(rest, at=jnp.repeat(place, ids.shape[1], axis=0))

        def step(x: Array, given: tuple[Block, Keys]) -> tuple[Array, None]:
            block, keys = given
            return block.feed(x + _read(block, x, keys, first)), None

        if loops(tower.memory):
            x, _ = jax.lax.scan(step, x, (_stacked(tower), _swapped(keys[0])))
        else:
            for given_block in zip(tower.blocks, keys, strict=True):
                x, _ = step(x, given_block)
        last = (at - first[:, None]).reshape(-1, 1, 1)
        pooled = jnp.take_along_axis(x, last, axis=1)[:, 0].astype(jnp.float32)
        assert tower.ln_post is not None
        return tower.ln_post(pooled).reshape(*at.shape, -1)

    rows = tower.memory.rows
    few = None if rows is None else max(1, rows // ids.shape[1])
    return in_pieces(piece, few, (prefixes.keys, ids, at, first))


def _swapped(keys: Kept) -> Kept:
    """Blocks first, texts second; and back."""
    return jax.tree.map(lambda x: x.swapaxes(0, 1), keys)


def _stacked(tower: TextTower) -> Block:
    return jax.tree.map(lambda *weights: jnp.stack(weights), *tower.blocks)


def _read(block: Block, x: Array, keys: Keys, first: Places) -> Array:
    """Attention of the tokens `x`, which stand from `first` on, to those before and to each other.

    The variants of a caption read it together: its keys are not repeated for each.
    """
    asking = block.ln1(x)
    own_keys, own_values = block.attn.keys(asking)
    queries = block.attn.queries(asking)
    (rows, heads, window, _), (captions, _, length, _) = queries.shape, keys[0].shape

    def together(x: Array) -> Array:
        x = x.reshape(captions, -1, *x.shape[1:]).swapaxes(1, 2)
        return x.reshape(captions, heads, -1, x.shape[-1])

    def apart(x: Array) -> Array:
        x = x.reshape(captions, heads, -1, window, x.shape[-1]).swapaxes(1, 2)
        return x.reshape(rows, heads, window, x.shape[-1])

    of_caption = product(together(queries), keys[0].mT, jnp.float32)
    before = (jnp.arange(length)[None] < first[:, None])[:, None, None]
    of_caption = jnp.where(before, of_caption, jnp.finfo(of_caption.dtype).min)
    of_own = product(queries, own_keys.mT, jnp.float32)
    causal = jnp.arange(window)[None, :] <= jnp.arange(window)[:, None]
    of_own = jnp.where(causal, of_own, jnp.finfo(of_own.dtype).min)
    probs = jax.nn.softmax(jnp.concatenate([apart(of_caption), of_own], axis=-1), axis=-1)
    probs = probs.astype(own_values.dtype)
    found = apart(product(together(probs[..., :length]), keys[1]))
    found = found + product(probs[..., length:], own_values)
    return block.attn.o(found.swapaxes(1, 2).reshape(x.shape))
