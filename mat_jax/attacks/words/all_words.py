"""All that comes of a caption when one word is replaced: every substitute of every word.

What the best of them gains of `away`, and what else gains of that (one word of 10 candidates, 160
captions of 32 test scenes; MAT and TeCoA-ITR are exports of
`experiments/scenes_defenses.py`, seed 0):

============================  ===========  =====  =========  ==========
search                        scenes-clip  MAT    TeCoA-ITR  encodings
============================  ===========  =====  =========  ==========
the most important word       83 %         73 %   93 %       1 + w + 10
the 10 most promising of all  92 %         91 %   92 %       2 + 10
the 30 most promising of all  98 %         98 %   97 %       2 + 30
every one                     100 %        100 %  100 %      1 + 10 w
============================  ===========  =====  =========  ==========

with w open words of a caption. A model trained against the most important word (MAT) is the one on
which that word is the wrong one.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mat_jax.attacks.embeddings import embed_texts, embed_variants, word_embeddings
from mat_jax.attacks.words.gradient_shortlist import place_of
from mat_jax.attacks.words.substitution import embed_substitutes
from mat_jax.types.arrays import Tokens, Words
from mat_jax.types.protocols import EncodesPairs
from mat_jax.types.text_format import TextFormat, compose

# What is raised: `score(units [captions, variants, embed]) -> [captions, variants]`.
Score = Callable[[Float[Array, "captions variants embed"]], Array]


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
    """Each caption as it stands, and after it what one word more makes of it."""

    units: Float[Array, "captions variants embed"]
    there: Bool[Array, "captions variants"]  # whether there is such a substitute
    # Of each but the first: the word it replaces, times the substitutes of a word, plus which.
    place: Int[Array, "captions substitutes"]


def standing(words: Words, unit: Float[Array, "captions embed"]) -> Standing:
    """The captions before anything is replaced."""
    return Standing(words, jnp.full(words.lengths.shape, -1, jnp.int32), unit)


def variants(model: EncodesPairs, now: Standing) -> tuple[Variants, Int[Array, " captions"]]:
    """All one-word changes of the captions, encoded, and how many there are of each."""
    words, units = now.words, now.unit
    there = words.substitute_lengths > 0
    open_words = jnp.any(there, axis=-1)
    slots = jnp.argsort(~open_words, axis=-1)
    rows, count = jnp.arange(len(slots)), jnp.sum(open_words, axis=-1, dtype=jnp.int32)

    embed = embed_variants(model, compose(words.parts, words.lengths, model.text_format))

    def put(index: Array, found: Array) -> Array:
        """The index-th open word of every caption."""
        slot = slots[:, index]
        new = embed_substitutes(embed, words, slot, model.text_format)
        return found.at[rows, slot].set(new)

    # As many rounds as the richest caption has open words.
    found = jnp.zeros((*there.shape, units.shape[-1]))
    found = jax.lax.fori_loop(0, jnp.max(count, initial=0), put, found)
    found = jnp.concatenate([units[:, None], found.reshape(len(rows), -1, units.shape[-1])], axis=1)
    passes = jnp.sum(there, axis=(1, 2), dtype=jnp.int32)
    there = there.reshape(len(rows), -1)
    place = jnp.broadcast_to(jnp.arange(there.shape[1], dtype=jnp.int32), there.shape)
    same = jnp.ones((len(rows), 1), bool)
    return Variants(found, jnp.concatenate([same, there], axis=1), place), passes


def promising(model: EncodesPairs, now: Standing, score: Score, *, few: int) -> Variants:
    r"""The `few` one-word changes with the largest first-order gain, whatever their word.

    With $E_p$ the token embeddings of the caption and g the gradient of its score by them, the
    substitute s of a word that stands at the places P promises

    $$\sum_{p \in P} g_p \cdot (E_s - E_p),$$

    $E_s$ the mean of its tokens (HotFlip, Ebrahimi et al. 2018). One forward and one backward pass
    name them, `few` forward passes encode them.

    Raises:
        TypeError: a model that does not show its word embeddings.
    """
    words, rows = now.words, jnp.arange(len(now.unit))
    table = word_embeddings(model)
    tokens = compose(words.parts, words.lengths, model.text_format)
    own = table[tokens.ids]

    def value(shift: Array) -> tuple[Array, Array]:
        unit = embed_texts(model, tokens, shift)
        return jnp.sum(score(unit[:, None])), unit

    slope, unit = jax.grad(value, has_aux=True)(jnp.zeros_like(own))
    slots = jnp.broadcast_to(jnp.arange(words.lengths.shape[1]), words.lengths.shape)
    inside = jax.vmap(lambda slot: place_of(words, slot, model.text_format), 1, 1)(slots)
    weights = inside.astype(jnp.float32)
    along = jnp.einsum("nwp,npe->nwe", weights, slope)
    stands = jnp.einsum("nwp,np->nw", weights, jnp.sum(slope * own, axis=-1))
    new = jnp.einsum("nwe,nwkte->nwkt", along, table[words.substitutes])
    sizes = words.substitute_lengths
    number = jnp.broadcast_to(jnp.arange(new.shape[-1]), new.shape)
    new = jnp.sum(jnp.where(number < sizes[..., None], new, 0.0), axis=-1)
    new = new / jnp.maximum(sizes, 1).astype(new.dtype)
    promise = jnp.where(sizes > 0, new - stands[..., None], -jnp.inf).reshape(len(rows), -1)
    best, place = jax.lax.top_k(promise, min(few, promise.shape[1]))

    slot, pick = jnp.divmod(place, sizes.shape[2])
    each, number = rows[:, None], jnp.arange(place.shape[1])
    parts = jnp.repeat(words.parts[:, None], place.shape[1], axis=1)
    parts = parts.at[each, number, slot].set(words.substitutes[each, slot, pick])
    lengths = jnp.repeat(words.lengths[:, None], place.shape[1], axis=1)
    lengths = lengths.at[each, number, slot].set(sizes[each, slot, pick])
    units = embed_texts(model, compose(parts, lengths, model.text_format))
    there = jnp.concatenate([jnp.ones((len(rows), 1), bool), best > -jnp.inf], axis=1)
    # Its own `unit`: where nobody asks for `now.unit`, the caption is not encoded twice.
    return Variants(jnp.concatenate([unit[:, None], units], axis=1), there, place)


def replaced(now: Standing, table: Variants, values: Float[Array, "captions variants"]) -> Standing:
    """The captions become the variant with the largest value; on a tie they stand."""
    words, rows = now.words, jnp.arange(len(values))
    best = jnp.argmax(jnp.where(table.there, values, -jnp.inf), axis=-1)
    place = table.place[rows, jnp.maximum(best - 1, 0)]
    slot, pick = jnp.divmod(place, words.substitutes.shape[2])
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
    model: EncodesPairs, now: Standing, score: Score, *, budget: int, few: int | None = None
) -> Standing:
    """`budget` words replaced one by one, each the best of all words by `score`.

    With `few`, only so many are encoded each time, the most `promising`.
    """
    for _ in range(budget):
        if few is None:
            table, _ = variants(model, now)
        else:
            table = promising(model, now, score, few=few)
        now = replaced(now, table, score(table.units))
    return now
