"""The outer loss: what a model minimises on pairs, clean or attacked, by what it can do."""

from dataclasses import astuple, dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mat_jax.defenses.losses.answers import answer_losses
from mat_jax.defenses.losses.contrastive import (
    Contrast,
    Everyone,
    everyone,
    info_nce_of_devices,
    many_to_many,
    recall,
)
from mat_jax.defenses.losses.matching import matching_loss
from mat_jax.defenses.losses.verdicts import verdict_losses
from mat_jax.defenses.one_to_many import encode_images, star
from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import AnswersQuestions, Captions, JudgesPairs, MatchesPairs, Model

Losses = tuple[Float[Array, " batch"], dict[str, Array]]


@dataclass(frozen=True)
class Pairs:
    r"""Which pairs of attacked (') and clean images and texts are learnt from, with what weight.

    $$L = w_{both} L(x', t') + w_{image} L(x', t) + w_{text} L(x, t') + w_{clean} L(x, t)$$

    The default is MAT's own, attacked pairs alone; `Pairs(clean=1.0)` mixes clean ones in,
    `Pairs(both=0.0, image=0.5, text=0.5)` is MMCoA's choice.
    """

    both: float = 1.0
    image: float = 0.0
    text: float = 0.0
    clean: float = 0.0

    def __post_init__(self) -> None:
        if min(astuple(self)) < 0 or not any(astuple(self)):
            raise ValueError(f"{self} learns nothing: weights are 0 or more, one of them more")


class Texts(NamedTuple):
    """The captions of a batch, encoded at once: one entry a caption of an image."""

    tokens: list[Tokens]  # each [batch, length]
    features: list[TextFeatures] | None  # None for a captioner, which only writes
    known: list[Everyone] | None = None  # of `features`, where they are compared in a loop


def pair_losses(
    model: Model | Captions,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    contrast: Contrast = info_nce_of_devices,
) -> Losses:
    """The loss a family was made with, one value a pair, in nats; and figures to watch.

    - CLIP, ALIGN: InfoNCE, or what `contrast` is;
    - ALBEF, TCL, BLIP: InfoNCE + matching with hard negatives (Li et al. 2021, section 3.2,
      without the momentum model's soft labels);
    - BLIP's captioner: `captioning`;
    - ALBEF and TCL for entailment: `verdict_losses`, of batches with labels;
    - ALBEF and BLIP for VQA: `answer_losses`, of batches with answers.

    Args:
        model: any of them.
        batch: images with one caption each.
        key: of the hard negatives.
        contrast: in the place of InfoNCE wherever it is, a `Sigmoid` for example.
    """
    require_one_caption(batch)
    return mixed_losses(model, batch, batch, key, contrast=contrast)


def require_one_caption(batch: Batch) -> None:
    """One clear sentence for a batch with several captions an image."""
    if batch.tokens.ids.shape[1] != 1:
        raise ValueError(
            f"a training batch has one caption an image, got {batch.tokens.ids.shape[1]}: draw one "
            "with data.pipeline(..., captions=1)"
        )


def mixed_losses(
    model: Model | Captions,
    batch: Batch,
    batch_adv: Batch,
    key: PRNGKeyArray,
    *,
    pairs: Pairs = Pairs(),
    together: bool = False,
    contrast: Contrast = info_nce_of_devices,
) -> Losses:
    """The weighted losses of several pairings, each image and each text encoded once.

    Args:
        model: any family, see `pair_losses`.
        batch: clean images and captions, partner pictures among them (`defenses.one_to_many`).
        batch_adv: the attacked ones, in the same order; as many captions an image.
        key: of the hard negatives.
        pairs: the weights.
        together: all captions of an example are right for all its pictures in one InfoNCE
            (`many_to_many`); otherwise each pair of the `star` has a loss of its own, and the mean
            is taken.
        contrast: what each pair's own loss is; `together` has InfoNCE.

    Returns:
        One value an image, in nats; and figures of the first pairing with a weight.
    """
    images: dict[bool, list[ImageFeatures]] = {}
    texts: dict[bool, Texts] = {}
    total, metrics = jnp.zeros(len(batch.ids)), {}
    # Which pairs: is the image attacked, is the text?
    pairings = [(True, True), (True, False), (False, True), (False, False)]
    for weight, (image, text) in zip(astuple(pairs), pairings, strict=True):
        if not weight:
            continue
        if image not in images:
            images[image] = encode_images(model, batch_adv if image else batch)
        if text not in texts:
            texts[text] = encode_texts(model, (batch_adv if text else batch).tokens)
        found = images[image], texts[text]
        losses, figures = _losses(model, *found, batch, key, together, contrast)
        total, metrics = total + weight * losses, metrics or figures
    return total, metrics


def encode_texts(model: Model | Captions, tokens: Tokens) -> Texts:
    """All captions of a batch [batch, captions, length]."""
    batch, count, _ = tokens.ids.shape
    each = [jax.tree.map(lambda x, m=m: x[:, m], tokens) for m in range(count)]
    if isinstance(model, Captions):
        return Texts(each, None)
    flat = model.encode_text(jax.tree.map(lambda x: x.reshape(batch * count, -1), tokens))
    found = jax.tree.map(lambda x: x.reshape(batch, count, *x.shape[1:]), flat)
    return Texts(each, [jax.tree.map(lambda x, m=m: x[:, m], found) for m in range(count)])


def gathered(texts: Texts, ids: Int[Array, " batch"]) -> Texts:
    """The texts with those of all devices at hand: to compare with again and again."""
    if texts.features is None:
        return texts
    return texts._replace(known=[everyone(one.embed, ids) for one in texts.features])


def _losses(
    model: Model | Captions,
    images: list[ImageFeatures],
    texts: Texts,
    batch: Batch,
    key: PRNGKeyArray,
    together: bool,
    contrast: Contrast,
) -> Losses:
    """The family's loss of pictures with their texts."""
    ids = batch.ids
    losses = compare(model, images, texts, batch, together=together, contrast=contrast)
    if isinstance(model, Captions | JudgesPairs | AnswersQuestions) or texts.features is None:
        return losses, {}
    pairs = star(images, texts.features)
    first_image, first_text = (one.embed for one in pairs[0])
    metrics = {"recall": recall(first_image, first_text, ids), "scale": model.scale}
    if not isinstance(model, MatchesPairs):
        return losses, metrics
    keys = [key, *(jax.random.fold_in(key, m) for m in range(1, len(pairs)))]
    matches = [matching_loss(model, *pair, k, ids) for pair, k in zip(pairs, keys, strict=True)]
    match = mean(matches)
    return losses + match, metrics | {"matching": jnp.mean(match)}


def compare(
    model: Model | Captions,
    images: list[ImageFeatures],
    texts: Texts,
    batch: Batch,
    *,
    together: bool,
    contrast: Contrast = info_nce_of_devices,
) -> Float[Array, " batch"]:
    """How badly pictures and texts find each other, one value an example; what PGD climbs too.

    InfoNCE, or what `contrast` is, or of a captioner its surprise at the texts: the mean over the
    pairs of the `star`, or with `together` one `many_to_many`, which a captioner does not have. Of
    a model of entailment its surprise at the verdicts, of one of answers its loss of people's.
    """
    if isinstance(model, Captions) or texts.features is None:
        assert isinstance(model, Captions)
        pairs = star(images, texts.tokens)
        return mean([captioning(model.caption_logits(image, text), text) for image, text in pairs])
    if isinstance(model, JudgesPairs):
        pairs = star(images, texts.features)
        return mean([verdict_losses(model, image, text, batch) for image, text in pairs])
    if isinstance(model, AnswersQuestions):
        pairs = star(images, texts.features)
        return mean([answer_losses(model, image, text, batch) for image, text in pairs])
    if together:
        image = jnp.stack([one.embed for one in images], axis=1)
        text = jnp.stack([one.embed for one in texts.features], axis=1)
        return many_to_many(image, text, model.scale, batch.ids)
    known = texts.known or [None] * len(texts.features)
    pairs = star(images, list(zip(texts.features, known, strict=True)))
    scale, ids = model.scale, batch.ids
    return mean(
        [
            contrast(image.embed, text.embed, scale, ids, everyone)
            for image, (text, everyone) in pairs
        ]
    )


def mean(values: list[Array]) -> Array:
    """The mean of arrays of one shape."""
    return sum(values[1:], values[0]) / len(values)


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
