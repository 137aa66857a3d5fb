"""Attacks on images that a captioner is to describe: away from what is so, or towards a lie."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key

from mat_jax.attacks.optimizers.auto_pgd import apgd
from mat_jax.attacks.optimizers.projected_gradient import example_keys
from mat_jax.attacks.optimizers.projections import Images
from mat_jax.attacks.threat import Preset, ThreatModel
from mat_jax.models.blip import BLIPCaptioner
from mat_jax.types.arrays import Adversarial, Batch, ImageFeatures, Tokens


def attack_captioner(
    model: BLIPCaptioner,
    images: Images,
    tokens: Tokens,
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    threat: ThreatModel,
    towards: bool = False,
    present: Bool[Array, "batch captions"] | None = None,
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
        present: which captions count; None is all of them.

    Returns:
        Images in the ball and in the box, of each the best one met.
    """
    # One program for all captions of an image, which read its keys and values once.
    texts = Tokens(*(jnp.moveaxis(jnp.asarray(part), 1, 0) for part in tokens))
    sign = -1.0 if towards else 1.0
    counts = None if present is None else jnp.asarray(present).astype(jnp.float32).T

    def loss_fn(images: Array) -> Array:
        image = model.encode_image(images)
        each = jax.vmap(lambda text: surprise(model, image, text))(texts)
        return sign * jnp.average(each, axis=0, weights=counts)

    return apgd(
        loss_fn,
        images,
        key,
        eps=threat.eps,
        steps=threat.steps,
        norm=threat.norm,
        restarts=threat.restarts,
    )


def caption_away_attack(
    model: BLIPCaptioner,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Pictures whose own captions a captioner finds unlikely: `attack_captioner`, untargeted.

    The captions of the batch are the M captions; where an image has fewer, its own alone count.
    """
    keys = example_keys(key, batch.ids)
    images = attack_captioner(
        model, batch.images, batch.tokens, keys, threat=threat, present=batch.present
    )
    return Adversarial(images, batch.tokens, None, {})


def caption_towards_attack(
    model: BLIPCaptioner,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    aims: Tokens,
) -> Adversarial:
    """Pictures that a captioner describes in given words: `attack_captioner`, targeted.

    Args:
        aims: captions [batch, M, length] that are to be written.
    """
    keys = example_keys(key, batch.ids)
    images = attack_captioner(model, batch.images, aims, keys, threat=threat, towards=True)
    return Adversarial(images, batch.tokens, None, {})


def surprise(model: BLIPCaptioner, image: ImageFeatures, tokens: Tokens) -> Float[Array, " batch"]:
    r"""$-\frac1{|t|} \sum_n \log p(t_n \mid x, t_{<n})$ of each image's caption, in nats."""
    logits = model.caption_logits(image, tokens)[:, :-1]
    weight = jnp.asarray(tokens.mask)[:, 1:].astype(logits.dtype)
    each = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(tokens.ids)[:, 1:])
    return jnp.sum(each * weight, axis=1) / jnp.maximum(jnp.sum(weight, axis=1), 1.0)
