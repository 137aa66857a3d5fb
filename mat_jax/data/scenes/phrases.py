"""Scenes as a set of phrases, each with its picture: which of its objects does a phrase mean?"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from mat_jax.data.scenes.builder import Scenes
from mat_jax.data.scenes.facts import Thing
from mat_jax.data.scenes.oracle import read
from mat_jax.types.arrays import Example

THINGS = 4  # objects of every scene


@dataclasses.dataclass(frozen=True)
class Phrases:
    """A source with every object of every scene: the scene's picture, and a phrase for the object.

    A phrase tells texture, colour and kind ("a spotted green cactus"), and no place, as the
    expressions of RefCOCO+ do not. No two objects of a scene are of one kind, so it means one.

    Args:
        scenes: whose pictures.
    """

    scenes: Scenes

    @property
    def name(self) -> str:
        """Of the source."""
        return f"{self.scenes.name}/phrases"

    def __len__(self) -> int:
        return THINGS * len(self.scenes)

    def __getitem__(self, index: int, /) -> Example:
        example = self.scenes[self.picture(index)]
        thing = example.scene.things[self.target(index)]
        return Example(
            example.image, (phrase(thing),), THINGS * example.image_id + self.target(index)
        )

    def captions(self, index: int) -> tuple[str, ...]:
        """The one phrase."""
        return (phrase(self._things(index)[self.target(index)]),)

    def boxes(self, index: int) -> Float[np.ndarray, "objects 4"]:
        """The boxes of all objects in the picture: x, y, width, height, shares of its sides."""
        return np.array([thing.box for thing in self._things(index)], np.float32)

    def picture(self, index: int) -> int:
        """Which scene it is of: phrases of one picture stand together."""
        return index // THINGS

    def target(self, index: int) -> int:
        """Which of the boxes is meant."""
        return index % THINGS

    def right(self, index: int) -> Bool[np.ndarray, " objects"]:
        """That box and no other."""
        return np.arange(THINGS) == self.target(index)

    def oracle(self, index: int) -> Callable[[str], bool]:
        """`phrase -> whether it means this object, and no other of the scene`."""
        things, target = self._things(index), self.target(index)

        def means(text: str) -> bool:
            reading = read(text)
            if reading is None or len(reading.claims) != 1 or reading.claims[0].count != 1:
                return False
            return [i for i, t in enumerate(things) if reading.claims[0].fits(t)] == [target]

        return means

    def _things(self, index: int) -> tuple[Thing, ...]:
        return self.scenes.scene(self.picture(index)).things


def phrase(thing: Thing) -> str:
    """`a spotted green cactus`; what has no texture is not called plain."""
    words = [*([] if thing.texture == "plain" else [thing.texture]), thing.colour, thing.kind]
    return " ".join(["an" if words[0][0] in "aeiou" else "a", *words])
