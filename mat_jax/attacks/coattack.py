"""Co-Attack (Zhang et al. 2022): the captions first, then the image away from both."""

import jax.numpy as jnp
from jaxtyping import Array, Key

from mat_jax.attacks.embeddings import embed_images, embed_texts, unchanged
from mat_jax.attacks.image_ascent import attack_embeds
from mat_jax.attacks.optimizers.early_stopping import Gallery, lost_in
from mat_jax.attacks.passes import with_image_counts
from mat_jax.attacks.sep import (
    attackable_words,
    changed_captions,
    with_captions,
)
from mat_jax.attacks.states import compared_images, compares_states
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.attacks.words.substitution import kl
from mat_jax.types.arrays import Adversarial, Batch, unit
from mat_jax.types.protocols import EncodesPairs

ALPHA = 3.0


def co_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    alpha: float = ALPHA,
    gallery: Gallery | None = None,
) -> Adversarial:
    """BERT-Attack on the captions, then PGD on the image, which maximises

    `KL(softmax(e) || softmax(e')) + alpha * mean_i KL(softmax(t_i') || softmax(e'))`

    with e the clean and e' the adversarial image embedding and t_i' those of the image's
    adversarial captions, all on the unit sphere (Co-Attack equations 5 to 7, unimodal case).

    `official`: the released loop attacks an image once for each of its captions and keeps the
    last, so the image is attacked against its last caption only; one-sided start, last iterate. Of
    a model that fuses it compares the first tokens' states before projection (`states`): raw in
    the first term and in the captions' attack, of unit length in the second. Where image and text
    states are not of one width, as the program needs them, the second keeps the unit embeddings.

    Args:
        alpha: weight of the captions.
        gallery: stop at an image that is lost in it (`lost_in`); None takes every step.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    require_preset(preset)
    words = attackable_words(batch, threat, preset)
    prepared, found = changed_captions(model, batch, words, threat, preset)
    clean = compared_images(model, batch.images, preset)
    raw, width, captions = compares_states(model, preset), clean.shape[-1], found.unit
    apart = captions.shape[-1] != width
    if raw:
        captions = embed_texts(model, found.tokens) if apart else unit(captions)

    def embed(images: Array) -> Array:
        """What is compared with the clean image, and behind it what is with captions if another."""
        states = compared_images(model, images, preset)
        return jnp.concatenate([states, embed_images(model, images)], axis=-1) if apart else states

    weights = last_caption(batch.present) if preset == "official" else batch.present
    weights = weights.astype(jnp.float32)
    weights = weights / jnp.maximum(jnp.sum(weights, axis=-1, keepdims=True), 1.0)

    def value(embeds: Array, rows: Array) -> Array:
        texts = captions[rows]
        states, near = embeds[:, :width], embeds[:, width:] if apart else embeds
        near = unit(near) if raw and not apart else near
        across = kl(texts, jnp.broadcast_to(near[:, None], texts.shape))
        return kl(clean[rows], states) + alpha * jnp.sum(weights[rows] * across, axis=-1)

    lost = lost_in(gallery, found.unit, batch.present, batch.ids)
    images, gradients = attack_embeds(
        model, value, batch, key, threat, preset, lost_fn=lost, embed_fn=embed
    )
    result = unchanged(batch)._replace(images=images)
    result = with_image_counts(result, threat, preset, gradients=gradients)
    return with_captions(result, batch, words, prepared, found)


def last_caption(present: Array) -> Array:
    """True at the last real caption of each image."""
    after = jnp.cumsum(present[:, ::-1].astype(jnp.int32), axis=1)[:, ::-1]
    return present & (after == 1)
