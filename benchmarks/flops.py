"""Operations counted from shapes: a multiplication and an addition are two.

Only matrix products are counted. (`cost_analysis` counts the body of a scan once.) `pooled` is
the count with the last block computed for the one token that is used, as mat_jax does.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mat_jax.models import ALBEFConfig, CLIPConfig

Config = CLIPConfig | ALBEFConfig
CAPTION = 30  # ids of a caption under ALBEF


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


def vision(config: Config, *, pooled: bool) -> Products:
    """Of the image tower and its projection."""
    patches = (config.image_size // config.patch_size) ** 2
    vit = config.vision
    tower = _tower(patches + 1, vit.width, vit.hidden, vit.layers, pooled)
    cut = 2 * patches * 3 * config.patch_size**2 * vit.width
    return Products(tower.dense + cut + 2 * vit.width * config.embed, tower.attention)


def text(config: Config, *, pooled: bool) -> Products:
    """Of the text tower, before any fusion, and its projection; captions are padded."""
    bert, length, layers = config.text, config.text.length, config.text.layers
    if isinstance(config, ALBEFConfig):
        length, layers = CAPTION, config.first_fusion
    tower = _tower(length, bert.width, bert.hidden, layers, pooled)
    return Products(tower.dense + 2 * bert.width * config.embed, tower.attention)


class Fusion(NamedTuple):
    """Operations of the blocks that read the image: forward, and backward to the image."""

    forward: float
    to_image: float


def fusion(config: ALBEFConfig) -> Fusion:
    """The first self-attention and the first cross-attention's queries do not see the image."""
    length, width = CAPTION, config.text.width
    tokens = (config.image_size // config.patch_size) ** 2 + 1
    own = length * 8 * width**2, 4 * length**2 * width  # self-attention: dense, attention
    feed = length * 4 * width * config.text.hidden
    ask, keys = length * 4 * width**2, tokens * 4 * config.vision.width * width
    dense, attention = own[0] + feed + ask + keys, own[1] + 4 * length * tokens * width
    blocks = config.text.layers - config.first_fusion
    blind = own[0] + ask / 2 + 2 * own[1] + 2 * length * tokens * width
    return Fusion(blocks * (dense + attention), blocks * (dense + 2 * attention) - blind)


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
