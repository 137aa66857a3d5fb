"""What attacks on classification ask of a model: logits of classes, for pixels in [0, 1]."""

from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float, Key


@runtime_checkable
class Classifies(Protocol):
    """A model that always says the same of an image."""

    def class_logits(
        self, images: Float[Array, "batch height width 3"]
    ) -> Float[Array, "batch classes"]:
        """One logit a class, not probabilities. An image's logits depend on that image alone."""
        ...


@runtime_checkable
class ClassifiesAtRandom(Protocol):
    """A model whose forward pass is random: noise at inference, random crops, dropped units."""

    def drawn_class_logits(
        self, images: Float[Array, "batch height width 3"], keys: Key[Array, " batch"]
    ) -> Float[Array, "batch classes"]:
        """The logits of one draw. Image i is drawn with key i, whatever else is in the batch."""
        ...
