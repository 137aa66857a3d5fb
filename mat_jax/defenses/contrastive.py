"""The contrastive loss over the global batch: the ground under MAT, TeCoA-ITR and fine-tuning."""

import jax.numpy as jnp
from jaxtyping import Array

from mat_jax.attacks.losses import info_nce as info_nce
from mat_jax.records import Batch, unit


def recall(image_embed: Array, text_embed: Array) -> Array:
    """Share of images whose own caption is the nearest of the batch: a figure to watch, 0 to 1."""
    cosine = unit(image_embed) @ unit(text_embed).T
    return jnp.mean(jnp.argmax(cosine, axis=1) == jnp.arange(len(cosine)), dtype=cosine.dtype)


def share_changed(batch: Batch, batch_adv: Batch) -> Array:
    """Share of captions that an attack has changed, 0 to 1."""
    changed = jnp.any(batch.tokens.ids != batch_adv.tokens.ids, axis=-1)
    return jnp.mean(changed, dtype=jnp.float32)
