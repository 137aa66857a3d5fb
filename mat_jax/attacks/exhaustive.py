"""Every substitute of every word, and the image against the best of them: nothing left out."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from mat_jax.attacks.embeddings import embed_images, embed_texts, unchanged
from mat_jax.attacks.image_ascent import attack_embeds
from mat_jax.attacks.optimizers.early_stopping import Gallery, lost_in
from mat_jax.attacks.passes import with_image_counts
from mat_jax.attacks.sep import attackable_words
from mat_jax.attacks.sga import step_size
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.attacks.words.all_words import Standing, Variants, replaced, standing, variants
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import EncodesPairs


def exhaustive_attack(
    model: EncodesPairs,
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
    all away from the clean image. Both presets are the same, each on its table.

    Args:
        gallery: stop at an image that is lost in it (`lost_in`, of the captions that are best
            against the clean image); None takes every step.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    require_preset(preset)
    words = attackable_words(batch, threat, preset)
    words = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), words)
    captions = batch.present.shape
    if not threat.words:
        words = words._replace(substitute_lengths=jnp.zeros_like(words.substitute_lengths))
    image = _each(embed_images(model, batch.images), captions)
    now = standing(words, embed_texts(model, batch.tokens).reshape(*image.shape))
    table, passes = variants(model, now)
    for _ in range(threat.words - 1):
        now = _away(now, table, image)
        table, more = variants(model, now)
        passes += more

    # [batch, captions, 1 + words * candidates, ...]
    own = jax.tree.map(lambda x: x.reshape(*captions, *x.shape[1:]), table)
    weights = batch.present.astype(jnp.float32)

    def value(embeds: Array, rows: Array) -> Array:
        cosines = jnp.einsum("ne,ncve->ncv", embeds, own.units[rows])
        least = jnp.min(jnp.where(own.there[rows], cosines, jnp.inf), axis=-1)
        return -jnp.sum(weights[rows] * least, axis=-1)

    before = _away(now, table, image).unit.reshape(*captions, -1)
    lost = lost_in(gallery, before, batch.present, batch.ids)
    images, gradients = attack_embeds(
        model, value, batch, key, threat, "strict", default=step_size, lost_fn=lost
    )
    last = _away(now, table, _each(embed_images(model, images), captions))
    result = with_image_counts(
        unchanged(batch)._replace(images=images), threat, "strict", gradients=gradients
    )
    result.stats["image_forwards"] += 1  # the clean image, or the finished one
    clean = jax.tree.map(lambda x: x.reshape(-1, x.shape[-1]), batch.tokens)
    tokens = last.tokens(clean, model.text_format)
    stats = {
        "changed": jnp.sum(last.choice >= 0, axis=-1, dtype=jnp.int32).reshape(captions),
        "text_forwards": jnp.where(batch.present, 1 + passes.reshape(captions), 0),
    }
    return result._replace(
        tokens=jax.tree.map(lambda x: x.reshape(*captions, -1), tokens),
        choice=last.choice.reshape(*captions, -1),
        stats={**result.stats, **stats},
    )


def _away(now: Standing, table: Variants, images: Float[Array, "captions embed"]) -> Standing:
    """The captions with the word replaced that leads farthest from the images, if any does."""
    return replaced(now, table, -jnp.einsum("ce,cve->cv", images, table.units))


def _each(embeds: Float[Array, "batch embed"], captions: tuple[int, ...]) -> Array:
    """An image's embedding for each of its captions, in one row."""
    return jnp.repeat(embeds, captions[1], axis=0)
