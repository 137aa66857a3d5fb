"""The sizes of the two towers every family is made of, and what sizes must fulfil."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ViTConfig:
    """The sizes of an image tower; the defaults are ViT-B's, with DeiT's eps.

    `hidden`, the width of the feed-forward layers, defaults to four times the width.
    """

    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 0
    eps: float = 1e-6

    def __post_init__(self) -> None:
        complete(self)


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a text tower; the defaults are `bert-base-uncased`'s.

    `length` is how many positions there are; texts may be shorter. `hidden` defaults to four
    times the width.
    """

    vocab_size: int = 30522
    length: int = 512
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 0
    segments: int = 2
    eps: float = 1e-12
    pad: int = 0

    def __post_init__(self) -> None:
        complete(self)


def complete(config: Any, tower: str = "") -> None:
    """Fill in `hidden`, and refuse heads that the width does not divide into.

    Names in the configuration begin with `tower`.
    """
    width, heads = getattr(config, f"{tower}width"), getattr(config, f"{tower}heads")
    if not getattr(config, f"{tower}hidden"):
        object.__setattr__(config, f"{tower}hidden", 4 * width)
    if width % heads:
        raise ValueError(
            f"{tower}width={width} does not divide into {tower}heads={heads} heads; choose a "
            f"number of heads that divides the width"
        )


def one_of(config: Any, name: str, *allowed: str) -> None:
    """Refuse what is none of the `allowed`."""
    if getattr(config, name) not in allowed:
        raise ValueError(
            f"{name}={getattr(config, name)!r} is not known; expected {' or '.join(allowed)}"
        )


def grid_side(image_size: int, patch_size: int) -> int:
    """How many patches stand along a side of an image."""
    if image_size % patch_size:
        raise ValueError(
            f"image_size={image_size} is not a multiple of patch_size={patch_size}; choose an "
            f"image size that is"
        )
    return image_size // patch_size
