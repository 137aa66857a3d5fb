"""Questions about scenes, which their facts answer: colour, number, presence and place."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

from mat_jax.data.scenes import lexicon, oracle
from mat_jax.data.scenes.builder import SceneExample, Scenes
from mat_jax.data.scenes.facts import COLOURS, KINDS, TEXTURES, Scene, Thing
from mat_jax.types.arrays import Example

PEOPLE = 10  # answers to a question, all alike: who knows the facts does not disagree
ANSWERS = ("yes", "no", *map(str, range(5)), *COLOURS, *KINDS)
ASKED = ("colour", "number", "presence", "place")
# From a quarter to the one beside it, 0 to 3 from the top left: what holds, and the step.
BESIDE = {"left of": -1, "right of": 1, "above": -2, "below": 2}

_COLOUR = re.compile(r"what colour is (?P<thing>the .+)")
_NUMBER = re.compile(r"how many (?P<thing>.+) are there")
_PRESENCE = re.compile(r"is there (?P<thing>an? .+)")
_PLACE = re.compile(rf"what is (?P<beside>{'|'.join(BESIDE)}) (?P<thing>the .+)")


@dataclasses.dataclass(frozen=True)
class Questions:
    """A source with four questions for every scene, one of each of `ASKED`.

    "what colour is the kitten", "how many fruits are there", "is there a red boat", "what is left
    of the tower". Half of those on presence are answered yes. All draws follow from the seed and
    the picture's number.

    Args:
        scenes: whose pictures.
        seed: of the questions.
    """

    scenes: Scenes
    seed: int = 0

    @property
    def name(self) -> str:
        """Of the source."""
        return f"{self.scenes.name}/questions"

    @property
    def answer_list(self) -> tuple[str, ...]:
        """What may be answered: yes and no, 0 to 4, the colours and the kinds."""
        return ANSWERS

    def __len__(self) -> int:
        return len(ASKED) * len(self.scenes)

    def __getitem__(self, index: int, /) -> Example:
        example, question = self._drawn(index)
        number = len(ASKED) * example.image_id + index % len(ASKED)
        return Example(example.image, (question,), number)

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The one question."""
        return (self._drawn(index)[1],)

    def answers(self, index: int, /) -> tuple[str, ...]:
        """What ten people answer, all the same."""
        example, question = self._drawn(index)
        found = answer(question, example.scene)
        assert found is not None
        return (found,) * PEOPLE

    def picture(self, index: int, /) -> int:
        """Which scene it is of: the four questions of a picture stand together."""
        return index // len(ASKED)

    def oracle(self, index: int, /) -> Callable[[str], bool]:
        """`question -> whether it has the answer of this row`."""
        scene, right = self.scenes.scene(self.picture(index)), self.answers(index)[0]
        return lambda text: answer(text, scene) == right

    def _drawn(self, index: int) -> tuple[SceneExample, str]:
        """The scene of a row, and its question."""
        index = range(len(self))[index]
        kind, example = index % len(ASKED), self.scenes[self.picture(index)]
        rng = np.random.default_rng([self.seed, example.image_id, kind])
        return example, _DRAWN[kind](example.scene, rng)


def answer(question: str, scene: Scene) -> str | None:
    """The right answer to a question of one of the four forms.

    None for a question that cannot be read, or one that the facts do not answer: of the colour or
    place of a thing that is not there, or that may be one of several.
    """
    if match := _NUMBER.fullmatch(question):
        claim = _claim(match["thing"])
        return None if claim is None else str(sum(claim.fits(thing) for thing in scene.things))
    if match := _PRESENCE.fullmatch(question):
        claim = _claim(match["thing"])
        if claim is None:
            return None
        return "yes" if any(claim.fits(thing) for thing in scene.things) else "no"
    if match := _COLOUR.fullmatch(question):
        meant = _meant(match["thing"], scene)
        return None if meant is None else scene.things[meant].colour
    if match := _PLACE.fullmatch(question):
        meant = _meant(match["thing"], scene)
        beside = None if meant is None else _beside(meant, match["beside"])
        return None if beside is None else scene.things[beside].kind
    return None


def _claim(phrase: str) -> oracle.Claim | None:
    """What a phrase on one sort of thing says of it."""
    reading = oracle.read(phrase)
    return reading.claims[0] if reading is not None and len(reading.claims) == 1 else None


def _meant(phrase: str, scene: Scene) -> int | None:
    """The quarter of the one thing that a phrase is true of."""
    claim = _claim(phrase)
    fits = [] if claim is None else [q for q, t in enumerate(scene.things) if claim.fits(t)]
    return fits[0] if len(fits) == 1 else None


def _beside(quarter: int, word: str) -> int | None:
    """The quarter on that side of another, None beyond the picture."""
    found = quarter + BESIDE[word]
    along = found // 2 == quarter // 2 if abs(BESIDE[word]) == 1 else 0 <= found < 4
    return found if along else None


def _of_colour(scene: Scene, rng: np.random.Generator) -> str:
    thing = scene.things[int(rng.integers(4))]
    return f"what colour is the {_noun(thing, rng)}"


def _of_number(scene: Scene, rng: np.random.Generator) -> str:
    """Of a family or a colour, most often of one that is there."""
    thing = scene.things[int(rng.integers(4))]
    if rng.random() < 0.5:
        families = list(lexicon.FAMILY_WORDS)
        family = KINDS[thing.kind][0] if rng.random() < 0.7 else str(rng.choice(families))
        return f"how many {lexicon.plural(family)} are there"
    colour = thing.colour if rng.random() < 0.7 else str(rng.choice(list(COLOURS)))
    return f"how many {colour} things are there"


def _of_presence(scene: Scene, rng: np.random.Generator) -> str:
    """Yes or no is drawn first; a no is mostly wrong in the colour or the kind alone."""
    wanted = "yes" if rng.random() < 0.5 else "no"
    while True:
        thing = scene.things[int(rng.integers(4))]
        if wanted == "no":
            thing = _mistaken(thing, rng)
        words = f"{thing.colour} {rng.choice(lexicon.KIND_WORDS[thing.kind])}"
        question = f"is there {'an' if words[0] in 'aeiou' else 'a'} {words}"
        if answer(question, scene) == wanted:
            return question


def _of_place(scene: Scene, rng: np.random.Generator) -> str:
    quarter = int(rng.integers(4))
    sides = [word for word in BESIDE if _beside(quarter, word) is not None]
    return f"what is {rng.choice(sides)} the {_noun(scene.things[quarter], rng)}"


_DRAWN: tuple[Callable[[Scene, np.random.Generator], str], ...]
_DRAWN = (_of_colour, _of_number, _of_presence, _of_place)


def _noun(thing: Thing, rng: np.random.Generator) -> str:
    """A name of its kind, which no other thing of the scene has; at times with its texture."""
    noun = str(rng.choice(lexicon.KIND_WORDS[thing.kind]))
    told = thing.texture != TEXTURES[0] and rng.random() < 0.5
    return f"{thing.texture} {noun}" if told else noun


def _mistaken(thing: Thing, rng: np.random.Generator) -> Thing:
    """A thing of another kind or another colour."""
    if rng.random() < 0.5:
        return dataclasses.replace(thing, kind=str(rng.choice(list(KINDS))))
    return dataclasses.replace(thing, colour=str(rng.choice(list(COLOURS))))
