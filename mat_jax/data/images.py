"""Images from files to arrays of one size."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mat_jax.types.protocols import Fit as Fit


@dataclass(frozen=True)
class ImageFiles(Sequence):
    """Image files as their pixels, each decoded when it is asked for."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return read_image(self.paths[index])


def read_image(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """Decode an image file to RGB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an image, or only a part of one.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"no image file {str(path)!r}; check the image root") from None
    except OSError as error:
        raise _unreadable(repr(str(path)), error) from None
    return decoded(content, repr(str(path)))


def decoded(content: bytes, said: str) -> UInt8[np.ndarray, "height width 3"]:
    """Decode the bytes of an image to RGB.

    Args:
        content: the bytes.
        said: what to call it in an error.

    Raises:
        ValueError: they are not an image, or only a part of one.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # PIL reports damaged files by several types; SyntaxError is its word for a broken PNG.
        raise _unreadable(said, error) from None


def _unreadable(said: str, error: Exception) -> ValueError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ValueError(f"cannot read the image {said} ({reason}); replace the file or drop its row")


def resize(
    image: UInt8[np.ndarray, "height width 3"], size: int, fit: Fit = "crop"
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Bring an image to `size` x `size` pixels, as the families were trained.

    - "crop" (CLIP): the shortest side becomes `size`, the longer one keeps the aspect (rounded
      down), and the centre is cut out;
    - "press" (ALBEF, TCL, BLIP): all of the image, whatever its aspect;
    - "align" (ALIGN): pressed into a square 346 / 289 times as large, whose centre is cut out.

    Filters are PIL's antialiased ones, bicubic, for ALIGN bilinear. An image of the right size is
    left alone.

    Args:
        image: RGB pixels.
        size: side of the square in pixels, at least 1.
        fit: one of the three.
    """
    if size < 1:
        raise ValueError(f"image size {size} is not possible; give at least 1 pixel")
    height, width = image.shape[:2]
    if (height, width) != (size, size):
        if fit == "crop":
            short = min(height, width)
            # Integer arithmetic: `int(size * (width / short))` can lose a pixel to rounding.
            height, width = height * size // short, width * size // short
        else:
            height = width = size if fit == "press" else widened(size)
        soft = Image.Resampling.BILINEAR if fit == "align" else Image.Resampling.BICUBIC
        image = np.asarray(Image.fromarray(image).resize((width, height), soft))
    top, left = (height - size) // 2, (width - size) // 2
    return image[top : top + size, left : left + size]


def widened(size: int) -> int:
    """The side of the square that ALIGN's images of `size` are cut out of: 346 for 289."""
    return round(size * 346 / 289)
