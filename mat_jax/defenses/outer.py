"""The outer loss: what a model minimises on pairs, clean or attacked, by what it can do."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.defenses.contrastive import info_nce, recall
from mat_jax.defenses.matching import matching
from mat_jax.records import Batch, Tokens


def pair_losses(
    model: Any, batch: Batch, key: PRNGKeyArray
) -> tuple[Float[Array, " batch"], dict[str, Array]]:
    """The loss a family was made with, one value a pair, in nats; and figures to watch.

    - CLIP, ALIGN: InfoNCE;
    - ALBEF, TCL, BLIP: InfoNCE + matching with hard negatives (Li et al. 2021, section 3.2,
      without the momentum model's soft labels);
    - BLIP's captioner: `captioning`.

    Args:
        model: any of them.
        batch: images with one caption each.
        key: of the hard negatives.
    """
    if batch.tokens.ids.shape[1] != 1:
        raise ValueError(
            f"a training batch has one caption an image, got {batch.tokens.ids.shape[1]}: draw one "
            "with data.pipeline(..., captions=1)"
        )
    tokens = jax.tree.map(lambda x: x[:, 0], batch.tokens)
    image = model.encode_image(batch.images)
    if hasattr(model, "caption_logits"):
        return captioning(model.caption_logits(image, tokens), tokens), {}
    text = model.encode_text(tokens)
    losses = info_nce(image.embed, text.embed, model.scale, batch.ids)
    metrics = {"recall": recall(image.embed, text.embed), "scale": model.scale}
    if not hasattr(model, "match_logits"):
        return losses, metrics
    match = matching(model, image, text, key, batch.ids)
    return losses + match, metrics | {"matching": jnp.mean(match)}


def captioning(
    logits: Float[Array, "batch length vocab"], tokens: Tokens, *, smoothing: float = 0.1
) -> Float[Array, " batch"]:
    r"""Surprise at each caption, id after id, in nats; its mean is that over all ids of the batch.

    $$L = -\sum_v q(v) \log p(v \mid x, t_{<n}), \qquad
      q(v) = (1 - s)\,[v = t_n] + s / \text{vocab}$$

    with smoothing $s$ (BLIP, Li et al. 2022, section 3.2 and its code).

    Args:
        logits: of the id after each id, from `caption_logits`.
        tokens: the captions [batch, length].
        smoothing: what is taken from the true id and given to all alike, 0 to 1.
    """
    truth, inside = jnp.asarray(tokens.ids)[:, 1:], jnp.asarray(tokens.mask)[:, 1:]
    target = optax.smooth_labels(jax.nn.one_hot(truth, logits.shape[-1]), smoothing)
    surprise = optax.softmax_cross_entropy(logits[:, :-1], target)
    weight = inside.astype(surprise.dtype)
    return jnp.sum(surprise * weight, axis=1) / jnp.maximum(jnp.mean(jnp.sum(weight, axis=1)), 1.0)
