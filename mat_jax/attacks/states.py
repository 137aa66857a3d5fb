"""What the released unimodal attacks compare of ALBEF, TCL and BLIP: the first token's state.

Co-Attack's program hands its KL divergence `image_embed[:, 0]` and `text_embed[:, 0]`: what the
towers leave of [CLS], neither projected nor of unit length. Of CLIP it takes the unit embedding.
"""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from mat_jax.attacks.encode import embed_images, embed_texts
from mat_jax.attacks.threat import Preset
from mat_jax.records import ImageFeatures, TextFeatures, Tokens


@runtime_checkable
class Encodes(Protocol):
    """A model of images and texts."""

    def encode_image(self, images: Array, /) -> ImageFeatures: ...  # noqa: D102
    def encode_text(self, tokens: Tokens, /) -> TextFeatures: ...  # noqa: D102


@runtime_checkable
class Fuses(Encodes, Protocol):
    """One that also reads a text together with an image, from the states of its towers."""

    def fuse(self, image: ImageFeatures, text: TextFeatures, keys: None = None) -> Array: ...  # noqa: D102


def compares_states(model: Encodes, preset: Preset) -> bool:
    """Whether it is raw states that are compared."""
    return preset == "official" and isinstance(model, Fuses)


def compared_images(
    model: Encodes, images: Float[Array, "batch height width 3"], preset: Preset
) -> Float[Array, "batch state"]:
    """What KL compares of images: unit embeddings; `official`, of models that fuse, raw states."""
    if compares_states(model, preset):
        return model.encode_image(images).tokens[:, 0].astype(jnp.float32)
    return embed_images(model, images)


def compared_texts(model: Encodes, tokens: Tokens, preset: Preset) -> Float[Array, "*lead state"]:
    """What KL compares of texts, as for images. Any leading axes."""
    if not compares_states(model, preset):
        return embed_texts(model, tokens)
    lead = tokens.ids.shape[:-1]
    flat = Tokens(*(x.reshape(-1, x.shape[-1]) for x in tokens))
    states = model.encode_text(flat).tokens[:, 0].astype(jnp.float32)
    return states.reshape(*lead, states.shape[-1])
