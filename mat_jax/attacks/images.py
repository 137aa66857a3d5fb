"""Attacks on images alone, and the attack that does nothing."""

import jax.numpy as jnp
from jaxtyping import Array, Key

from mat_jax.attacks.embeddings import embed_texts, unchanged
from mat_jax.attacks.image_ascent import attack_embeds
from mat_jax.attacks.image_objectives import away_from_captions, gallery_margin
from mat_jax.attacks.objectives import kl
from mat_jax.attacks.optimizers.auto_pgd import apgd
from mat_jax.attacks.optimizers.early_stopping import Gallery, lost_in
from mat_jax.attacks.optimizers.projected_gradient import Loss, example_keys, fgsm
from mat_jax.attacks.optimizers.square_search import square
from mat_jax.attacks.passes import with_image_counts, with_passes
from mat_jax.attacks.states import compared_images
from mat_jax.attacks.threat import Preset, ThreatModel, proposals, require_preset
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import EncodesPairs


def no_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """No attack: the batch as it is, in the form of an attack's result."""
    require_preset(preset)
    return unchanged(batch)


def pgd_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    gallery: Gallery | None = None,
) -> Adversarial:
    """Maximise `KL(softmax(e) || softmax(e'))` between the clean and adversarial image embeddings.

    e is on the unit sphere; under `official`, of a model that fuses, it is the raw state of the
    image tower's first token (`states`). This is the image half of Sep-Attack ("adv 2" of the
    released Co-Attack; Zhang et al. 2022); no caption is used or changed.

    Args:
        gallery: stop at an image that is lost in it (`lost_in`); None takes every step.
    """
    require_preset(preset)
    clean = compared_images(model, batch.images, preset)
    lost = None
    if gallery is not None:
        lost = lost_in(gallery, embed_texts(model, batch.tokens), batch.present, batch.ids)
    images, gradients = attack_embeds(
        model, lambda embeds, rows: kl(clean[rows], embeds), batch, key, threat, preset,
        lost_fn=lost, embed_fn=lambda images: compared_images(model, images, preset),
    )  # fmt: skip
    result = unchanged(batch)._replace(images=images)
    if gallery is not None:
        result.stats["text_forwards"] = batch.present.astype(jnp.int32)
    return with_image_counts(result, threat, preset, gradients=gradients)


def fgsm_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Minimise the cosine to the image's captions (`away_from_captions`) in one step of `eps`."""
    require_preset(preset)
    loss = away_from_captions(model, batch)
    images = fgsm(loss, batch.images, eps=threat.eps, norm=threat.norm)
    return with_passes(unchanged(batch)._replace(images=images), 1, 1)


def apgd_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Minimise the cosine to the image's captions (`away_from_captions`) by APGD.

    Its step sizes are its own; both presets are the same.
    """
    require_preset(preset)
    return _by_apgd(away_from_captions(model, batch), batch, key, threat)


def apgd_margin_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    gallery: Gallery,
) -> Adversarial:
    """Maximise `gallery_margin` by APGD: what text retrieval asks, in the gallery at hand.

    Away from one's own captions is no particular way; this one leads to the nearest caption of
    another image. Of captions that look for their image (IR) it promises nothing. The gallery is
    one for all images, so that the batch does not matter. Both presets are the same.

    Args:
        gallery: before any attack.
    """
    require_preset(preset)
    own = gallery.text_ids[None, :] == batch.ids[:, None]
    return _by_apgd(gallery_margin(model, gallery.texts, own), batch, key, threat)


def _by_apgd(loss_fn: Loss, batch: Batch, key: Array, threat: ThreatModel) -> Adversarial:
    images = apgd(
        loss_fn,
        batch.images,
        example_keys(key, batch.ids),
        eps=threat.eps,
        steps=threat.steps,
        norm=threat.norm,
        restarts=threat.restarts,
    )
    result = unchanged(batch)._replace(images=images)
    return with_passes(result, threat.restarts * (threat.steps + 1), threat.restarts * threat.steps)


def square_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Minimise the cosine to the image's captions (`away_from_captions`) by Square, scores alone.

    It tries `proposals(threat)` squares. `strict` shrinks them over that budget; `official` at the
    proposals where AutoAttack's shrink among its 5,000.

    Raises:
        ValueError: a norm other than linf.
    """
    require_preset(preset)
    if threat.norm != "linf":
        raise ValueError(f"square is an attack in linf, got norm {threat.norm!r}: use apgd or pgd")
    images = square(
        away_from_captions(model, batch),
        batch.images,
        example_keys(key, batch.ids),
        eps=threat.eps,
        steps=proposals(threat),
        rescale=preset == "strict",
        restarts=threat.restarts,
    )
    result = unchanged(batch)._replace(images=images)
    return with_passes(result, threat.restarts * (proposals(threat) + 1), 0)
