"""Operations counted from shapes: a multiplication and an addition are two.

Only matrix products are counted. (`cost_analysis` counts the body of a scan once.) `pooled` is
the count with the last block computed for the one token that is used, as mat_jax does.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mat_jax.models import CLIPConfig


class Products(NamedTuple):
    """Operations of one example: in dense layers, and in attention's two products."""

    dense: float
    attention: float

    @property
    def forward(self) -> float:
        return self.dense + self.attention

    @property
    def to_input(self) -> float:
        """Backward, weights frozen: one product a dense layer, two for each of attention's."""
        return self.dense + 2 * self.attention

    @property
    def to_weights(self) -> float:
        """Backward to weights and inputs: two products for each."""
        return 2 * (self.dense + self.attention)


def vision(config: CLIPConfig, *, pooled: bool) -> Products:
    patches = (config.image_size // config.patch_size) ** 2
    width, hidden = config.vision_width, config.vision_hidden
    tower = _tower(patches + 1, width, hidden, config.vision_layers, pooled)
    cut = 2 * patches * 3 * config.patch_size**2 * width
    return Products(tower.dense + cut + 2 * width * config.embed, tower.attention)


def text(config: CLIPConfig, *, pooled: bool) -> Products:
    width, hidden = config.text_width, config.text_hidden
    tower = _tower(config.text_length, width, hidden, config.text_layers, pooled)
    return Products(tower.dense + 2 * width * config.embed, tower.attention)


def _tower(tokens: int, width: int, hidden: int, layers: int, pooled: bool) -> Products:
    full = layers - 1 if pooled else layers
    dense = full * tokens * (8 * width**2 + 4 * width * hidden)
    attention = full * 4 * tokens**2 * width
    if pooled:
        dense += tokens * 4 * width**2 + 4 * width**2 + 4 * width * hidden
        attention += 4 * tokens * width
    return Products(dense, attention)


def work(config: CLIPConfig, count: Mapping[str, int], *, pooled: bool) -> float:
    """Operations of passes: `image_forwards`, `image_backwards` to pixels, `text_forwards`,

    and `updates`, the pairs whose loss is differentiated with respect to the weights (their
    forward passes are among the others).
    """
    image, caption = vision(config, pooled=pooled), text(config, pooled=pooled)
    return (
        count["image_forwards"] * image.forward
        + count["image_backwards"] * image.to_input
        + count["text_forwards"] * caption.forward
        + count.get("updates", 0) * (image.to_weights + caption.to_weights)
    )
