"""Image-only PGD on the embedding, and the attack that does nothing."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Key

from mat_jax.attacks.encode import embed_images, unchanged
from mat_jax.attacks.pgd import Loss, NoisyLoss, example_keys, pgd
from mat_jax.attacks.text import kl
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.records import Adversarial, Batch


def none(
    model, batch: Batch, key: Key[Array, ""], *, threat: ThreatModel, preset: Preset = "strict"
) -> Adversarial:
    """No attack: the batch as it is, in the form of an attack's result."""
    require_preset(preset)
    return unchanged(batch)


def pgd_attack(
    model, batch: Batch, key: Key[Array, ""], *, threat: ThreatModel, preset: Preset = "strict"
) -> Adversarial:
    """Maximise `KL(softmax(e) || softmax(e'))` between the clean and adversarial image embeddings.

    e is on the unit sphere. This is the image half of Sep-Attack ("adv 2" of the released
    Co-Attack; Zhang et al. 2022); no caption is used or changed.
    """
    require_preset(preset)
    clean = embed_images(model, batch.images)
    result = attack_images(
        lambda images: kl(clean, embed_images(model, images)), batch, key, threat, preset
    )
    return with_image_counts(unchanged(batch)._replace(images=result), threat, preset)


def step_size(threat: ThreatModel) -> float:
    """`1.25 eps / steps`: from one end of the ball the other can be reached (released code)."""
    return 1.25 * threat.eps / max(threat.steps, 1)


def attack_images(
    loss_fn: Loss,
    batch: Batch,
    key: Key[Array, ""],
    threat: ThreatModel,
    preset: Preset,
    *,
    default: Callable[[ThreatModel], float] | None = None,
    one_sided: bool = True,
    climb_fn: NoisyLoss | None = None,
) -> Array:
    """PGD with the settings of the threat, keys from the ids of the batch.

    `strict` keeps the best point of each image; `official` the last, and starts on one side of
    the image if `one_sided`. `default` is the attack's step size where the threat gives none.
    """
    return pgd(
        loss_fn,
        batch.images,
        example_keys(key, batch.ids),
        eps=threat.eps,
        step_size=(default or step_size)(threat) if threat.step_size is None else threat.step_size,
        steps=threat.steps,
        norm=threat.norm,
        one_sided=one_sided and preset == "official",
        restarts=threat.restarts,
        best=preset == "strict",
        climb_fn=climb_fn,
    )


def with_image_counts(
    result: Adversarial, threat: ThreatModel, preset: Preset, *, views: int = 1
) -> Adversarial:
    """Add the encoder passes an image cost to the stats."""
    judged = int(preset == "strict" or threat.restarts > 1)
    gradients = threat.restarts * threat.steps * views
    forwards = 1 + gradients + threat.restarts * judged
    batch = result.images.shape[0]
    stats = {
        "image_forwards": jnp.full(batch, forwards, jnp.int32),
        "image_backwards": jnp.full(batch, gradients, jnp.int32),
    }
    return result._replace(stats={**result.stats, **stats})
