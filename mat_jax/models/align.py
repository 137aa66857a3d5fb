"""ALIGN (Jia et al., 2021): an EfficientNet and a BERT meeting in one space."""

import jax.numpy as jnp
from flax import nnx

from mat_jax.models import methods
from mat_jax.models.efficientnet import EfficientNet
from mat_jax.models.formats.preprocessing import FROM_MINUS_ONE
from mat_jax.models.formats.sizes import ALIGNConfig
from mat_jax.models.layers import Dense
from mat_jax.models.text import TextTower


class ALIGN(nnx.Module):
    """`similarity = cos(image embed, text embed) / temp`."""

    pixels, vision_proj = FROM_MINUS_ONE, None
    encode_image, encode_text = methods.encode_image, methods.encode_text
    scale = methods.scale

    def __init__(self, config: ALIGNConfig, rngs: nnx.Rngs):
        width = config.text.width
        self.config = config
        self.text_format = methods.bert_format(config.text, config.text.length)
        self.vision = EfficientNet(config.vision, rngs)
        self.text = TextTower(config.text, rngs)
        self.text_proj = Dense(width, config.embed, std=width**-0.5, rngs=rngs)
        # BERT's pooler is in every file and nothing reads it: kept, so that files come back whole.
        self.pooler = Dense(width, width, std=0.02, rngs=rngs)
        self.temp = nnx.Param(jnp.ones((), jnp.float32))
