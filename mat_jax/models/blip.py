"""BLIP (Li et al., 2022): an image tower, and a BERT all of whose blocks can read the image."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.models import methods
from mat_jax.models.bert import MLMHead
from mat_jax.models.formats.preprocessing import PRESSED
from mat_jax.models.formats.sizes import BLIPConfig
from mat_jax.models.layers import Dense, Hidden, Keys
from mat_jax.models.methods import Shift
from mat_jax.models.text import TextTower
from mat_jax.models.vision import VisionTower
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens

SPECIALS = ("[DEC]", "[ENC]")  # the tokens BLIP adds at the end of BERT's


class BLIP(nnx.Module):
    """Retrieval: `similarity = scale * cos(image embed, text embed)`, and a match of both fused."""

    pixels = PRESSED
    encode_image, image_keys = methods.encode_image, methods.image_keys
    match_logits = methods.match_logits

    def __init__(self, config: BLIPConfig, rngs: nnx.Rngs):
        wide, narrow = config.vision.width, config.text.width
        self.config = config
        # Captions of 35 ids are the protocol of the paper's code.
        self.text_format = methods.bert_format(config.text, 35, end=config.eos)
        self.vision = VisionTower(config.vision, config.image_size, config.patch_size, rngs)
        self.text = TextTower(config.text, rngs, cross_width=wide)
        self.vision_proj = Dense(wide, config.embed, std=wide**-0.5, rngs=rngs)
        self.text_proj = Dense(narrow, config.embed, std=narrow**-0.5, rngs=rngs)
        self.itm_head = Dense(narrow, 2, std=0.02, rngs=rngs)

    def encode_text(self, tokens: Tokens, shift: Shift = None) -> TextFeatures:
        """Features of texts `[batch, length]` without an image; `embed` is the first token's."""
        return methods.encode_text(self, tokens, shift)._replace(ids=jnp.asarray(tokens.ids))

    def fuse(
        self, image: ImageFeatures, text: TextFeatures, keys: Sequence[Keys] | None = None
    ) -> Hidden:
        """Tokens of each text read with its image; n texts an image, first image first.

        The text is read anew, from its ids and with another first one (`config.match_start`): of
        what `encode_text` computed nothing can be used. `keys` are `image_keys(image)`, if they
        are at hand.
        """
        if text.ids is None:
            raise ValueError("these features carry no ids; expected those of BLIP.encode_text")
        keys = self.image_keys(image) if keys is None else keys
        start = self.config.match_start
        ids = text.ids if start == "cls" else text.ids.at[:, 0].set(self.config.enc)
        return self.text.fuse(self.text.embed(ids), text.mask[:, None], keys)

    def match_score(self, logits: Array, cosine: Array) -> Float[Array, " batch"]:
        """What pairs are ranked by: the logit of a match plus the cosine."""
        return logits[:, 1] + cosine

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        return jnp.asarray(math.exp(self.config.log_scale), jnp.float32)


class BLIPCaptioner(nnx.Module):
    """Captioning: the text tower predicts the next word from the image and the words so far.

    `mat_jax.models.generation` writes captions with it. There is no space that images and texts
    share: an image's `embed` is the class token.
    """

    pixels, vision_proj = PRESSED, None
    encode_image = methods.encode_image

    def __init__(self, config: BLIPConfig, rngs: nnx.Rngs):
        self.config = config
        # Captions of 40 ids are the protocol of the paper's code.
        self.text_format = methods.bert_format(config.text, 40, end=config.eos)
        self.vision = VisionTower(config.vision, config.image_size, config.patch_size, rngs)
        self.decoder = TextTower(config.text, rngs, cross_width=config.vision.width)
        self.mlm = MLMHead(config.text, rngs)

    def image_keys(self, image: ImageFeatures) -> list[Keys]:
        """What the decoder reads of images, block by block."""
        return self.decoder.image_keys(image.tokens)

    def caption_logits(
        self, image: ImageFeatures, tokens: Tokens
    ) -> Float[Array, "batch length vocab"]:
        """Logits of the id after each id of a caption, whose first becomes `[DEC]`."""
        ids, mask = jnp.asarray(tokens.ids), jnp.asarray(tokens.mask)
        place = jnp.arange(ids.shape[1])
        readable = (place[None, :] <= place[:, None])[None] & mask[:, None]
        x = self.decoder.embed(ids.at[:, 0].set(self.config.dec))
        x = self.decoder.fuse(x, readable, self.image_keys(image))
        return self.mlm(x, self.decoder.tok[...])
