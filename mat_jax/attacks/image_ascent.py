"""Projected gradient ascent on the images of a batch, with the settings of a threat."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from mat_jax.attacks.embeddings import embed_images
from mat_jax.attacks.optimizers.early_stopping import Lost, pgd_until_lost
from mat_jax.attacks.optimizers.projected_gradient import Loss, NoisyLoss, example_keys, pgd
from mat_jax.attacks.threat import Preset, StepSize, ThreatModel, step_size
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import EncodesPairs


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
    model: EncodesPairs,
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
    `lost_fn` an image goes on only until it is lost (`pgd_until_lost`).
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
