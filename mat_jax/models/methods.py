"""Methods that families share; a family's class lists those it has."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mat_jax.models.formats.sizes import BertConfig
from mat_jax.models.layers import Hidden, Keys
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.text_format import TextFormat

Model = Any  # of the family whose method it is
# Added to what the ids are embedded as: see `TextTower.__call__`.
Shift = Float[Array, "batch length width"] | None


def bert_format(text: BertConfig, most: int = 512, *, end: int = 102) -> TextFormat:
    """How BERT frames captions of at most so many ids.

    Files say nothing of start and end: these are BERT's, until `load` puts the tokenizer's there.
    """
    return TextFormat(101, end, text.pad, min(text.length, most))


def encode_image(self: Model, images: Float[Array | np.ndarray, "batch h w 3"]) -> ImageFeatures:
    """Features of images in [0, 1], each of `config.image_size` squared pixels.

    `tokens` are the class token and the patches, normalised in ALBEF and BLIP, as the last block
    leaves them in CLIP; in ALIGN the places of the last map, row by row. `embed` is the class
    token normalised, in ALIGN the mean of all places; it is projected by models that have a
    `vision_proj`.
    """
    pixels = self.pixels.normalised(images, self.config.image_size)
    tokens, pooled = self.vision(pixels)
    return ImageFeatures(tokens, pooled if self.vision_proj is None else self.vision_proj(pooled))


def encode_text(
    self: Model,
    tokens: Tokens,
    shift: Shift = None,
    *,
    at: Array | None = None,
    layers: int | None = None,
) -> TextFeatures:
    """Features of texts `[batch, length]`; any length up to the tower's positions will do.

    `tokens` are those after `layers` blocks, or all; `embed` is the token at the position `at`
    (None: the first), projected by models that have a `text_proj`. `shift` moves the embedded ids:
    see `TextTower`.
    """
    mask = jnp.asarray(tokens.mask)
    hidden, pooled = self.text(jnp.asarray(tokens.ids), mask, at, layers, shift)
    embed = pooled if self.text_proj is None else self.text_proj(pooled)
    return TextFeatures(hidden, embed, mask)


def image_keys(self: Model, image: ImageFeatures) -> list[Keys]:
    """What the text tower reads of images, block by block: once for all texts."""
    return self.text.image_keys(image.tokens)


def match_logits(self: Model, fused: Hidden) -> Float[Array, "batch 2"]:
    """Logits of "do not belong together" and "belong together"."""
    return self.itm_head(fused[:, 0].astype(jnp.float32))


@property
def scale(self: Model) -> Float[Array, ""]:
    """What cosines are multiplied by to become logits: the inverse of the temperature."""
    return 1 / self.temp[...]
