"""Images from files to arrays of one size."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def read_image(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """Decode an image file to RGB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an image, or only a part of one.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise FileNotFoundError(f"no image file {str(path)!r}; check the image root") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # PIL reports damaged files by several types; SyntaxError is its word for a broken PNG.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"cannot read the image {str(path)!r} ({reason}); replace the file or drop its row"
        ) from None


def resize(
    image: UInt8[np.ndarray, "height width 3"], size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Bring an image to `size` x `size` pixels as CLIP does.

    The shortest side becomes `size` by PIL's antialiased bicubic filter, the longer one keeps the
    aspect (rounded down), and the centre is cut out. An image of the right size is left alone.

    Args:
        image: RGB pixels.
        size: side of the square in pixels, at least 1.
    """
    if size < 1:
        raise ValueError(f"image size {size} is not possible; give at least 1 pixel")
    height, width = image.shape[:2]
    if (height, width) != (size, size):
        short = min(height, width)
        # Integer arithmetic: `int(size * (width / short))` can lose a pixel to rounding.
        height, width = height * size // short, width * size // short
        picture = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
        image = np.asarray(picture)
    top, left = (height - size) // 2, (width - size) // 2
    return image[top : top + size, left : left + size]
