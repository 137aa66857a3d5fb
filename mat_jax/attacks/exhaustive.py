"""Every substitute of every word, and the image against the best of them: nothing left out."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from mat_jax.attacks.early import Gallery, lost_in
from mat_jax.attacks.encode import embed_images, embed_texts, unchanged
from mat_jax.attacks.image import attack_embeds, with_image_counts
from mat_jax.attacks.sep import attackable_words
from mat_jax.attacks.sga import step_size
from mat_jax.attacks.text import embed_substitutes
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.data.words import compose
from mat_jax.records import Adversarial, Batch, Tokens, Words


def exhaustive(
    model,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    gallery: Gallery | None = None,
) -> Adversarial:
    r"""Images and captions, each against the best answer of the other (ours; no paper's).

    With $V_i$ caption i and all that come of it when one word is replaced, x' minimises

    $$\sum_i \min_{t \in V_i} \cos(x', t)$$

    by PGD, the minimum taken anew at every step, and $t_i'$ is where it is taken at the x' kept.
    BERT-Attack, and with it SGA and Co-Attack, replaces the word that matters most by itself and
    looks at no other if that does any harm; a defended model may be weak at the next. Here all of
    $V_i$ is encoded, once, for no caption depends on the image: `1 + open words * candidates`
    passes a caption in the place of their `1 + open words + candidates`.

    With `threat.words` k above 1, k - 1 words are replaced beforehand one by one, each the best of
    all away from the clean image. Both presets are the same.

    Args:
        gallery: stop at an image that is lost in it (`early.lost_in`, of the captions that are best
            against the clean image); None takes every step.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    require_preset(preset)
    words = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), attackable_words(batch, threat))
    captions = batch.present.shape
    if not threat.words:
        words = words._replace(substitute_lengths=jnp.zeros_like(words.substitute_lengths))
    image = _each(embed_images(model, batch.images), captions)
    clean = embed_texts(model, batch.tokens).reshape(*image.shape)
    now = _Now(words, jnp.full(words.lengths.shape, -1, jnp.int32), clean)
    table, passes = _encoded(model, now)
    for _ in range(threat.words - 1):
        now = _replaced(now, table, image)
        table, more = _encoded(model, now)
        passes += more

    # [batch, captions, 1 + words * candidates, ...]
    own = jax.tree.map(lambda x: x.reshape(*captions, *x.shape[1:]), table)
    weights = batch.present.astype(jnp.float32)

    def value(embeds: Array, rows: Array) -> Array:
        cosines = jnp.einsum("ne,ncve->ncv", embeds, own.units[rows])
        least = jnp.min(jnp.where(own.there[rows], cosines, jnp.inf), axis=-1)
        return -jnp.sum(weights[rows] * least, axis=-1)

    before = _replaced(now, table, image).unit.reshape(*captions, -1)
    lost = lost_in(gallery, before, batch.present, batch.ids)
    images, gradients = attack_embeds(
        model, value, batch, key, threat, "strict", default=step_size, lost_fn=lost
    )
    last = _replaced(now, table, _each(embed_images(model, images), captions))
    result = with_image_counts(
        unchanged(batch)._replace(images=images), threat, "strict", gradients=gradients
    )
    result.stats["image_forwards"] += 1  # the clean image, or the finished one
    composed = compose(last.words.parts, last.words.lengths, model.text_format)
    changed = jnp.sum(last.choice >= 0, axis=-1, dtype=jnp.int32).reshape(captions)
    tokens = jax.tree.map(lambda x: x.reshape(*captions, -1), composed)
    put = (changed > 0)[..., None]
    kept = [jnp.where(put, new, old) for new, old in zip(tokens, batch.tokens, strict=True)]
    stats = {
        "changed": changed,
        "text_forwards": jnp.where(batch.present, 1 + passes.reshape(captions), 0),
    }
    return result._replace(
        tokens=Tokens(*kept),
        choice=last.choice.reshape(*captions, -1),
        stats={**result.stats, **stats},
    )


class _Table(NamedTuple):
    """Of each caption the embeddings of itself and of all that one more word makes of it."""

    units: Float[Array, "captions variants embed"]
    there: Array  # [captions, variants] whether there is such a substitute


class _Now(NamedTuple):
    """Captions as they stand, the substitute at each word, and their embeddings."""

    words: Words
    choice: Int[Array, "captions words"]
    unit: Array


def _encoded(model, now: _Now) -> tuple[_Table, Int[Array, " captions"]]:
    """All one-word changes of the captions, and how many there are of each."""
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
    table = _Table(found, jnp.concatenate([same, there.reshape(len(rows), -1)], axis=1))
    return table, jnp.sum(there, axis=(1, 2), dtype=jnp.int32)


def _replaced(now: _Now, table: _Table, images: Float[Array, "captions embed"]) -> _Now:
    """The captions with the word replaced that leads farthest from the images, if any does."""
    words, rows = now.words, jnp.arange(len(images))
    cosines = jnp.einsum("ce,cve->cv", images, table.units)
    best = jnp.argmin(jnp.where(table.there, cosines, jnp.inf), axis=-1)
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
    return _Now(moved, choice, table.units[rows, best])


def _each(embeds: Float[Array, "batch embed"], captions: tuple[int, ...]) -> Array:
    """An image's embedding for each of its captions, in one row."""
    return jnp.repeat(embeds, captions[1], axis=0)
