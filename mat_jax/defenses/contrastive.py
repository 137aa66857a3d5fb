"""Contrastive losses with several right answers, and figures to watch.

The loss with one right answer, CLIP's, is `attacks.losses.info_nce`: PGD climbs it too.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mat_jax.records import Batch, unit


def multi_positive(
    logits: Float[Array, "rows columns"], positive: Bool[Array, "rows columns"]
) -> Float[Array, " rows"]:
    r"""InfoNCE where a row may have several right columns, one value a row, in nats.

    With $P_i$ the right columns of row i, of which there is one at least, and $N_i$ all others,

    $$L_i = \frac{1}{|P_i|} \sum_{p \in P_i}
            -\log \frac{e^{s_{ip}}}{e^{s_{ip}} + \sum_{n \in N_i} e^{s_{in}}}$$

    It is the mean over right columns of SupCon (Khosla et al. 2020, equation 2), but the other
    right columns are left out of the sum below: they are no negatives (our choice, as in
    `info_nce`). With one right column a row it is InfoNCE in one direction.
    """
    # Not -inf: a row without negatives must not give nan.
    floor = jnp.asarray(jnp.finfo(logits.dtype).min / 4, logits.dtype)
    below = jax.nn.logsumexp(jnp.where(positive, floor, logits), axis=1, keepdims=True)
    each = jnp.where(positive, jax.nn.softplus(below - logits), 0)
    return jnp.sum(each, axis=1) / jnp.sum(positive, axis=1, dtype=logits.dtype)


def one_to_many(
    image_embed: Float[Array, "batch embed"],
    text_embed: Float[Array, "batch captions embed"],
    scale: Float[Array, ""],
    ids: Int[Array, " batch"],
) -> Float[Array, " batch"]:
    r"""`multi_positive` in both directions between images and all their texts, in nats.

    $$L_i = \tfrac12 L_{x_i \to t} + \tfrac12 \frac1M \sum_m L_{t_{im} \to x}$$

    An image's own texts are its right answers, and so are those of the same image elsewhere in the
    batch. With one text an image and all ids different it is `info_nce`.

    Args:
        image_embed: projected image vectors, any length; normalised here.
        text_embed: projected text vectors of each image's texts, any length; normalised here.
        scale: exp(logit_scale).
        ids: image ids.
    """
    batch, captions, _ = text_embed.shape
    texts = unit(text_embed).reshape(batch * captions, -1)
    logits = scale * (unit(image_embed) @ texts.T)
    positive = ids[:, None] == jnp.repeat(ids, captions)[None, :]
    from_texts = multi_positive(logits.T, positive.T).reshape(batch, captions)
    return 0.5 * (multi_positive(logits, positive) + jnp.mean(from_texts, axis=1))


def recall(image_embed: Array, text_embed: Array) -> Array:
    """Share of images whose own caption is the nearest of the batch: a figure to watch, 0 to 1."""
    cosine = unit(image_embed) @ unit(text_embed).T
    return jnp.mean(jnp.argmax(cosine, axis=1) == jnp.arange(len(cosine)), dtype=cosine.dtype)


def share_changed(batch: Batch, batch_adv: Batch) -> Array:
    """Share of captions that an attack has changed, 0 to 1."""
    changed = jnp.any(batch.tokens.ids != batch_adv.tokens.ids, axis=-1)
    return jnp.mean(changed, dtype=jnp.float32)
