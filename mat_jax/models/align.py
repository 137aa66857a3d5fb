"""ALIGN (Jia et al., 2021): an EfficientNet and a BERT meeting in one space."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.data.words import TextFormat
from mat_jax.models.bert import BertConfig, bert_tower
from mat_jax.models.efficientnet import EfficientNet, EfficientNetConfig
from mat_jax.models.nn import Dense
from mat_jax.models.vision import normalised
from mat_jax.records import ImageFeatures, TextFeatures, Tokens

# Pixels go in from -1 to 1.
PIXEL_MEAN = (0.5, 0.5, 0.5)
PIXEL_STD = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class ALIGNConfig:
    """The sizes of an ALIGN; the defaults are `kakaobrain/align-base`'s."""

    image_size: int = 289
    vision: EfficientNetConfig = EfficientNetConfig()
    text: BertConfig = BertConfig()

    @property
    def embed(self) -> int:
        """Width of the shared space, which is that of the image tower's last map."""
        return self.vision.channels(self.vision.out_channels[-1])

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.text.vocab_size

    @property
    def length(self) -> int:
        """Number of positions of the text tower."""
        return self.text.length

    @classmethod
    def from_hf(cls, settings: Mapping[str, Any]) -> "ALIGNConfig":
        """Read a transformers config.json; a setting it leaves out has transformers' default."""
        vision = settings.get("vision_config") or {}
        size = vision.get("image_size", 600)
        height, width = size if isinstance(size, list) else (size, size)
        if height != width:
            raise ValueError(f"image_size={size} is not square; expected one number")
        config = cls(
            image_size=height,
            vision=EfficientNetConfig.from_hf(vision),
            text=BertConfig.from_hf(settings.get("text_config") or {}),
        )
        projection = settings.get("projection_dim", 640)
        if projection != config.embed:
            raise ValueError(
                f"projection_dim={projection} does not fit vision_config, whose last map has "
                f"{config.embed} channels; expected them to be equal"
            )
        return config

    def to_hf(self) -> dict[str, Any]:
        """The config.json that makes transformers build the same model."""
        return {
            "architectures": ["AlignModel"],
            "model_type": "align",
            "projection_dim": self.embed,
            "text_config": self.text.to_hf()
            | {"architectures": ["AlignTextModel"], "model_type": "align_text_model"},
            "vision_config": dataclasses.asdict(self.vision)
            | {
                "architectures": ["AlignVisionModel"],
                "model_type": "align_vision_model",
                "hidden_act": "swish",
                "pooling_type": "mean",
                "image_size": self.image_size,
                "hidden_dim": self.embed,  # its pooling window, which no map outgrows
            },
        }


class ALIGN(nnx.Module):
    """`similarity = cos(image embed, text embed) / temp`."""

    def __init__(self, config: ALIGNConfig, rngs: nnx.Rngs):
        width = config.text.width
        self.config = config
        # Files say nothing of start and end: BERT's, until `load` puts the tokenizer's here.
        self.text_format = TextFormat(101, 102, config.text.pad, config.length)
        self.vision = EfficientNet(config.vision, rngs)
        self.text = bert_tower(config.text, rngs)
        self.text_proj = Dense(width, config.embed, std=width**-0.5, rngs=rngs)
        # BERT's pooler is in every file and nothing reads it: kept, so that files come back whole.
        self.pooler = Dense(width, width, std=0.02, rngs=rngs)
        self.temp = nnx.Param(jnp.ones((), jnp.float32))

    def encode_image(self, images: Float[Array | np.ndarray, "batch h w 3"]) -> ImageFeatures:
        """Features of images in [0, 1], each of `config.image_size` squared pixels.

        `tokens` are the places of the last map, row by row; `embed` is their mean.
        """
        grid = self.vision(normalised(images, self.config.image_size, PIXEL_MEAN, PIXEL_STD))
        tokens = grid.reshape(grid.shape[0], -1, grid.shape[-1])
        return ImageFeatures(tokens, jnp.mean(tokens, axis=1))

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None
    ) -> TextFeatures:
        """Features of texts `[batch, length]`; any length up to `config.length` will do.

        `embed` is the first token, projected.
        """
        ids, mask = jnp.asarray(tokens.ids), jnp.asarray(tokens.mask)
        start = jnp.zeros(len(ids), jnp.int32)
        hidden, first = self.text(ids, mask, start, shift=shift)
        return TextFeatures(hidden, self.text_proj(first), mask)

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        return 1.0 / self.temp[...]
