"""Attacks on images that a captioner is to describe: away from what is so, or towards a lie."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from mat_jax.attacks.optimizers.auto_pgd import apgd
from mat_jax.attacks.optimizers.projections import Images
from mat_jax.attacks.threat import ThreatModel
from mat_jax.models.blip import BLIPCaptioner
from mat_jax.types.arrays import ImageFeatures, Tokens


def attack_captioner(
    model: BLIPCaptioner,
    images: Images,
    tokens: Tokens,
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    threat: ThreatModel,
    towards: bool = False,
) -> Images:
    r"""Make a captioner write other captions than these, or just these, by APGD.

    $$\max_{\|x'-x\| \le eps} \pm \frac1M \sum_m \mathrm{surprise}(x', t_m)$$

    with + away from the M captions of an image, and - (`towards`) for captions that are to be
    written, such as another picture's.

    Args:
        model: a captioner.
        images: [batch, height, width, 3] in [0, 1].
        tokens: captions [batch, M, length].
        key: of the random starts, as in `apgd`.
        threat: eps, norm, steps and restarts are used.
        towards: whether the captions are the aim.

    Returns:
        Images in the ball and in the box, of each the best one met.
    """
    ids, mask = (jnp.asarray(part) for part in tokens)
    sign = -1.0 if towards else 1.0

    def loss_fn(images: Array) -> Array:
        image = model.encode_image(images)
        texts = [Tokens(ids[:, m], mask[:, m]) for m in range(ids.shape[1])]
        return sign * jnp.mean(jnp.stack([surprise(model, image, text) for text in texts]), axis=0)

    return apgd(
        loss_fn,
        images,
        key,
        eps=threat.eps,
        steps=threat.steps,
        norm=threat.norm,
        restarts=threat.restarts,
    )


def surprise(model: BLIPCaptioner, image: ImageFeatures, tokens: Tokens) -> Float[Array, " batch"]:
    r"""$-\frac1{|t|} \sum_n \log p(t_n \mid x, t_{<n})$ of each image's caption, in nats."""
    logits = model.caption_logits(image, tokens)[:, :-1]
    weight = jnp.asarray(tokens.mask)[:, 1:].astype(logits.dtype)
    each = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(tokens.ids)[:, 1:])
    return jnp.sum(each * weight, axis=1) / jnp.maximum(jnp.sum(weight, axis=1), 1.0)
