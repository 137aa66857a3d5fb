"""Phrases with the picture, the boxes and the right one of each: a source for grounding."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from mat_jax.data.images import read_image
from mat_jax.types.arrays import Example

OVERLAP = 0.5  # a box is right from this IoU on: RefCOCO's rule


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxedPhrases:
    """Phrases that each mean one box of a picture in a file.

    Boxes are x, y, width and height in pixels of the file, y downwards.

    Args:
        name: of the source.
        form: of the files that it was read from, in words.
        paths: the picture of each phrase.
        phrases: the texts.
        sizes: [phrases, 2] width and height of each picture in pixels.
        meant: [phrases, 4] the box that each phrase means.
        candidates: of each phrase [boxes, 4], the boxes to choose from.
    """

    name: str
    form: str
    paths: tuple[Path, ...]
    phrases: tuple[str, ...]
    sizes: Float[np.ndarray, "phrases 2"]
    meant: Float[np.ndarray, "phrases 4"]
    candidates: tuple[Float[np.ndarray, "_ 4"], ...]

    def __len__(self) -> int:
        return len(self.phrases)

    def __getitem__(self, index: int, /) -> Example:
        row = range(len(self))[index]
        return Example(read_image(self.paths[row]), self.captions(row), row)

    def captions(self, index: int) -> tuple[str, ...]:
        """The one phrase."""
        return (self.phrases[index],)

    def boxes(self, index: int) -> Float[np.ndarray, "boxes 4"]:
        """The boxes to choose from, as shares of the picture's sides."""
        return (self.candidates[index] / np.tile(self.sizes[index], 2)).astype(np.float32)

    def right(self, index: int) -> Bool[np.ndarray, " boxes"]:
        """Which of them have an IoU of at least `OVERLAP` with the box that is meant."""
        return overlap(self.candidates[index], self.meant[index]) >= OVERLAP

    def picture(self, index: int) -> int:
        """A number of the picture: phrases of one picture have the same."""
        return self._numbers[self.paths[index]]

    @cached_property
    def _numbers(self) -> dict[Path, int]:
        return {path: number for number, path in enumerate(dict.fromkeys(self.paths))}


def overlap(
    boxes: Float[np.ndarray, "boxes 4"], other: Float[np.ndarray, " 4"]
) -> Float[np.ndarray, " boxes"]:
    r"""Intersection over union as RefCOCO's program counts it, in pixels that a box covers.

    $$\frac{w_\cap h_\cap}{w_1 h_1 + w_2 h_2 - w_\cap h_\cap}$$

    with $w_\cap = \min(x_1 + w_1, x_2 + w_2) - \max(x_1, x_2)$ and $h_\cap$ alike, where both are
    above 1: boxes whose last and first pixels are the same do not meet there.
    """
    sides = np.minimum(boxes[:, :2] + boxes[:, 2:], other[:2] + other[2:])
    sides = sides - np.maximum(boxes[:, :2], other[:2])
    both = np.where((sides > 1).all(axis=1), sides.prod(axis=1), 0.0)
    return both / (boxes[:, 2:].prod(axis=1) + other[2:].prod() - both)
