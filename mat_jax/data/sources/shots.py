"""A few images of each class: what few-shot training reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from mat_jax.types.sources import Captioned, HasCaptions, HasClasses


@runtime_checkable
class Classes(HasClasses, HasCaptions, Protocol):
    """Classified images whose captions are the prompts of their classes."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """One a class, in the order of the labels."""
        ...


@dataclass(frozen=True)
class FewShots:
    """Some images of a classified source; ids, labels and prompts are those of the whole.

    Args:
        whole: the source.
        places: of the images in it, rising.
    """

    whole: Classes
    places: Sequence[int]

    @property
    def name(self) -> str:
        """Of the source, and how many images it has."""
        return f"{self.whole.name}/{len(self.places)} shots"

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class, in the order of the labels."""
        return self.whole.classes

    @property
    def template(self) -> str:
        """Of a prompt, with {} for the name."""
        return self.whole.template

    @property
    def prompts(self) -> tuple[str, ...]:
        """One a class, in the order of the labels."""
        return self.whole.prompts

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int, /) -> Captioned:
        return self.whole[self.places[index]]

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The prompt of an image's class."""
        return self.whole.captions(self.places[index])

    def label(self, index: int, /) -> int:
        """The class of an image."""
        return self.whole.label(self.places[index])


def few_shots(source: Classes, shots: int, *, seed: int = 0) -> FewShots:
    """Draw `shots` images of each class, without repetition; another seed draws others.

    The draw of a class does not depend on the other classes, and fewer shots are a part of more:
    the first of a permutation that is folded from the seed and the class.

    Args:
        source: classified images, with the prompts of their classes.
        shots: images of each class, 1 or more; MMCoA and its kin take 1, 2, 4, 8 and 16.
        seed: of the draw.

    Raises:
        ValueError: fewer than 1 shot, or a class that has fewer images.
    """
    if shots < 1:
        raise ValueError(f"{shots} shots: give 1 or more images of each class")
    labels = np.array([source.label(index) for index in range(len(source))], dtype=np.int64)
    chosen: list[int] = []
    for row, name in enumerate(source.classes):
        own = np.flatnonzero(labels == row)
        if len(own) < shots:
            raise ValueError(
                f"class {name!r} of {source.name!r} has {len(own)} images, and {shots} shots want "
                f"{shots} of each: give {len(own) or 'a source with images of it and 1'} or fewer"
            )
        chosen += [int(i) for i in np.random.default_rng([seed, row]).permutation(own)[:shots]]
    return FewShots(source, tuple(sorted(chosen)))
