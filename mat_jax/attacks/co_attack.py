"""Co-Attack (Zhang et al. 2022): the captions first, then the image away from both."""

import jax.numpy as jnp
from jaxtyping import Array, Key

from mat_jax.attacks.encode import embed_images, unchanged
from mat_jax.attacks.image import attack_images, with_image_counts
from mat_jax.attacks.sep import attack_captions, attackable_words, plan_captions, with_captions
from mat_jax.attacks.text import kl
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.records import Adversarial, Batch

ALPHA = 3.0


def co_attack(
    model,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    alpha: float = ALPHA,
) -> Adversarial:
    """BERT-Attack on the captions, then PGD on the image, which maximises

    `KL(softmax(e) || softmax(e')) + alpha * mean_i KL(softmax(t_i') || softmax(e'))`

    with e the clean and e' the adversarial image embedding and t_i' those of the image's
    adversarial captions, all on the unit sphere (Co-Attack equations 5 to 7, unimodal case).

    `official`: the released loop attacks an image once for each of its captions and keeps the
    last, so the image is attacked against its last caption only; one-sided start, last iterate.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    require_preset(preset)
    words = attackable_words(batch, threat)
    prepared = plan_captions(model, batch, words, preset)
    found = attack_captions(model, batch, words, threat, prepared, kl, prepared.clean)

    clean = embed_images(model, batch.images)
    weights = last_caption(batch.present) if preset == "official" else batch.present
    weights = weights.astype(jnp.float32)
    weights = weights / jnp.maximum(jnp.sum(weights, axis=-1, keepdims=True), 1.0)

    def loss(images: Array) -> Array:
        embed = embed_images(model, images)
        across = kl(found.unit, jnp.broadcast_to(embed[:, None], found.unit.shape))
        return kl(clean, embed) + alpha * jnp.sum(weights * across, axis=-1)

    images = attack_images(loss, batch, key, threat, preset)
    result = with_image_counts(unchanged(batch)._replace(images=images), threat, preset)
    return with_captions(result, batch, words, prepared, found)


def last_caption(present: Array) -> Array:
    """True at the last real caption of each image."""
    after = jnp.cumsum(present[:, ::-1].astype(jnp.int32), axis=1)[:, ::-1]
    return present & (after == 1)
