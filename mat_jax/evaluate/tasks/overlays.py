"""A picture with what a model looks at and the boxes that matter, drawn for the page."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

SIDE = 224  # pixels of the drawing; smaller pictures are enlarged to it
RIGHT, CHOSEN = (37, 99, 235), (220, 38, 38)  # blue and red
WARM = np.array((1.0, 0.75, 0.0))  # what is looked at most


def overlay(
    picture: Float[np.ndarray, "height width 3"],
    heat: Float[np.ndarray, "height width"],
    *,
    right: Float[np.ndarray, "boxes 4"],
    chosen: Float[np.ndarray, " 4"],
) -> UInt8[np.ndarray, "side side 3"]:
    """Warm where the map is high, grey where it is not; right boxes blue, the chosen one red.

    Args:
        picture: floats in [0, 1].
        heat: the map; its highest value is drawn as 1, what is below 0 as 0.
        right: x, y, width and height, shares of the sides.
        chosen: the same; a box of no size is not drawn.
    """
    share = np.clip(heat, 0, None) / max(float(heat.max()), 1e-12)
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    mixed = (1 - 0.7 * share[..., None]) * grey + 0.7 * share[..., None] * WARM
    bytes_ = np.round(255 * np.clip(mixed, 0, 1)).astype(np.uint8)
    image = Image.fromarray(bytes_).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for box, colour, inset in [*((one, RIGHT, 0) for one in right), (chosen, CHOSEN, 3)]:
        left, top, width, height = (float(x) * SIDE for x in box)
        if width > 2 * inset and height > 2 * inset:
            corners = (left + inset, top + inset, left + width - inset, top + height - inset)
            draw.rectangle(corners, outline=colour, width=2)
    return np.asarray(image)
