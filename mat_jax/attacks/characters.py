"""LEAF's attack on characters (Rocamora et al. 2025): the caption with one typing error."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from mat_jax.attacks.embeddings import embed_images, unchanged
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.attacks.words.substitution import away
from mat_jax.data.substitutes.characters import CHARACTERS
from mat_jax.types.arrays import Adversarial, Batch, Tokens, Words, unit
from mat_jax.types.protocols import EncodesPairs
from mat_jax.types.text_format import compose

POSITIONS = 50


def leaf_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    positions: int = POSITIONS,
    guided: bool = False,
    anchor: Float[Array, "batch captions embed"] | None = None,
) -> Adversarial:
    """Maximise `|g(t) - g(t')|^2` over captions t' at Levenshtein distance 1, in two stages.

    g is the projected embedding, not normalised. 1. At each of at most `positions` positions a
    space is put (where a space is, it goes); the position of the largest value is kept. 2. There
    each character is put in turn. Which positions and edits there are, the batch's words say:
    `corpus.with_words(data.build_characters(corpus.caption_list, tokenizer))`. No randomness.

    `official`: the best edit of stage 2. `strict`: the best caption of both stages, and no edit
    where none does better than the clean caption. `threat.words` of 0 allows no edit; more than
    one edit is not made. `threat.candidates` is about words and does not matter.

    Args:
        positions: scored in stage 1; a table with more of them has the rest ignored.
        guided: maximise `-cos(g(t'), f(x))` instead, away from the image.
        anchor: drive g(t') from these vectors in the place of g(t).

    Raises:
        ValueError: the batch carries no words, or not those of a character table.
    """
    require_preset(preset)
    if batch.words is None or batch.words.substitutes.shape[-2] % len(CHARACTERS):
        raise ValueError(
            "this attack edits characters but the batch carries no table of them: prepare the "
            "corpus with data.build_characters"
        )
    if not threat.words:
        return unchanged(batch)
    lead = batch.present.shape
    words = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch.words)
    tokens = Tokens(*(x.reshape(-1, x.shape[-1]) for x in batch.tokens))
    rows = jnp.arange(tokens.ids.shape[0])
    if anchor is None:
        anchor = model.encode_text(tokens).embed
    clean = anchor.reshape(len(rows), -1).astype(jnp.float32)
    image = jnp.repeat(embed_images(model, batch.images), lead[1], axis=0) if guided else None

    def value(tokens: Tokens) -> Array:
        embed = model.encode_text(tokens).embed.astype(jnp.float32)
        if image is not None:
            return away(image, unit(embed))
        return jnp.sum(jnp.square(embed - clean), axis=-1)

    def tried(slot: Array, edit: Array) -> tuple[Array, Array]:
        """The values of one edit of each caption, and whether there is such an edit."""
        there = words.substitute_lengths[rows, slot, edit] > 0
        return jnp.where(there, value(_edited(model, words, slot, edit)), -jnp.inf), there

    # Stage 1. The open places of a caption, gathered from all its words.
    tests = words.substitute_lengths[:, :, :: len(CHARACTERS)] > 0
    flat = tests.reshape(len(rows), -1)
    order = jnp.argsort(~flat, axis=-1)[:, :positions]
    slots, places = order // tests.shape[2], order % tests.shape[2]
    test = jax.lax.map(lambda at: tried(at[0], at[1] * len(CHARACTERS)), (slots.T, places.T))
    best = jnp.argmax(test[0], axis=0)
    slot, place = slots[rows, best], places[rows, best]

    # Stage 2.
    start = place * len(CHARACTERS)
    edits, there = jax.lax.map(lambda c: tried(slot, start + c), jnp.arange(len(CHARACTERS)))
    edit = start + jnp.argmax(edits, axis=0)
    # A space is among the characters, so stage 2 has the best of stage 1 in it too.
    least = value(tokens) if preset == "strict" else -jnp.inf
    changed = jnp.max(edits, axis=0) > least
    after = _edited(model, words, slot, edit)
    chosen = (
        jnp.full(words.lengths.shape, -1, jnp.int32)
        .at[rows, slot]
        .set(jnp.where(changed, edit, -1).astype(jnp.int32))
    )
    kept = jax.tree.map(lambda new, old: jnp.where(changed[:, None], new, old), after, tokens)
    passes = 1 + jnp.sum(test[1], axis=0) + jnp.sum(there, axis=0)
    stats = {
        "attackable": jnp.sum(jnp.any(words.substitute_lengths > 0, axis=-1), axis=-1),
        "changed": changed,
        "text_forwards": jnp.where(batch.present.reshape(-1), passes, 0),
    }
    return Adversarial(
        batch.images,
        jax.tree.map(lambda x: x.reshape(*lead, -1), kept),
        chosen.reshape(*lead, -1),
        {name: x.astype(jnp.int32).reshape(lead) for name, x in stats.items()},
    )


def _edited(model: EncodesPairs, words: Words, slot: Array, edit: Array) -> Tokens:
    """Each caption with one of its edits; at place 0 the next word is part of it."""
    rows, last = jnp.arange(slot.shape[0]), words.lengths.shape[1] - 1
    parts = words.parts
    wide = words.substitutes.shape[-1] - parts.shape[-1]
    parts = jnp.pad(parts, [(0, 0), (0, 0), (0, max(0, wide))])
    new = words.substitutes[rows, slot, edit]
    new = jnp.pad(new, [(0, 0), (0, max(0, -wide))])
    following = jnp.minimum(slot + 1, last)
    swallowed = (edit < len(CHARACTERS)) & (slot < last)
    kept = words.lengths[rows, following]
    lengths = words.lengths.at[rows, following].set(jnp.where(swallowed, 0, kept))
    lengths = lengths.at[rows, slot].set(words.substitute_lengths[rows, slot, edit])
    return compose(parts.at[rows, slot].set(new), lengths, model.text_format)
