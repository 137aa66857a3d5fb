"""The inner maximisation by pixels: the adversarial images a defence trains on, and what climbs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.objectives import squared_distance
from mat_jax.attacks.words.substitution import away, kl
from mat_jax.defenses.losses.pair_loss import compare, encode_texts, gathered
from mat_jax.types.arrays import Batch, ImageFeatures, Tokens
from mat_jax.types.protocols import Model

# One value an image [batch], which PGD climbs.
ImageValues = Callable[[ImageFeatures], Array]
# `objective(model, batch, tokens)`: against these captions, the batch being clean.
ImageObjective = Callable[[Any, Batch, Tokens], ImageValues]


def against_texts(model: Model, batch: Batch, tokens: Tokens) -> ImageValues:
    """The loss of the images with these captions, which are encoded once; the mean over them.

    It is InfoNCE. A pair's loss also counts its image among the negatives of the others' captions;
    the sum over the batch, which PGD climbs, is the batch's whole contrastive loss. Of a captioner
    it is its surprise at the captions, of a model of entailment that at the verdicts.
    """
    texts = gathered(encode_texts(model, tokens), batch.ids)
    return lambda image: compare(model, [image], texts, batch, together=False)


def away_from_texts(model: Model, batch: Batch, tokens: Tokens) -> ImageValues:
    r"""$-\cos(f(x'), g(t'))$, the mean over the captions (SGA, Lu et al. 2023)."""
    target = jnp.mean(embed_texts(model, tokens), axis=1)
    return lambda image: away(image.unit.astype(jnp.float32), target)


def kl_from_clean(model: Model, batch: Batch, tokens: Tokens) -> ImageValues:
    r"""$KL(softmax(f(x)) \| softmax(f(x')))$ on the unit sphere; no caption matters (Co-Attack)."""
    clean = embed_images(model, batch.images)
    return lambda image: kl(clean, image.unit.astype(jnp.float32))


def far_from_clean(model: Model, batch: Batch, tokens: Tokens) -> ImageValues:
    r"""$\|f(x') - f(x)\|_2^2$ of the projected vectors; no caption matters (FARE's distance)."""
    clean = model.encode_image(batch.images).embed
    return lambda image: squared_distance(image.embed, clean)


@dataclass(frozen=True)
class WithCleanTexts:
    """An objective of the attacked captions, and of the clean ones besides, in equal parts."""

    objective: ImageObjective = against_texts

    def __post_init__(self) -> None:
        if self.objective in (kl_from_clean, far_from_clean):
            raise ValueError(
                f"{self.objective.__name__} heeds no caption, so clean ones add nothing: take it "
                "alone, or against_texts or away_from_texts here"
            )

    def __call__(self, model: Model, batch: Batch, tokens: Tokens) -> ImageValues:
        """The sum of both."""
        attacked = self.objective(model, batch, tokens)
        clean = self.objective(model, batch, batch.tokens)
        return lambda image: attacked(image) + clean(image)
