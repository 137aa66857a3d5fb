"""What attacks on images climb: away from an image's own captions, or past them in a gallery."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.objectives import away, margin
from mat_jax.attacks.optimizers.projected_gradient import Loss
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import EncodesPairs


def away_from_captions(model: EncodesPairs, batch: Batch) -> Loss:
    """`images -> -sum_i cos(e', t_i)` over the image's own captions, which are encoded once.

    It has a gradient at the clean image, where the distance from the clean embedding has none. No
    other image's captions count: what an attack does to an image must not depend on the batch. For
    the rank in a gallery at hand, climb `gallery_margin`.
    """
    present = batch.present.astype(jnp.float32)[..., None]
    target = jnp.sum(embed_texts(model, batch.tokens) * present, axis=1)
    return lambda images: away(embed_images(model, images), target)


def gallery_margin(
    model: EncodesPairs, texts: Float[Array, "texts embed"], positive: Bool[Array, "batch texts"]
) -> Loss:
    """`images -> margin` in a gallery: above 0 where an image finds no caption of its own.

    Args:
        model: whose images are attacked.
        texts: the gallery on the unit sphere (`models.features.embed_texts`).
        positive: which of them describe the image.
    """
    return lambda images: margin(embed_images(model, images) @ texts.T, positive)
