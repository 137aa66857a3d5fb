"""Classified images: what defences made for classification train on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, UInt8

from mat_jax.data.images import read_image
from mat_jax.types.arrays import Example

TEMPLATE = "This is a photo of a {}"  # of TeCoA, and of all that compare themselves with it


@runtime_checkable
class Pictures(Protocol):
    """Pixels by position: an array [images, height, width, 3], or what reads them from files."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> UInt8[np.ndarray, "height width 3"]: ...


@dataclass(frozen=True, eq=False)
class Files:
    """Pictures in files, read when asked for."""

    root: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int, /) -> UInt8[np.ndarray, "height width 3"]:
        return read_image(self.root / self.names[index])


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """A source of classified images, whose one caption is the prompt of the image's class.

    Args:
        name: of the source.
        form: of the files that it was read from, in words.
        images: their pixels.
        labels: the class of each.
        classes: the name of each class, in the order of the labels.
        template: of a prompt, with {} for the class.

    Raises:
        ValueError: labels that are no class, not one an image, or a template without {}.
    """

    name: str
    form: str
    images: Pictures
    labels: Int[np.ndarray, " images"]
    classes: tuple[str, ...]
    template: str = TEMPLATE

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.images):
            raise ValueError(
                f"{self.name!r} has {len(self.labels)} labels for {len(self.images)} images; "
                "expected one each"
            )
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(wrong):
            raise ValueError(
                f"image {wrong[0]} of {self.name!r} has the label {self.labels[wrong[0]]}, but it "
                f"has {len(self.classes)} classes; expected 0 to {len(self.classes) - 1}"
            )
        if "{}" not in self.template:
            raise ValueError(
                f"the template {self.template!r} has no place for the class; expected {{}} in it, "
                f"{TEMPLATE!r} for example"
            )

    @property
    def prompts(self) -> tuple[str, ...]:
        """One a class, in the order of the labels: `defenses.Prompts(source.prompts)`."""
        return tuple(self.template.replace("{}", name) for name in self.classes)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int, /) -> Example:
        image_id = range(len(self))[index]
        return Example(self.images[image_id], self.captions(image_id), image_id)

    def captions(self, index: int) -> tuple[str, ...]:
        """The prompt of the image's class."""
        return (self.template.replace("{}", self.classes[self.label(index)]),)

    def label(self, index: int) -> int:
        """The class of an image."""
        return int(self.labels[index])


def plain(name: str) -> str:
    """A class name as words: `American_alligator` becomes `american alligator` (TeCoA's code)."""
    return " ".join(name.lower().translate(dict.fromkeys(map(ord, "_-/"), " ")).split())
