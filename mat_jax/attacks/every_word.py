"""All that comes of a caption when one word is replaced: every substitute of every word."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mat_jax.attacks.encode import embed_texts
from mat_jax.attacks.text import embed_substitutes
from mat_jax.data.words import TextFormat, compose
from mat_jax.records import Tokens, Words


class Standing(NamedTuple):
    """Captions as they stand, one row each: the substitute at each word, and their embeddings."""

    words: Words
    choice: Int[Array, "captions words"]  # -1 where a word is the caption's own
    unit: Float[Array, "captions embed"]

    def tokens(self, clean: Tokens, text_format: TextFormat) -> Tokens:
        """As the victim reads them [captions, length]; one that is unchanged keeps `clean`."""
        composed = compose(self.words.parts, self.words.lengths, text_format)
        changed = jnp.any(self.choice >= 0, axis=-1)[:, None]
        return jax.tree.map(lambda new, old: jnp.where(changed, new, old), composed, clean)


class Variants(NamedTuple):
    """Each caption and all its variants; first the caption as it stands, then word by word."""

    units: Float[Array, "captions variants embed"]
    there: Bool[Array, "captions variants"]  # whether there is such a substitute


def standing(words: Words, unit: Float[Array, "captions embed"]) -> Standing:
    """The captions before anything is replaced."""
    return Standing(words, jnp.full(words.lengths.shape, -1, jnp.int32), unit)


def variants(model, now: Standing) -> tuple[Variants, Int[Array, " captions"]]:
    """All one-word changes of the captions, encoded, and how many there are of each."""
    words, units = now.words, now.unit
    there = words.substitute_lengths > 0
    open_words = jnp.any(there, axis=-1)
    slots = jnp.argsort(~open_words, axis=-1)
    rows, count = jnp.arange(len(slots)), jnp.sum(open_words, axis=-1, dtype=jnp.int32)

    def embed(tokens: Tokens, captions: Array | None) -> Array:
        return embed_texts(model, tokens)

    def put(index: Array, found: Array) -> Array:
        """The index-th open word of every caption."""
        slot = slots[:, index]
        new = embed_substitutes(embed, words, slot, model.text_format)
        return found.at[rows, slot].set(new)

    # As many rounds as the richest caption has open words.
    found = jnp.zeros((*there.shape, units.shape[-1]))
    found = jax.lax.fori_loop(0, jnp.max(count, initial=0), put, found)
    found = jnp.concatenate([units[:, None], found.reshape(len(rows), -1, units.shape[-1])], axis=1)
    same = jnp.ones((len(rows), 1), bool)
    table = Variants(found, jnp.concatenate([same, there.reshape(len(rows), -1)], axis=1))
    return table, jnp.sum(there, axis=(1, 2), dtype=jnp.int32)


def replaced(now: Standing, table: Variants, values: Float[Array, "captions variants"]) -> Standing:
    """The captions become the variant with the largest value; on a tie they stand."""
    words, rows = now.words, jnp.arange(len(values))
    best = jnp.argmax(jnp.where(table.there, values, -jnp.inf), axis=-1)
    slot, pick = jnp.divmod(jnp.maximum(best - 1, 0), words.substitutes.shape[2])
    change = best > 0

    def put(old: Array, new: Array) -> Array:
        kept = change.reshape(-1, *[1] * (new.ndim - 1))
        return old.at[rows, slot].set(jnp.where(kept, new, old[rows, slot]))

    sizes = words.substitute_lengths
    moved = Words(
        put(words.parts, words.substitutes[rows, slot, pick]),
        put(words.lengths, sizes[rows, slot, pick]),
        words.substitutes,
        # A word is replaced once.
        put(sizes, jnp.zeros_like(sizes[rows, slot])),
    )
    choice = put(now.choice, pick.astype(jnp.int32))
    return Standing(moved, choice, table.units[rows, best])


def best_of_all(
    model,
    now: Standing,
    score: Callable[[Float[Array, "captions variants embed"]], Array],
    *,
    budget: int,
) -> Standing:
    """`budget` words replaced one by one, each the best of all words by `score`, not the next."""
    for _ in range(budget):
        table, _ = variants(model, now)
        now = replaced(now, table, score(table.units))
    return now
