"""CLIP (Radford et al., 2021): an image and a text tower meeting in one space."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from mat_jax.models import methods, prefixes
from mat_jax.models.formats.preprocessing import OPENAI
from mat_jax.models.formats.sizes import CLIPConfig
from mat_jax.models.layers import Dense, gelu, quick_gelu
from mat_jax.models.methods import Shift
from mat_jax.models.prefixes import Prefixes
from mat_jax.models.text import TextTower
from mat_jax.models.vision import VisionTower
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.text_format import TextFormat


class CLIP(nnx.Module):
    """`similarity = exp(logit_scale) * cos(image embed, text embed)`."""

    pixels = OPENAI
    encode_image = methods.encode_image

    def __init__(self, config: CLIPConfig, rngs: nnx.Rngs):
        acts = {"quick_gelu": quick_gelu, "gelu": gelu}
        wide, narrow, embed = config.vision.width, config.text.width, config.embed
        size, patch = config.image_size, config.patch_size
        self.config = config
        self.text_format = TextFormat(config.bos, config.eos, config.text.pad, config.text.length)
        act = acts[config.vision_act]
        self.vision = VisionTower(config.vision, size, patch, rngs, style="clip", act=act)
        self.text = TextTower(config.text, rngs, style="clip", act=acts[config.text_act])
        self.vision_proj = Dense(wide, embed, std=wide**-0.5, bias=False, rngs=rngs)
        self.text_proj = Dense(narrow, embed, std=narrow**-0.5, bias=False, rngs=rngs)
        # Stored as a logarithm; starts at a temperature of 0.07, as the paper has it.
        self.logit_scale = nnx.Param(jnp.asarray(np.log(1 / 0.07), jnp.float32))

    def encode_text(self, tokens: Tokens, shift: Shift = None) -> TextFeatures:
        """Features of texts `[batch, length]`; any length up to `config.text.length` will do.

        `tokens` are normalised; `embed` is the token at the first `eos`, projected.
        """
        return methods.encode_text(self, tokens, shift, at=self._end(tokens))

    def prefixes(self, tokens: Tokens) -> Prefixes:
        """What `encode_variants` needs to know of texts `[captions, length]`."""
        return prefixes.encode(self.text, jnp.asarray(tokens.ids))

    def encode_variants(
        self, of: Prefixes, tokens: Tokens
    ) -> Float[Array, "captions variants embed"]:
        """`embed` of texts `[captions, variants, length]`, each like a caption up to some place."""
        pooled = prefixes.encode_variants(self.text, of, tokens.ids, self._end(tokens))
        return self.text_proj(pooled)

    def _end(self, tokens: Tokens) -> Int[Array, "*lead"]:
        return jnp.argmax(jnp.asarray(tokens.ids) == self.config.eos, axis=-1)

    def patch_embeddings(self, image: ImageFeatures) -> Float[Array, "batch patches embed"]:
        """The patches in the space of the texts: `vision_proj(ln_post(token))`, not of unit length.

        `image` is what `encode_image` returns.
        """
        return self.vision_proj(self.vision.ln_post(image.tokens[:, 1:].astype(jnp.float32)))

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        return jnp.exp(self.logit_scale[...])
