"""A shift of distribution, in degrees: pictures in another style, captions in other words.

Both leave what is said and shown as it is, so that alignment and shift can be varied one without
the other.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

GREY = (0.299, 0.587, 0.114)  # luma of ITU-R 601
TILES = 16  # of a mosaic, along a side

# Words that the embedded world never uses, for those it does.
FOREIGN = {
    "red": "crimson",
    "orange": "tangerine",
    "yellow": "lemon",
    "green": "emerald",
    "teal": "aquamarine",
    "blue": "azure",
    "purple": "mauve",
    "pink": "fuchsia",
    "brown": "chestnut",
    "white": "ivory",
    "grey": "ashen",
    "black": "ebony",
    "dark": "gloomy",
    "pale": "faint",
    "bright": "vivid",
    "small": "petite",
    "tiny": "minuscule",
    "large": "sizeable",
    "big": "hefty",
    "huge": "colossal",
    "striped": "banded",
    "spotted": "speckled",
    "near": "adjoining",
    "beside": "alongside",
    "and": "plus",
    "picture": "depiction",
    "scene": "vista",
    "sand": "dunes",
    "grass": "turf",
    "water": "ripples",
    "snow": "frost",
    "bricks": "brickwork",
    "planks": "timber",
    "sky": "heavens",
    "tiles": "tiling",
    "carpet": "matting",
    "rocks": "boulders",
}
_PLAIN = {other: word for word, other in FOREIGN.items()}


def restyle(
    image: UInt8[np.ndarray, "height width 3"], style: str, amount: float
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture `(1 - amount) x + amount style(x)`.

    Args:
        image: RGB pixels.
        style: `pastel`, `night`: other palettes; `sketch`, `mosaic`: other hands.
        amount: in [0, 1]; 0 leaves it as it is.
    """
    if style not in STYLES:
        raise ValueError(f"there is no style {style!r}; choose one of {', '.join(STYLES)}")
    _share(amount)
    if not amount:
        return image
    pixels = image.astype(np.float32) / 255
    mixed = (1 - amount) * pixels + amount * STYLES[style](pixels)
    return np.clip(np.round(255 * mixed), 0, 255).astype(np.uint8)


def reword(caption: str, amount: float, rng: np.random.Generator) -> str:
    """The caption with each word of `FOREIGN` replaced by its other, with probability `amount`.

    Only words of the embedded world are known; what else a caption says stays as it is.
    """
    _share(amount)
    words = caption.split()
    return " ".join(FOREIGN.get(w, w) if rng.random() < amount else w for w in words)


def plain(caption: str) -> str:
    """The caption in the world's own words: the inverse of `reword`."""
    return " ".join(_PLAIN.get(word, word) for word in caption.split())


def _pastel(x: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Half the contrast and three tenths of the colour, on the bright side."""
    grey = _grey(x)
    return np.float32(0.5) + np.float32(0.5) * (grey + np.float32(0.6) * (x - grey))


def _night(x: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Dark and bluish."""
    return x ** np.float32(1.5) * np.asarray((0.5, 0.6, 0.85), np.float32)


def _sketch(x: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Dark lines where the picture changes, on paper that is tinted with its colours."""
    down, across = np.gradient(_grey(x)[..., 0])
    lines = np.clip(6 * np.hypot(down, across), 0, 1)[..., None]
    paper = np.float32(0.5) + np.float32(0.5) * x
    return (paper * (1 - lines) + np.float32(0.15) * lines).astype(np.float32)


def _mosaic(x: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Sixteen by sixteen tiles of one colour each."""
    height, width, _ = x.shape
    whole = Image.fromarray(np.round(255 * x).astype(np.uint8))
    small = whole.resize((TILES, TILES), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST), np.float32) / 255


STYLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pastel": _pastel,
    "night": _night,
    "sketch": _sketch,
    "mosaic": _mosaic,
}


def _grey(x: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 1"]:
    return (x @ np.asarray(GREY, np.float32))[..., None]


def _share(amount: float) -> None:
    if not 0 <= amount <= 1:
        raise ValueError(f"shift={amount} is out of range; choose 0 (none) to 1 (all of it)")
