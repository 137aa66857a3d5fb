"""A model family of one's own: two known towers, each pooled by its mean, and a learnt scale.

Experiment(model=MeanPooledSpec(), ...)   # attacks and tasks take it as it is
"""

from dataclasses import dataclass

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mat_jax import models
from mat_jax.models.formats.preprocessing import Preprocessing
from mat_jax.models.layers import Dense
from mat_jax.models.text import TextTower
from mat_jax.models.vision import VisionTower
from mat_jax.types import ImageFeatures, TextFeatures, TextFormat, Tokens

HALF = Preprocessing(mean=(0.5,) * 3, std=(0.5,) * 3, fit="press")


@dataclass(frozen=True)
class MeanPooledConfig:
    """The sizes of both towers."""

    image_size: int = 32
    patch_size: int = 8
    vision: models.ViTConfig = models.ViTConfig(width=32, layers=1, heads=2)
    text: models.BertConfig = models.BertConfig(vocab_size=600, width=32, layers=1, heads=2)
    embed: int = 16


class MeanPooled(nnx.Module):
    """`similarity = exp(log_scale) * cos(mean of patches, mean of tokens)`, both projected."""

    pixels = HALF

    def __init__(self, config: MeanPooledConfig, text_format: TextFormat, rngs: nnx.Rngs) -> None:
        self.config, self.text_format = config, text_format
        self.vision = VisionTower(config.vision, config.image_size, config.patch_size, rngs)
        self.text = TextTower(config.text, rngs)
        wide, narrow = config.vision.width, config.text.width
        self.vision_proj = Dense(wide, config.embed, std=wide**-0.5, rngs=rngs)
        self.text_proj = Dense(narrow, config.embed, std=narrow**-0.5, rngs=rngs)
        self.log_scale = nnx.Param(jnp.log(jnp.float32(10)))

    def encode_image(self, images: Float[Array, "batch h w 3"]) -> ImageFeatures:
        """The mean of the patches, projected."""
        tokens, _ = self.vision(self.pixels.normalised(images, self.config.image_size))
        return ImageFeatures(tokens, self.vision_proj(jnp.mean(tokens[:, 1:], axis=1)))

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None
    ) -> TextFeatures:
        """The mean of the tokens that are not padding, projected."""
        mask = jnp.asarray(tokens.mask)
        hidden, _ = self.text(jnp.asarray(tokens.ids), mask, None, None, shift)
        weight = mask[..., None].astype(hidden.dtype)
        mean = jnp.sum(hidden * weight, axis=1) / jnp.sum(weight, axis=1)
        return TextFeatures(hidden, self.text_proj(mean), mask)

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        return jnp.exp(self.log_scale[...])


@dataclass(frozen=True)
class MeanPooledSpec:
    """What an experiment names: a model with random weights, drawn when the run begins."""

    tokenizer: models.Tokenizer
    config: MeanPooledConfig = MeanPooledConfig()
    name: str = "mean-pooled"

    def build(self, seed: int) -> tuple[MeanPooled, models.Tokenizer]:
        """Draw the weights from the seed."""
        reads = self.tokenizer
        if reads.vocab_size > self.config.text.vocab_size:
            raise ValueError(
                f"the tokenizer has {reads.vocab_size} ids, the text tower "
                f"{self.config.text.vocab_size}: give a larger vocab_size"
            )
        return MeanPooled(self.config, reads.text_format, nnx.Rngs(seed)), reads
