"""Passes through the image encoder, as the stats of an attack count them."""

import jax.numpy as jnp
from jaxtyping import Array, Int

from mat_jax.attacks.threat import Preset, ThreatModel
from mat_jax.types.arrays import Adversarial


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
