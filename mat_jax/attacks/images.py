"""Attacks on images alone, and the attack that does nothing."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from mat_jax.attacks.embeddings import embed_images, embed_texts, unchanged
from mat_jax.attacks.objectives import away, kl, margin
from mat_jax.attacks.optimizers.auto_pgd import apgd
from mat_jax.attacks.optimizers.early_stopping import Gallery, Lost, lost_in, pgd_until_lost
from mat_jax.attacks.optimizers.projected_gradient import Loss, NoisyLoss, example_keys, fgsm, pgd
from mat_jax.attacks.optimizers.square_search import square
from mat_jax.attacks.states import compared_images
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import Model


def no_attack(
    model: Model,
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
    model: Model,
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
        gallery: stop at an image that is lost in it (`early.lost_in`); None takes every step.
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
    model: Model,
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
    model: Model,
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
    model: Model,
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
    model: Model,
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


def proposals(threat: ThreatModel) -> int:
    """50 squares for each gradient step: AutoAttack tries 5,000 beside the 100 steps of APGD."""
    return 50 * threat.steps


def away_from_captions(model: Model, batch: Batch) -> Loss:
    """`images -> -sum_i cos(e', t_i)` over the image's own captions, which are encoded once.

    It has a gradient at the clean image, where the distance from the clean embedding has none. No
    other image's captions count: what an attack does to an image must not depend on the batch. For
    the rank in a gallery at hand, climb `gallery_margin`.
    """
    present = batch.present.astype(jnp.float32)[..., None]
    target = jnp.sum(embed_texts(model, batch.tokens) * present, axis=1)
    return lambda images: away(embed_images(model, images), target)


def gallery_margin(
    model: Model, texts: Float[Array, "texts embed"], positive: Bool[Array, "batch texts"]
) -> Loss:
    """`images -> losses.margin` in a gallery: above 0 where an image finds no caption of its own.

    Args:
        model: whose images are attacked.
        texts: the gallery on the unit sphere (`models.features.embed_texts`).
        positive: which of them describe the image.
    """
    return lambda images: margin(embed_images(model, images) @ texts.T, positive)


StepSize = Callable[[ThreatModel, Preset], float]


def step_size(threat: ThreatModel, preset: Preset = "strict") -> float:
    """`2.5 eps / steps` (Madry et al. 2018); `official` is the released code's `1.25 eps / steps`.

    From one end of the ball the other is `2 eps` away, and not every step goes the same way: with
    the shorter one, ten steps from a random start do less than a single one from the image does
    (`evaluate.checks.strength` found it).
    """
    return (1.25 if preset == "official" else 2.5) * threat.eps / max(threat.steps, 1)


def attack_images(
    loss_fn: Loss,
    batch: Batch,
    key: Key[Array, ""],
    threat: ThreatModel,
    preset: Preset,
    *,
    default: StepSize | None = None,
    one_sided: bool = True,
    momentum: float = 0.0,
    random_start: bool = True,
    climb_fn: NoisyLoss | None = None,
) -> Array:
    """PGD with the settings of the threat, keys from the ids of the batch.

    `strict` keeps the best point of each image; `official` the last, and starts on one side of
    the image if `one_sided`. `default` is the attack's step size where the threat gives none.
    `momentum`, `random_start` and `climb_fn` are those of `pgd`.
    """
    return pgd(
        loss_fn,
        batch.images,
        example_keys(key, batch.ids),
        eps=threat.eps,
        step_size=_step_size(threat, preset, default),
        steps=threat.steps,
        norm=threat.norm,
        momentum=momentum,
        random_start=random_start,
        one_sided=one_sided and preset == "official",
        restarts=threat.restarts,
        best=preset == "strict",
        climb_fn=climb_fn,
    )


# `(embeds [n, embed], rows [n]) -> [n]`: what is climbed, of the batch's `rows`.
OfEmbeds = Callable[[Array, Array], Array]
# `(images [n, ...], keys [n]) -> [views, n, ...]`, the image itself first.
Views = Callable[[Array, Array], Array]


def attack_embeds(
    model: Model,
    value_fn: OfEmbeds,
    batch: Batch,
    key: Key[Array, ""],
    threat: ThreatModel,
    preset: Preset,
    *,
    default: StepSize | None = None,
    one_sided: bool = True,
    views_fn: Views | None = None,
    lost_fn: Lost | None = None,
    embed_fn: Callable[[Array], Array] | None = None,
) -> tuple[Array, Int[Array, " batch"]]:
    """`attack_images` for an objective of the image's embedding, and the gradients each took.

    `embed_fn` is what the objective is handed of images; None is their unit embedding. With
    `views_fn` the sum over the views is climbed, and the image itself is judged. With
    `lost_fn` an image goes on only until it is lost (`early.pgd_until_lost`).
    """

    embed = embed_fn or (lambda images: embed_images(model, images))

    def look(images: Array, keys: Array, rows: Array) -> tuple[Array, Array, Array]:
        views = images[None] if views_fn is None else views_fn(images, keys)
        count, examples = views.shape[:2]
        embeds = embed(views.reshape(-1, *images.shape[1:]))
        values = value_fn(embeds, jnp.tile(rows, count)).reshape(count, examples)
        plain = jax.lax.stop_gradient(embeds[:examples])
        return jnp.sum(values, axis=0), jax.lax.stop_gradient(values[0]), plain

    every = jnp.arange(batch.images.shape[0])
    if lost_fn is None:
        images = attack_images(
            lambda images: value_fn(embed(images), every),
            batch,
            key,
            threat,
            preset,
            default=default,
            one_sided=one_sided,
            climb_fn=None if views_fn is None else lambda x, keys: look(x, keys, every)[:2],
        )
        return images, jnp.full(len(every), threat.restarts * threat.steps, jnp.int32)
    if preset != "strict":
        raise ValueError(
            f"preset {preset!r} takes every step of the released attack: give no gallery with it, "
            "or preset='strict'"
        )

    def watch(images: Array, keys: Array, rows: Array) -> tuple[Array, Array, Array]:
        climbed, value, plain = look(images, keys, rows)
        return climbed, value, lost_fn(plain, rows)

    def judge(images: Array) -> tuple[Array, Array]:
        embeds = embed(images)
        return value_fn(embeds, every), lost_fn(embeds, every)

    return pgd_until_lost(
        watch,
        judge,
        batch.images,
        example_keys(key, batch.ids),
        eps=threat.eps,
        step_size=_step_size(threat, preset, default),
        steps=threat.steps,
        norm=threat.norm,
        restarts=threat.restarts,
    )


def _step_size(threat: ThreatModel, preset: Preset, default: StepSize | None) -> float:
    """The threat's, or the attack's own."""
    if threat.step_size is not None:
        return threat.step_size
    return (default or step_size)(threat, preset)


def with_image_counts(
    result: Adversarial,
    threat: ThreatModel,
    preset: Preset,
    *,
    views: int = 1,
    gradients: Int[Array, " batch"] | None = None,
) -> Adversarial:
    """Add the encoder passes an image cost to the stats.

    Args:
        gradients: that each image took, each of all views; None for every step of the threat.
    """
    judged = int(preset == "strict" or threat.restarts > 1)
    taken = threat.restarts * threat.steps if gradients is None else gradients
    return with_passes(result, 1 + taken * views + threat.restarts * judged, taken * views)


def with_passes(result: Adversarial, forwards: int | Array, backwards: int | Array) -> Adversarial:
    """Add passes of the image encoder to the stats: of each image, or one number for all."""
    batch = result.images.shape[0]
    stats = {
        "image_forwards": jnp.full(batch, forwards, jnp.int32),
        "image_backwards": jnp.full(batch, backwards, jnp.int32),
    }
    return result._replace(stats={**result.stats, **stats})
