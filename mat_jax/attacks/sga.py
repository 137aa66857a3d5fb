"""Set-level guidance attack (SGA; Lu et al. 2023): all captions, several scales of the image."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Key

from mat_jax.attacks.embeddings import embed_images, unchanged
from mat_jax.attacks.image_ascent import attack_embeds
from mat_jax.attacks.optimizers.early_stopping import Gallery, lost_in
from mat_jax.attacks.optimizers.views import NOISE, SCALES, scale_views
from mat_jax.attacks.passes import with_image_counts
from mat_jax.attacks.sep import (
    attack_captions,
    attackable_words,
    plan_captions,
    with_captions,
)
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.attacks.words.substitution import away
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import EncodesPairs


def step_size(threat: ThreatModel, preset: Preset = "strict") -> float:
    """`eps / 4` in both presets (released code: 0.5/255 for 2/255)."""
    return threat.eps / 4


def sga_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    scales: Sequence[float] = SCALES,
    noise: float = NOISE,
    exact: int | None = None,
    gallery: Gallery | None = None,
) -> Adversarial:
    """Captions away from the image, the image away from all of them, the captions once more.

    1. t_i' minimises `cos(t_i', x)` for each caption of the image, at most `threat.words` words.
    2. x' minimises `sum over views g, captions i of cos(g(x'), t_i')` by PGD (equation 5).
    3. t_i'' minimises `cos(t_i'', x')`, again from the clean caption.

    What depends on the clean captions only is computed once for steps 1 and 3. `strict` keeps for
    each image the point where the image itself, with no view and no noise, is farthest from its
    captions: the similarity a retrieval sees. `official` keeps the last point. Both start from a
    symmetric draw; the default step size is `eps / 4`.

    Args:
        scales: the views' sizes; none of them leaves the plain image.
        noise: standard deviation of the noise in the views.
        exact: substitutes of a word that are encoded, see `bert_attack`; None for all.
        gallery: stop at an image that is lost in it (`lost_in`, with the captions of step
            1); None takes every step.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    require_preset(preset)
    words = attackable_words(batch, threat, preset)
    prepared = plan_captions(model, batch, words, preset, exact=exact)

    def captions_against(images: Array):
        embed = embed_images(model, images)
        reference = jnp.broadcast_to(embed[:, None], prepared.clean.shape)
        return attack_captions(model, batch, words, threat, prepared, away, reference, exact=exact)

    before = captions_against(batch.images)
    # A sum of cosines is one product with the sum of the captions.
    present = batch.present.astype(jnp.float32)[..., None]
    target = jnp.sum(before.unit * present, axis=1)

    def views(images: Array, keys: Array) -> Array:
        return scale_views(images, keys, scales=scales, noise=noise)

    images, gradients = attack_embeds(
        model,
        lambda embeds, rows: away(embeds, target[rows]),
        batch,
        key,
        threat,
        preset,
        default=step_size,
        one_sided=False,
        views_fn=views if len(scales) else None,
        lost_fn=lost_in(gallery, before.unit, batch.present, batch.ids),
    )
    after = captions_against(images)
    result = with_image_counts(
        unchanged(batch)._replace(images=images),
        threat,
        preset,
        views=1 + len(scales),
        gradients=gradients,
    )
    # One more pass over the finished image, which guides the captions.
    result.stats["image_forwards"] += 1
    return with_captions(result, batch, words, prepared, after, before, exact=exact)


def sga_plain_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    gallery: Gallery | None = None,
) -> Adversarial:
    """`sga` without resized views: a fifth of its image passes.

    Views are there so that an attack carries over to models it has not seen. Where the model
    attacked is the one measured, they are a cost; `benchmarks/README.md` compares.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    return sga_attack(model, batch, key, threat=threat, preset=preset, scales=(), gallery=gallery)
