"""ALBEF (Li et al., 2021): an image tower, and a BERT whose second half reads the image.

TCL (Yang et al., 2022) is the same model, trained with more losses.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.models import methods
from mat_jax.models.formats.preprocessing import PRESSED
from mat_jax.models.formats.sizes import ALBEFConfig
from mat_jax.models.layers import Dense, Hidden, Keys
from mat_jax.models.methods import Shift
from mat_jax.models.text import TextTower
from mat_jax.models.vision import VisionTower
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens


class ALBEF(nnx.Module):
    """`similarity = cos(image embed, text embed) / temp`, and a match of image and text fused.

    A model for entailment that has no space of images and texts embeds each as its first token.
    """

    pixels = PRESSED
    vision_proj: Dense | None = None
    text_proj: Dense | None = None
    encode_image, image_keys = methods.encode_image, methods.image_keys
    match_logits, scale = methods.match_logits, methods.scale

    def __init__(self, config: ALBEFConfig, rngs: nnx.Rngs):
        wide, narrow = config.vision.width, config.text.width
        first = config.first_fusion
        self.config = config
        # Captions of 30 ids are the protocol of the paper's code.
        self.text_format = methods.bert_format(config.text, 30)
        self.vision = VisionTower(config.vision, config.image_size, config.patch_size, rngs)
        self.text = TextTower(config.text, rngs, cross_width=wide, first_cross=first)
        if config.embed:
            self.vision_proj = Dense(wide, config.embed, std=wide**-0.5, rngs=rngs)
            self.text_proj = Dense(narrow, config.embed, std=narrow**-0.5, rngs=rngs)
        if config.task == "retrieval":
            self.itm_head = Dense(narrow, 2, std=0.02, rngs=rngs)
            self.temp = nnx.Param(jnp.asarray(0.07, jnp.float32))
        else:
            self.cls_hidden = Dense(narrow, narrow, std=0.02, rngs=rngs)
            self.cls_head = Dense(narrow, 3, std=0.02, rngs=rngs)

    def encode_text(self, tokens: Tokens, shift: Shift = None) -> TextFeatures:
        """Features of texts `[batch, length]` before fusion; `embed` as for images."""
        return methods.encode_text(self, tokens, shift, layers=self.config.first_fusion)

    def fuse(
        self, image: ImageFeatures, text: TextFeatures, keys: Sequence[Keys] | None = None
    ) -> Hidden:
        """Tokens of each text after reading its image; n texts an image, first image first.

        Going on from `encode_text` loses nothing: it is how the model was trained. `keys` are
        `image_keys(image)`, if they are at hand.
        """
        keys = self.image_keys(image) if keys is None else keys
        return self.text.fuse(text.tokens, text.mask[:, None], keys, self.config.first_fusion)

    def match_score(self, logits: Array, cosine: Array) -> Float[Array, " batch"]:
        """What pairs are ranked by: the logit of a match."""
        return logits[:, 1]

    def classify(self, fused: Hidden) -> Float[Array, "texts verdicts"]:
        """Logits of contradiction, neutral and entailment: does the text follow from the image?"""
        return self.cls_head(jax.nn.relu(self.cls_hidden(fused[:, 0].astype(jnp.float32))))
