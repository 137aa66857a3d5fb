"""A model whose images first go through a function: a purifier, a filter, fewer levels."""

from collections.abc import Callable
from typing import TypeVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.types.arrays import ImageFeatures
from mat_jax.types.protocols import SizedModel

M = TypeVar("M", bound=SizedModel)
Preprocess = Callable[[Float[Array, "batch height width 3"]], Float[Array, "batch height width 3"]]


class Preprocessed:
    """What `preprocessed` returns is one of these too. `models.save` writes it without."""

    __slots__ = ()  # nothing of its own, so that a copy of any model may become one


def preprocessed(model: M, function: Preprocess, *, straight_through: bool = False) -> M:
    r"""The model behind a function of its images, of the same kind and with the same weights.

    Its features of images x are $f(g(x))$ of the model's own f. Attacks climb through g, which
    therefore must be JAX. Where g has no slope, rounding for example, they have nothing to climb,
    and the model looks robust without being so. With `straight_through` the slope of g is taken to
    be 1, that is BPDA (Athalye et al. 2018, arXiv:1802.00420, section 4.1):

    $$\nabla_x f(g(x)) \approx \nabla_z f(z) |_{z = g(x)}$$

    Such a model answers as the other does, and its gradient is the adaptive adversary's: craft on
    it, and measure on either.

    Args:
        model: it is not changed, and its weights are shared.
        function: g, from images [batch, height, width, 3] in [0, 1] to such of the model's size.
            It is traced, so what it does may not depend on values, nor on anything random.
        straight_through: whether gradients pass g as if it were not there. Images then keep their
            size.

    >>> import jax.numpy as jnp
    >>> from mat_jax import models
    >>> model, tokenizer = models.load("scenes-clip")
    >>> coarse = models.preprocessed(model, lambda images: jnp.round(7 * images) / 7)
    >>> isinstance(coarse, models.CLIP)
    True
    """
    family: type[SizedModel] = type(model)

    def seen(images: Float[Array, "batch height width 3"]) -> Float[Array, "batch height width 3"]:
        if straight_through:
            # The second term is exactly 0, so that the value is that of g to the bit.
            return jax.lax.stop_gradient(function(images)) + (
                images - jax.lax.stop_gradient(images)
            )
        return function(images)

    def encode_image(self: M, images: Float[Array, "batch height width 3"], /) -> ImageFeatures:
        return family.encode_image(self, seen(images))

    # A class of its own, so that the model keeps all else that its family can do.
    kind = type(family.__name__, (family, Preprocessed), {"encode_image": encode_image})
    graph, state = nnx.split(model)
    copy = nnx.merge(graph, state)
    object.__setattr__(copy, "__class__", kind)
    return copy
