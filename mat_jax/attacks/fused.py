"""Attacks on image and text read together, by models that fuse them: ALBEF, TCL and BLIP.

Retrieval with such a model compares embeddings first and then asks of the nearest pairs whether
they match. What is attacked through the embeddings alone may leave that second answer as it was.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mat_jax.attacks.coattack import ALPHA, last_caption
from mat_jax.attacks.embeddings import unchanged
from mat_jax.attacks.image_ascent import attack_images
from mat_jax.attacks.passes import with_image_counts
from mat_jax.attacks.sep import (
    attack_captions,
    attackable_words,
    plan_captions,
    with_captions,
)
from mat_jax.attacks.sga import step_size
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.attacks.words.substitution import Embed, kl
from mat_jax.types.arrays import Adversarial, Batch, TextFeatures, Tokens, unit
from mat_jax.types.protocols import EncodesPairs, FusesPairs, JudgesPairs, MatchesPairs
from mat_jax.types.sources import VERDICTS

# What an attack makes of texts read with their images: of the tokens after fusion, of what was
# encoded before, and of the row of each text's image.
Read = Callable[[Array, TextFeatures, Array], Float[Array, "texts features"]]


def co_attack_fused(
    model: EncodesPairs,
    batch: Batch,
    key: Array,
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    alpha: float = ALPHA,
) -> Adversarial:
    """Co-Attack (Zhang et al. 2022) on fused features, f(x, t) the first token after fusion:

    1. t_i' maximises `KL(softmax f(x, t_i) || softmax f(x, t_i'))`, at most `threat.words` words,
       visited in the order of the same divergence.
    2. x' maximises `mean_i KL(f(x, t_i') || f(x', t_i')) + alpha KL(f(x, t_i) || f(x', t_i'))`, of
       their softmaxes. (In the unimodal form alpha weighs the caption, here the clean pair.)

    `official`: the last caption of an image only, as the released loop over pairs leaves it;
    one-sided start, last point.

    Raises:
        ValueError: the batch carries no words to substitute, or the model does not fuse.
    """
    require_preset(preset)
    reader = require_fusion(model)
    words = attackable_words(batch, threat, preset)
    embed_fn = pair_encoder(reader, batch.images, batch.present.shape[1])
    prepared = plan_captions(model, batch, words, preset, embed_fn=embed_fn)
    found = attack_captions(
        model, batch, words, threat, prepared, kl, prepared.clean, embed_fn=embed_fn
    )
    shares = last_caption(batch.present) if preset == "official" else batch.present
    shares = shares.astype(jnp.float32)
    shares = shares / jnp.maximum(jnp.sum(shares, axis=-1, keepdims=True), 1.0)

    def loss(images: Array) -> Array:
        embed = pair_encoder(reader, images, batch.present.shape[1])
        fused = _read(embed, found.tokens)
        each = kl(found.unit, fused) + alpha * kl(prepared.clean, fused)
        return jnp.sum(shares * each, axis=-1)

    images = attack_images(loss, batch, key, threat, preset)
    result = with_image_counts(unchanged(batch)._replace(images=images), threat, preset)
    return with_captions(result, batch, words, prepared, found)


def match_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Array,
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Against the score that ranks pairs, `s(x, t) = match logit + cos(image, text)`.

    SGA's order without its scales: t_i' minimises `s(x, t_i')`; x' minimises `sum_i s(x', t_i')`;
    t_i'' minimises `s(x', t_i'')`, from the clean caption. Words are visited in the order of what
    leaving them out takes from s. BLIP ranks by this sum; ALBEF and TCL rank by the match logit
    those pairs whose cosine is among the largest. No paper's attack: the adaptive one that a
    model with a matching head must also withstand. It lowers a pair's own score, not its place
    among others, so it is no stronger than SGA on every model (scenes-blip, 32 scenes, 2/255, 10
    steps: R@1 53/55 of texts/images, SGA 56/51, fused Co-Attack 47/46): measure all of them.
    `official` only keeps the last point and replaces words by [UNK]; `strict` keeps the best.

    Raises:
        ValueError: the batch carries no words to substitute, or the model does not fuse.
    """
    reader = require_fusion(model)
    if not isinstance(reader, MatchesPairs):
        raise ValueError(
            f"{type(model).__name__} has no head that matches image and text: take another attack, "
            "co_attack_fused for example"
        )

    def seen(images: Array) -> Array:
        return unit(model.encode_image(images).embed.astype(jnp.float32))

    def objective(image: Array, pair: Array) -> Array:
        """Minus the score of pairs [..., fused + embed] with image embeddings [..., embed]."""
        fused, text = jnp.split(pair, [pair.shape[-1] - image.shape[-1]], axis=-1)
        logits = reader.match_logits(fused.reshape(-1, 1, fused.shape[-1]))[:, 1]
        return -logits.astype(jnp.float32).reshape(pair.shape[:-1]) - jnp.sum(image * text, -1)

    def encoder(images: Array) -> Embed:
        return pair_encoder(reader, images, batch.present.shape[1], read=first_token_and_text)

    return attack_pairs(
        model, batch, key, threat, preset, objective=objective, asked=seen, encoder=encoder
    )


def verdict_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Array,
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    r"""Against the verdict on a pair, contradiction, neutral or entailment: the adaptive attack.

    $$\max_{x', t'} -\log p_y(x', t')$$

    at the right verdict y, in the order of `match_attack`. The tables of Co-Attack (Zhang et al.
    2022, Table 8) attack these logits; its released program attacks embeddings.

    Args:
        batch: with the right verdicts as `labels`.

    Raises:
        ValueError: the batch carries no words to substitute or no labels, or the model gives no
            verdict.
    """
    if not isinstance(model, JudgesPairs):
        raise ValueError(
            f"{type(model).__name__} gives no verdict on pairs, which this attack moves: take "
            "another attack, co_attack_fused for example"
        )
    if batch.labels is None:
        raise ValueError("the batch has no labels; expected the right verdict of each pair")
    truth = jax.nn.one_hot(batch.labels, len(VERDICTS))

    def objective(truth: Array, pair: Array) -> Array:
        logits = model.classify(pair.reshape(-1, 1, pair.shape[-1])).astype(jnp.float32)
        logits = logits.reshape(*pair.shape[:-1], -1)
        return -jnp.sum(truth * jax.nn.log_softmax(logits, axis=-1), axis=-1)

    def encoder(images: Array) -> Embed:
        return pair_encoder(model, images, batch.present.shape[1])

    return attack_pairs(
        model,
        batch,
        key,
        threat,
        preset,
        objective=objective,
        asked=lambda images: truth,
        encoder=encoder,
    )


def attack_pairs(
    model: EncodesPairs,
    batch: Batch,
    key: Array,
    threat: ThreatModel,
    preset: Preset,
    *,
    objective: Callable[[Array, Array], Array],
    asked: Callable[[Array], Float[Array, "batch facts"]],
    encoder: Callable[[Array], Embed],
) -> Adversarial:
    """Captions, image, and captions again from the clean ones, each making an objective large.

    Args:
        objective: of what is asked [..., facts] and pairs [..., features].
        asked: of images, what all their captions are held against.
        encoder: of images -> what is read of their captions, see `pair_encoder`.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    require_preset(preset)
    words = attackable_words(batch, threat, preset)

    def attacked(images: Array):
        facts = asked(images)
        reference = jnp.broadcast_to(facts[:, None], (*batch.present.shape, facts.shape[-1]))
        embed_fn = encoder(images)
        prepared = plan_captions(
            model,
            batch,
            words,
            preset,
            embed_fn=embed_fn,
            importance=objective,
            reference=reference,
        )
        found = attack_captions(
            model, batch, words, threat, prepared, objective, reference, embed_fn=embed_fn
        )
        return prepared, found

    prepared, before = attacked(batch.images)
    real = batch.present.astype(jnp.float32)

    def loss(images: Array) -> Array:
        facts = asked(images)
        pairs = _read(encoder(images), before.tokens)
        reference = jnp.broadcast_to(facts[:, None], (*pairs.shape[:2], facts.shape[-1]))
        return jnp.sum(real * objective(reference, pairs), axis=-1)

    images = attack_images(loss, batch, key, threat, preset, default=step_size, one_sided=False)
    again, after = attacked(images)
    result = with_image_counts(unchanged(batch)._replace(images=images), threat, preset)
    result.stats["image_forwards"] += 1
    first = with_captions(result, batch, words, prepared, before).stats["text_forwards"]
    result = with_captions(result, batch, words, again, after)
    # Every fused feature depends on the image: nothing is shared by the two passes.
    result.stats["text_forwards"] += first
    return result


def pair_encoder(
    model: FusesPairs,
    images: Float[Array, "batch height width 3"],
    captions: int,
    *,
    read: Read | None = None,
) -> Embed:
    """Texts read with the images of their captions: the first token after fusion, in float32.

    Args:
        captions: of an image; caption number c belongs to image `c // captions`.
        read: what else stands for a text; None is `first_token`.
    """
    read = first_token if read is None else read
    image = model.encode_image(images)
    keys = model.image_keys(image)
    every = jnp.arange(len(images) * captions)

    def embed(tokens: Tokens, rows: Array | None) -> Array:
        text = model.encode_text(tokens)
        of = (every if rows is None else rows) // captions
        own = keys if rows is None else jax.tree.map(lambda x: x[of], keys)
        fused = model.fuse(image, text, own)
        return read(fused, text, jnp.repeat(of, len(fused) // len(of)))

    return embed


def first_token(fused: Array, text: TextFeatures, images: Array) -> Float[Array, "texts width"]:
    """What a head reads, in float32."""
    return fused[:, 0].astype(jnp.float32)


def first_token_and_text(
    fused: Array, text: TextFeatures, images: Array
) -> Float[Array, "texts features"]:
    """The same with the text's embedding on the unit sphere appended."""
    embedded = unit(text.embed.astype(jnp.float32))
    return jnp.concatenate([first_token(fused, text, images), embedded], axis=-1)


def require_fusion(model: object) -> FusesPairs:
    """The model, or one clear sentence if it does not read image and text together."""
    if not isinstance(model, FusesPairs):
        raise ValueError(
            f"this attack reads image and text fused, which {type(model).__name__} does not do: "
            "take an ALBEF, TCL or BLIP, or another attack, sga for example"
        )
    return model


def _read(embed: Embed, tokens: Tokens) -> Float[Array, "batch captions features"]:
    """What is read of captions [batch, captions, length], each with its image."""
    flat = Tokens(*(x.reshape(-1, x.shape[-1]) for x in tokens))
    return embed(flat, None).reshape(*tokens.ids.shape[:2], -1)
