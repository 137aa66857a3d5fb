"""Captions as words: the form in which a text attack can edit them on the device."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from mat_jax.types.arrays import Tokens


@dataclass(frozen=True)
class TextFormat:
    """How a tokenizer frames a caption: `start`, the words' ids, `end`, then `pad` up to `length`.

    `mask` is what importance scoring puts in a word's place under `preset="official"`: the ids of
    the literal text `[UNK]`. Under `strict` the word is left out instead, which every tokenizer
    can express.
    """

    start: int
    end: int
    pad: int
    length: int
    mask: tuple[int, ...] = ()


MULTIPLE = 16  # texts are cut to multiples of it, so that there are few programs


def cut_length(longest: int, length: int, *, least: int = MULTIPLE) -> int:
    """Ids to cut texts of `length` to, of which none is longer than `longest`.

    A multiple of `MULTIPLE`, at least `least` and at most `length`.
    """
    return min(max(-(-longest // MULTIPLE) * MULTIPLE, least), length)


def compose(
    parts: Int[Array, "*lead words parts"],
    lengths: Int[Array, "*lead words"],
    text_format: TextFormat,
) -> Tokens:
    """Put captions together from their words: `start w1 w2 ... end pad pad ...`.

    A caption that does not fit keeps its first `length - 2` word ids and its `end`, as the
    tokenizers of CLIP and BERT truncate. A word of length 0 vanishes.

    Args:
        parts: token ids of each word; entries past the word's length are ignored.
        lengths: number of ids of each word.
        text_format: start, end and pad ids and the length of the result.

    Returns:
        Tokens [*lead, length], the mask True from `start` to `end`.
    """
    words, width = parts.shape[-2:]
    room = text_format.length - 2

    def one(parts: Array, lengths: Array) -> Tokens:
        first = jnp.cumsum(lengths) - lengths
        slot = jnp.arange(width, dtype=lengths.dtype)
        position = first[:, None] + slot[None, :]
        inside = (slot[None, :] < lengths[:, None]) & (position < room)
        # Ids that do not exist or do not fit are written to one spare place and cut off.
        target = jnp.where(inside, position + 1, text_format.length)
        used = jnp.minimum(jnp.sum(lengths), room)
        place = jnp.arange(text_format.length + 1, dtype=lengths.dtype)
        ids = jnp.where(place == 0, text_format.start, text_format.pad).astype(parts.dtype)
        ids = ids.at[target.reshape(words * width)].set(parts.reshape(words * width))
        ids = jnp.where(place == used + 1, text_format.end, ids)
        return Tokens(ids[:-1], place[:-1] <= used + 1)

    lead = parts.shape[:-2]
    flat = jax.vmap(one)(parts.reshape(-1, words, width), lengths.reshape(-1, words))
    return Tokens(*(x.reshape(*lead, text_format.length) for x in flat))
