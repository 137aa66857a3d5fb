"""The fourteen operations of RandAugment, on one image of floats in [0, 1].

Each is `operation(image [height, width, 3], share) -> image`, where `share` is how much of the
operation's range is used: in [0, 1], or in [-1, 1] for those that go in two directions. What PIL
and the released code compute on 8-bit images is computed here on floats; equalize and posterize,
which are about 8-bit levels, round to them first.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Image = Float[Array, "height width 3"]
Share = Float[Array, ""]

FILL = 128 / 255  # what is seen past the border: the released code's grey
GREY = (0.299, 0.587, 0.114)  # luma of ITU-R 601, PIL's "L"
SHEAR = 0.3  # pixels a pixel
SHIFT = 150 / 331  # share of the side
TURN = 30.0  # degrees
BLEND = 0.9  # how far a blend's factor goes from 1
BITS = 4  # that posterize takes away at most


class Operation(NamedTuple):
    """One of the fourteen: its function, and whether its share may be negative."""

    function: Callable[[Image, Share], Image]
    signed: bool = False


def identity(image: Image, share: Share) -> Image:
    """The image."""
    return image


def autocontrast(image: Image, share: Share) -> Image:
    """Each channel stretched to [0, 1]; a channel of one value stays. Has no strength."""
    low = jnp.min(image, axis=(0, 1), keepdims=True)
    high = jnp.max(image, axis=(0, 1), keepdims=True)
    flat = high <= low
    return jnp.where(flat, image, (image - low) / jnp.where(flat, 1.0, high - low))


def equalize(image: Image, share: Share) -> Image:
    """Each channel's 8-bit levels spread so that all are about equally frequent. No strength.

    With h the histogram and s = (its sum - h of the highest level there is) // 255, level i becomes
    `(s // 2 + sum_{j<i} h_j) // s`; where s is 0, nothing is changed (PIL's rule).
    """

    def channel(levels: Int[Array, "height width"]) -> Int[Array, "height width"]:
        counts = jnp.zeros(256, jnp.int32).at[levels.reshape(-1)].add(1)
        step = (levels.size - counts[jnp.max(levels)]) // 255
        before = jnp.cumsum(counts) - counts
        table = jnp.minimum((step // 2 + before) // jnp.maximum(step, 1), 255)
        return jnp.where(step == 0, levels, table[levels])

    return jax.vmap(channel, -1, -1)(_levels(image)).astype(image.dtype) / 255


def solarize(image: Image, share: Share) -> Image:
    """1 - x where x is at least 1 - share."""
    return jnp.where(image >= 1.0 - share, 1.0 - image, image)


def posterize(image: Image, share: Share) -> Image:
    """The lowest `round(4 share)` bits of the 8-bit levels set to 0."""
    bits = jnp.round(BITS * share).astype(jnp.int32)
    levels = _levels(image)
    return ((levels >> bits) << bits).astype(image.dtype) / 255


def brightness(image: Image, share: Share) -> Image:
    """Towards black, or away from it."""
    return _blend(jnp.zeros_like(image), image, share)


def contrast(image: Image, share: Share) -> Image:
    """Towards the mean grey of the image, or away from it."""
    return _blend(jnp.full_like(image, jnp.mean(_grey(image))), image, share)


def colour(image: Image, share: Share) -> Image:
    """Towards the greys of the image, or away from them."""
    return _blend(jnp.broadcast_to(_grey(image), image.shape), image, share)


def sharpness(image: Image, share: Share) -> Image:
    """Towards the image smoothed by [[1 1 1] [1 5 1] [1 1 1]] / 13, or away; the border stays."""
    height, width, _ = image.shape
    nine = sum(image[y : y + height - 2, x : x + width - 2] for y in range(3) for x in range(3))
    smooth = image.at[1:-1, 1:-1].set((nine + 4 * image[1:-1, 1:-1]) / 13)
    return _blend(smooth, image, share)


def rotate(image: Image, share: Share) -> Image:
    """About the centre, by 30 degrees times the share, counter-clockwise."""
    angle = jnp.deg2rad(TURN * share)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    y, x = image.shape[0] / 2, image.shape[1] / 2
    return _warp(image, (cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y))


def shear_x(image: Image, share: Share) -> Image:
    """Rows moved to the left by 0.3 times the share of their distance to the top."""
    return _warp(image, (1.0, SHEAR * share, 0.0), (0.0, 1.0, 0.0))


def shear_y(image: Image, share: Share) -> Image:
    """Columns moved upwards by 0.3 times the share of their distance to the left."""
    return _warp(image, (1.0, 0.0, 0.0), (SHEAR * share, 1.0, 0.0))


def translate_x(image: Image, share: Share) -> Image:
    """To the left by 150 / 331 of the width times the share, a whole number of pixels."""
    return _warp(image, (1.0, 0.0, _pixels(image.shape[1], share)), (0.0, 1.0, 0.0))


def translate_y(image: Image, share: Share) -> Image:
    """Upwards by 150 / 331 of the height times the share, a whole number of pixels."""
    return _warp(image, (1.0, 0.0, 0.0), (0.0, 1.0, _pixels(image.shape[0], share)))


OPERATIONS = {
    "identity": Operation(identity),
    "autocontrast": Operation(autocontrast),
    "equalize": Operation(equalize),
    "rotate": Operation(rotate, signed=True),
    "solarize": Operation(solarize),
    "colour": Operation(colour, signed=True),
    "posterize": Operation(posterize),
    "contrast": Operation(contrast, signed=True),
    "brightness": Operation(brightness, signed=True),
    "sharpness": Operation(sharpness, signed=True),
    "shear_x": Operation(shear_x, signed=True),
    "shear_y": Operation(shear_y, signed=True),
    "translate_x": Operation(translate_x, signed=True),
    "translate_y": Operation(translate_y, signed=True),
}


def _blend(degenerate: Image, image: Image, share: Share) -> Image:
    """`d + f (x - d)` with f = 1 + 0.9 share, cut to [0, 1]."""
    factor = 1.0 + BLEND * share
    return jnp.clip(degenerate + factor * (image - degenerate), 0.0, 1.0)


def _grey(image: Image) -> Float[Array, "height width 1"]:
    return jnp.sum(image * jnp.asarray(GREY, image.dtype)[None, None], axis=-1, keepdims=True)


def _levels(image: Image) -> Int[Array, "height width 3"]:
    return jnp.round(255 * image).astype(jnp.int32)


def _pixels(side: int, share: Share) -> Float[Array, ""]:
    return jnp.trunc(SHIFT * side * share)


def _warp(image: Image, across: tuple, down: tuple) -> Image:
    """The pixel at (x, y) becomes the one at (a x + b y + c, d x + e y + f), the nearest one.

    Coordinates are of pixel centres, (1/2, 1/2) the first; outside the image it is grey.
    """
    height, width, _ = image.shape
    y, x = jnp.mgrid[:height, :width].astype(image.dtype) + 0.5
    from_x = jnp.floor(across[0] * x + across[1] * y + across[2]).astype(jnp.int32)
    from_y = jnp.floor(down[0] * x + down[1] * y + down[2]).astype(jnp.int32)
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    found = image[jnp.clip(from_y, 0, height - 1), jnp.clip(from_x, 0, width - 1)]
    return jnp.where(inside[..., None], found, jnp.asarray(FILL, image.dtype))
