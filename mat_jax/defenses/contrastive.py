"""The contrastive loss over the global batch: the ground under MAT, TeCoA-ITR and fine-tuning."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mat_jax.attacks.losses import info_nce as info_nce
from mat_jax.records import Batch, unit


def pair_embeds(model: Any, batch: Batch) -> tuple[Array, Array]:
    """(image, text) vectors of a training batch, which has one caption an image."""
    if batch.tokens.ids.shape[1] != 1:
        raise ValueError(
            f"a training batch has one caption an image, got {batch.tokens.ids.shape[1]}: draw one "
            "with data.pipeline(..., captions=1)"
        )
    tokens = jax.tree.map(lambda x: x[:, 0], batch.tokens)
    return model.encode_image(batch.images).embed, model.encode_text(tokens).embed


def recall(image_embed: Array, text_embed: Array) -> Array:
    """Share of images whose own caption is the nearest of the batch: a figure to watch, 0 to 1."""
    cosine = unit(image_embed) @ unit(text_embed).T
    return jnp.mean(jnp.argmax(cosine, axis=1) == jnp.arange(len(cosine)), dtype=cosine.dtype)


def share_changed(batch: Batch, batch_adv: Batch) -> Array:
    """Share of captions that an attack has changed, 0 to 1."""
    changed = jnp.any(batch.tokens.ids != batch_adv.tokens.ids, axis=-1)
    return jnp.mean(changed, dtype=jnp.float32)
