"""An image-text model with class weights: it compares images with classes."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.attacks.embeddings import embed_images
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import ImageConfig, ImagePreparation, SizedModel
from mat_jax.types.text_format import TextFormat


class Classifier(nnx.Module):
    """An image-text model with one unit vector a class, `class_logits(x) = s f(x) W^T`.

    Attributes:
        model: the model itself.
        weights: W [classes, embed], from the class prompts.
    """

    def __init__(self, model: SizedModel, weights: Float[np.ndarray, "classes embed"]) -> None:
        self.model = model
        self.weights = nnx.Param(jnp.asarray(weights, jnp.float32))

    def class_logits(
        self, images: Float[Array, "batch height width 3"]
    ) -> Float[Array, "batch classes"]:
        """`scale cos(f(x), w_c)`, in float32."""
        scale = self.model.scale.astype(jnp.float32)
        return scale * (embed_images(self.model, images) @ self.weights[...].T)

    def encode_image(self, images: Float[Array, "batch height width 3"]) -> ImageFeatures:
        """As the model does."""
        return self.model.encode_image(images)

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None
    ) -> TextFeatures:
        """As the model does."""
        return self.model.encode_text(tokens, shift)

    @property
    def scale(self) -> Float[Array, ""]:
        """The model's."""
        return self.model.scale

    @property
    def config(self) -> ImageConfig:
        """The model's."""
        return self.model.config

    @property
    def pixels(self) -> ImagePreparation:
        """The model's way of preparing images."""
        return self.model.pixels

    @property
    def text_format(self) -> TextFormat:
        """The model's."""
        return self.model.text_format

    @text_format.setter
    def text_format(self, text_format: TextFormat) -> None:
        self.model.text_format = text_format
