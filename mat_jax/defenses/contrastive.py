"""The contrastive loss over the global batch: the ground under MAT, TeCoA-ITR and fine-tuning."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mat_jax.records import Batch, unit


def info_nce(
    image_embed: Float[Array, "batch embed"],
    text_embed: Float[Array, "batch embed"],
    scale: Float[Array, ""],
    ids: Int[Array, " batch"] | None = None,
) -> Float[Array, " batch"]:
    r"""Symmetric InfoNCE of the pairs on the diagonal, one value a pair, in nats.

    With $s_{ij} = \text{scale} \cdot \cos(f_i, g_j)$,

    $$L_i = -\tfrac12 \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}
            -\tfrac12 \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}$$

    (CLIP, Radford et al. 2021, figure 3). Under `jit` on a mesh the sums run over all devices'
    examples: the arrays are global, and XLA gathers them.

    Args:
        image_embed: projected image vectors, any length; normalised here.
        text_embed: projected text vectors, any length; normalised here.
        scale: exp(logit_scale), the inverse temperature.
        ids: image ids; the same image drawn twice in a batch is then no negative of itself
            (our choice: two captions of one image both describe it). None: every other pair is
            a negative, as CLIP has it.
    """
    logits = scale * (unit(image_embed) @ unit(text_embed).T)
    if ids is not None:
        other = (ids[:, None] == ids[None, :]) & ~jnp.eye(len(ids), dtype=bool)
        logits = jnp.where(other, jnp.asarray(-jnp.inf, logits.dtype), logits)
    diagonal = jnp.diagonal(logits)
    image_to_text = jax.nn.logsumexp(logits, axis=1) - diagonal
    text_to_image = jax.nn.logsumexp(logits, axis=0) - diagonal
    return 0.5 * (image_to_text + text_to_image)


def recall(image_embed: Array, text_embed: Array) -> Array:
    """Share of images whose own caption is the nearest of the batch: a figure to watch, 0 to 1."""
    cosine = unit(image_embed) @ unit(text_embed).T
    return jnp.mean(jnp.argmax(cosine, axis=1) == jnp.arange(len(cosine)), dtype=cosine.dtype)


def share_changed(batch: Batch, batch_adv: Batch) -> Array:
    """Share of captions that an attack has changed, 0 to 1."""
    changed = jnp.any(batch.tokens.ids != batch_adv.tokens.ids, axis=-1)
    return jnp.mean(changed, dtype=jnp.float32)
