"""Small pictures inside the page, in few bytes."""

import base64
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mat_jax.evaluate.thumbnails import GREY, THUMBNAIL, shrunk

# A difference in steps of half the eps; the middle one is grey and stays so.
STEPS = np.array((0, 64, GREY, 192, 255), np.uint8)


def address(pixels: UInt8[np.ndarray, "height width 3"], largest: int = THUMBNAIL) -> str:
    """A picture as the address that holds it: PNG, or JPEG where that is shorter.

    The quality is high, so that nobody takes what JPEG changes for what an attack does.

    Args:
        pixels: of the picture.
        largest: pixels of a side, at most.
    """
    image = Image.fromarray(shrunk(pixels, largest))
    exact, close = io.BytesIO(), io.BytesIO()
    image.save(exact, "PNG", optimize=True)
    image.save(close, "JPEG", quality=95, subsampling=0, optimize=True)
    kind, held = min((("png", exact), ("jpeg", close)), key=lambda one: one[1].tell())
    return _held(kind, held)


def stepped(difference: UInt8[np.ndarray, "height width 3"]) -> str:
    """A difference as the address that holds it, each value the nearest of `STEPS`.

    Noise has no short form. With five values a colour it takes a third of the bytes.
    """
    nearest = np.abs(difference[..., None].astype(int) - STEPS).argmin(axis=-1)
    image = Image.fromarray((nearest @ (25, 5, 1)).astype(np.uint8))
    image.putpalette(np.stack(np.meshgrid(STEPS, STEPS, STEPS, indexing="ij"), axis=-1).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return _held("png", file)


def _held(kind: str, file: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
