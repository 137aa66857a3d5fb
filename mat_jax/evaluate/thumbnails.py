"""Small pictures: an attacked one and what the attack changed, as large as the page shows them."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

THUMBNAIL = 96  # pixels of a side, at most
GREY = 128  # of a difference, where nothing changed


def shrunk(
    pixels: UInt8[np.ndarray, "height width 3"], largest: int = THUMBNAIL
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A picture at most `largest` pixels along a side; a smaller one stays as it is."""
    if max(pixels.shape[:2]) <= largest:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(image)


def enlarged(pixels: UInt8[np.ndarray, "rows columns 3"], size: int) -> Float[np.ndarray, "s s 3"]:
    """A picture with sides of `size` pixels, floats in [0, 1]."""
    image = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image) / np.float32(255)


def differences(
    clean: Float[np.ndarray, "batch height width 3"],
    adv: Float[np.ndarray, "batch height width 3"],
    eps: float | None,
    largest: int = THUMBNAIL,
) -> UInt8[np.ndarray, "batch rows columns 3"]:
    """What an attack changed, around grey: 0 and 255 are the whole eps down and up.

    Means of neighbours would fade, so of a large picture every n-th pixel is taken. Each pixel that
    is there is the change of one pixel of the picture.

    Args:
        clean, adv: the pictures before and after, in [0, 1].
        eps: the most that one value may change; None takes the largest change in each picture.
        largest: pixels of a side, at most.
    """
    down, across = (_spaced(size, largest) for size in clean.shape[1:3])
    delta = (adv - clean)[:, down][:, :, across]
    reach = np.abs(adv - clean).max(axis=(1, 2, 3), keepdims=True) if eps is None else eps
    share = np.clip(delta / np.maximum(reach, 1e-12), -1, 1)
    return np.where(share == 0, GREY, np.round(127.5 + 127.5 * share)).astype(np.uint8)


def _spaced(size: int, largest: int) -> np.ndarray:
    """Places of at most so many pixels of a side, evenly spaced."""
    count = min(size, largest)
    return ((np.arange(count) + 0.5) * size / count).astype(int)
