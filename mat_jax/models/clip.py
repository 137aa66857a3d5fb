"""CLIP (Radford et al., 2021): an image and a text tower meeting in one space."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.data.words import TextFormat
from mat_jax.formats.preprocessing import OPENAI
from mat_jax.models import methods
from mat_jax.models.methods import Shift
from mat_jax.models.nn import Dense, gelu, quick_gelu
from mat_jax.models.sizes import BertConfig, ViTConfig, complete, grid_side
from mat_jax.models.text import TextTower
from mat_jax.models.vision import VisionTower
from mat_jax.records import TextFeatures, Tokens


@dataclass(frozen=True)
class CLIPConfig:
    """The sizes of a CLIP; the defaults are ViT-B/16's.

    `*_hidden` (feed-forward widths) default to four times the width, `bos` and `eos` to the two
    largest ids, `pad` to `eos`, as in every published vocabulary.
    """

    image_size: int = 224
    patch_size: int = 16
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    vision_hidden: int = 0
    text_width: int = 512
    text_layers: int = 12
    text_heads: int = 8
    text_hidden: int = 0
    text_length: int = 77
    vocab_size: int = 49408
    embed: int = 512
    quick_gelu: bool = True
    eps: float = 1e-5
    bos: int = -1
    eos: int = -1
    pad: int = -1

    def __post_init__(self) -> None:
        complete(self, "vision_")
        complete(self, "text_")
        grid_side(self.image_size, self.patch_size)
        last = self.vocab_size - 1
        end = last if self.eos == -1 else self.eos
        for name, value in (("bos", last - 1), ("eos", last), ("pad", end)):
            if getattr(self, name) == -1:
                object.__setattr__(self, name, value)

    @property
    def vision(self) -> ViTConfig:
        """The sizes of the image tower."""
        return ViTConfig(
            self.vision_width, self.vision_layers, self.vision_heads, self.vision_hidden, self.eps
        )

    @property
    def text(self) -> BertConfig:
        """The sizes of the text tower."""
        return BertConfig(
            vocab_size=self.vocab_size,
            length=self.text_length,
            width=self.text_width,
            layers=self.text_layers,
            heads=self.text_heads,
            hidden=self.text_hidden,
            eps=self.eps,
        )


class CLIP(nnx.Module):
    """`similarity = exp(logit_scale) * cos(image embed, text embed)`."""

    pixels = OPENAI
    encode_image = methods.encode_image

    def __init__(self, config: CLIPConfig, rngs: nnx.Rngs):
        act = quick_gelu if config.quick_gelu else gelu
        wide, narrow, embed = config.vision_width, config.text_width, config.embed
        size, patch = config.image_size, config.patch_size
        self.config = config
        self.text_format = TextFormat(config.bos, config.eos, config.pad, config.text_length)
        self.vision = VisionTower(config.vision, size, patch, rngs, style="clip", act=act)
        self.text = TextTower(config.text, rngs, style="causal", act=act)
        self.vision_proj = Dense(wide, embed, std=wide**-0.5, bias=False, rngs=rngs)
        self.text_proj = Dense(narrow, embed, std=narrow**-0.5, bias=False, rngs=rngs)
        # Stored as a logarithm; starts at a temperature of 0.07, as the paper has it.
        self.logit_scale = nnx.Param(jnp.asarray(np.log(1 / 0.07), jnp.float32))

    def encode_text(self, tokens: Tokens, shift: Shift = None) -> TextFeatures:
        """Features of texts `[batch, length]`; any length up to `config.text_length` will do.

        `tokens` are normalised; `embed` is the token at the first `eos`, projected.
        """
        end = jnp.argmax(jnp.asarray(tokens.ids) == self.config.eos, axis=1)
        return methods.encode_text(self, tokens, shift, at=end)

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        return jnp.exp(self.logit_scale[...])
