"""What the released unimodal attacks compare of ALBEF, TCL and BLIP: the first token's state.

Co-Attack's program hands its KL divergence `image_embed[:, 0]` and `text_embed[:, 0]`: what the
towers leave of [CLS], neither projected nor of unit length. Of CLIP it takes the unit embedding.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.threat import Preset
from mat_jax.types.arrays import Tokens
from mat_jax.types.protocols import EncodesPairs, FusesPairs


def compares_states(model: EncodesPairs, preset: Preset) -> bool:
    """Whether it is raw states that are compared."""
    return preset == "official" and isinstance(model, FusesPairs)


def compared_images(
    model: EncodesPairs, images: Float[Array, "batch height width 3"], preset: Preset
) -> Float[Array, "batch state"]:
    """What KL compares of images: unit embeddings; `official`, of models that fuse, raw states."""
    if compares_states(model, preset):
        return model.encode_image(images).tokens[:, 0].astype(jnp.float32)
    return embed_images(model, images)


def compared_texts(
    model: EncodesPairs, tokens: Tokens, preset: Preset
) -> Float[Array, "*lead state"]:
    """What KL compares of texts, as for images. Any leading axes."""
    if not compares_states(model, preset):
        return embed_texts(model, tokens)
    lead = tokens.ids.shape[:-1]
    flat = Tokens(*(x.reshape(-1, x.shape[-1]) for x in tokens))
    states = model.encode_text(flat).tokens[:, 0].astype(jnp.float32)
    return states.reshape(*lead, states.shape[-1])
