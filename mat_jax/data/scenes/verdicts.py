"""Scenes with a covered quarter, and sentences that follow, are contradicted, or are left open.

A picture of which all is seen decides every sentence. Behind the cover there is one more thing,
and what a sentence says of it the picture cannot tell.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from mat_jax.data.scenes import lexicon, oracle
from mat_jax.data.scenes.builder import CAPTIONS, Scenes
from mat_jax.data.scenes.facts import COLOURS, KINDS, TEXTURES, Scene, Thing
from mat_jax.types.arrays import Example
from mat_jax.types.sources import VERDICTS

FOLLOWS = VERDICTS.index("entailment")
COVER = 128  # grey, of 255
CORNERS = (("top", "left"), ("top", "right"), ("bottom", "left"), ("bottom", "right"))
_MISTAKE = 0.5  # share of the sentences that are meant to be false in one word alone


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """A source with three sentences for every scene: contradicted, left open, and following.

    A sentence speaks of one thing and says where it is: "a spotted green cactus at the top on the
    left". The words alone tell little of the verdict: every scene has one sentence of each, drawn
    in one way, and kept if it has that verdict (`oracle.verdict`).

    Args:
        scenes: whose pictures.
        seed: of covers and sentences.
    """

    scenes: Scenes
    seed: int = 0

    @property
    def name(self) -> str:
        """Of the source."""
        return f"{self.scenes.name}/verdicts"

    def __len__(self) -> int:
        return len(VERDICTS) * len(self.scenes)

    def __getitem__(self, index: int, /) -> Example:
        index = range(len(self))[index]
        example = self.scenes[self.picture(index)]
        rng, hidden = self._drawn(example.image_id)
        sentence = _sentence(example.scene, hidden, self.label(index), rng)
        number = len(VERDICTS) * example.image_id + self.label(index)
        return Example(covered(example.image, hidden), (sentence,), number)

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The one sentence."""
        return self[index].captions

    def label(self, index: int, /) -> int:
        """The row of `VERDICTS`: the three sentences of a picture stand together."""
        return index % len(VERDICTS)

    def picture(self, index: int, /) -> int:
        """Which scene it is of."""
        return index // len(VERDICTS)

    def oracle(self, index: int, /) -> Callable[[str], bool]:
        """`sentence -> whether its verdict is the one of this row`."""
        example = self.scenes[self.picture(index)]
        _, hidden = self._drawn(example.image_id)
        return lambda text: oracle.verdict(text, example.scene, hidden) == self.label(index)

    def _drawn(self, image_id: int) -> tuple[np.random.Generator, int]:
        """The quarter that is covered, and what sentences are drawn with."""
        rng = np.random.default_rng([self.seed, image_id])
        return rng, int(rng.integers(4))


@dataclasses.dataclass(frozen=True)
class VerdictSets:
    """The sentences that follow, each with captions of its scene: `data.entailed_sets` of scenes.

    The captions tell of the whole scene, as people's do, and so of what is covered too.

    Args:
        pairs: the sentences, of which only those that follow are kept.
        texts: of each set, the sentence first.

    Raises:
        ValueError: a scene has not so many captions.
    """

    pairs: Verdicts
    texts: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.texts <= 1 + CAPTIONS:
            raise ValueError(
                f"texts={self.texts} makes no set of a sentence and the {CAPTIONS} captions of a "
                f"scene; give 1 to {1 + CAPTIONS}"
            )

    @property
    def name(self) -> str:
        """Of the source."""
        return f"{self.pairs.name}, entailed"

    def __len__(self) -> int:
        return len(self.pairs.scenes)

    def __getitem__(self, index: int, /) -> Example:
        row = self._row(index)
        example = self.pairs[row]
        others = self.pairs.scenes.captions(self.pairs.picture(row))[: self.texts - 1]
        return example._replace(captions=(*example.captions, *others))

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The texts of one set, the sentence first."""
        return self[index].captions

    def label(self, index: int, /) -> int:
        """All follow."""
        return FOLLOWS

    def picture(self, index: int, /) -> int:
        """Which scene it is of."""
        return self.pairs.picture(self._row(index))

    def oracle(self, index: int, /) -> Callable[[str], bool]:
        """`text -> whether it is right`: follows, or tells of several things as the scene has them.

        A sentence tells of one thing.
        """
        row = self._row(index)
        follows = self.pairs.oracle(row)
        true = self.pairs.scenes.oracle(self.pairs.picture(row))

        def right(text: str) -> bool:
            reading = oracle.read(text)
            several = reading is not None and len(reading.claims) > 1
            return true(text) if several else follows(text)

        return right

    def _row(self, index: int) -> int:
        """The row of the sentence among all pairs."""
        return len(VERDICTS) * range(len(self))[index] + FOLLOWS


def covered(
    image: UInt8[np.ndarray, "height width 3"], quarter: int
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with a grey square over a quarter of it, 0 to 3 from the top left."""
    half = np.array(image.shape[:2]) // 2
    top, left = half * (quarter // 2, quarter % 2)
    image = image.copy()
    image[top : top + half[0], left : left + half[1]] = COVER
    return image


def _sentence(scene: Scene, hidden: int, wanted: int, rng: np.random.Generator) -> str:
    """A sentence of a verdict: drawn until it has it."""
    while True:
        about = int(rng.integers(4))
        told = scene.things[about]
        if rng.random() < _MISTAKE:
            told = _mistaken(told, rng)
        elif rng.random() < 0.5:  # where another thing is
            about = int(rng.integers(4))
        sentence = " ".join([*_phrase(told, rng), *_place(about, rng)])
        if oracle.verdict(sentence, scene, hidden) == wanted:
            return sentence


def _mistaken(thing: Thing, rng: np.random.Generator) -> Thing:
    """A thing of another kind or another colour."""
    if rng.random() < 0.5:
        return dataclasses.replace(thing, kind=str(rng.choice(list(KINDS))))
    return dataclasses.replace(thing, colour=str(rng.choice(list(COLOURS))))


def _phrase(thing: Thing, rng: np.random.Generator) -> list[str]:
    """`a spotted green cactus`, in words more or less exact."""
    words = []
    if thing.texture != TEXTURES[0] and rng.random() < 0.5:
        words.append(thing.texture)
    exact = rng.random() < 0.8
    fitting = [word for word, colours in lexicon.COLOUR_WORDS.items() if thing.colour in colours]
    words.append(thing.colour if exact else str(rng.choice(fitting)))
    words.append(str(rng.choice(lexicon.KIND_WORDS[thing.kind])))
    return ["an" if words[0][0] in "aeiou" else "a", *words]


def _place(quarter: int, rng: np.random.Generator) -> list[str]:
    """`at the top on the left`, or one of the two."""
    up, across = CORNERS[quarter]
    upright, sideways = ["at", "the", up], ["on", "the", across]
    drawn = rng.random()
    if drawn < 0.7:
        return [*upright, *sideways]
    return upright if drawn < 0.85 else sideways
