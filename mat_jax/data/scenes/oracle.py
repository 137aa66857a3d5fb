"""The oracle: whether a caption is true of a scene, which no photograph set can tell."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from mat_jax.data.scenes import lexicon
from mat_jax.data.scenes.facts import (
    COLOURS,
    GROUNDS,
    KINDS,
    PIXELS,
    SIZES,
    TEXTURES,
    Scene,
    Thing,
)
from mat_jax.data.scenes.grammar import true_place
from mat_jax.types.sources import VERDICTS


@dataclass(frozen=True)
class Claim:
    """What one noun phrase says: the kinds, colours, ... it allows, and how many things."""

    count: int
    kinds: frozenset[str]
    colours: frozenset[str]
    textures: frozenset[str]
    sizes: frozenset[str]
    places: tuple[str, ...]

    def fits(self, thing: Thing) -> bool:
        """Whether the phrase is true of this thing."""
        return (
            thing.kind in self.kinds
            and thing.colour in self.colours
            and thing.texture in self.textures
            and thing.size in self.sizes
            and all(true_place(thing, place) for place in self.places)
        )


@dataclass(frozen=True)
class Reading:
    """A parsed caption: its claims about things, and what it allows as ground and shade."""

    claims: tuple[Claim, ...]
    grounds: frozenset[str]
    shades: frozenset[str]


def read(caption: str) -> Reading | None:
    """Parse a caption of the world's language; None if it has no reading.

    Adjectives and numbers belong to the next noun, a place to the noun before it. A word that is
    not in the lexicon, or an adjective without a noun, leaves the caption without a reading.
    """
    claims: list[Claim] = []
    grounds, shades = frozenset(GROUNDS), frozenset(["pale", "dark"])
    waiting: list[str] = []
    for word in caption.lower().split():
        if word in lexicon.NOUNS:
            claim = _claim(word, waiting)
            if claim is None:
                return None
            claims.append(claim)
            waiting = []
        elif word in lexicon.GROUND_WORDS:
            if any(w not in lexicon.SHADE_WORDS for w in waiting):
                return None
            grounds &= lexicon.GROUND_WORDS[word]
            for shade in waiting:
                shades &= lexicon.SHADE_WORDS[shade]
            waiting = []
        elif word in lexicon.PLACE_WORDS:
            if waiting or not claims:
                return None
            places = (*claims[-1].places, word)
            claims[-1] = dataclasses.replace(claims[-1], places=places)
        elif word not in lexicon.SILENT:
            waiting.append(word)
    return None if waiting else Reading(tuple(claims), grounds, shades)


def is_true(caption: str, scene: Scene) -> bool:
    """Whether everything a caption says is true of a scene.

    Each noun phrase needs a thing of its own. A caption that cannot be read is not true: it is the
    safe side for an attack that must keep the truth.
    """
    reading = read(caption)
    if reading is None or scene.ground not in reading.grounds or scene.shade not in reading.shades:
        return False
    needs = _needs(reading)
    return _seated([[need.fits(thing) for thing in scene.things] for need in needs]) == len(needs)


def agreement(caption: str, scene: Scene) -> float:
    r"""How far what a caption claims and what a scene has are the same, 0 to 1.

    $$F = \frac{2r}{c + n}$$

    of c things claimed, n in the scene, and r claims that can have a thing of their own at once:
    the harmonic mean of precision r / c and recall r / n, as of SPICE (Anderson et al. 2016,
    section 3.3), over noun phrases and with the truth in the place of other captions. Ground and
    shade do not count. A caption without a reading has 0.
    """
    reading = read(caption)
    if reading is None:
        return 0.0
    needs = _needs(reading)
    seated = _seated([[need.fits(thing) for thing in scene.things] for need in needs])
    return 2 * seated / (len(needs) + len(scene.things))


def verdict(caption: str, scene: Scene, hidden: int) -> int | None:
    """What a picture of which one quarter is hidden says of a caption: a row of `VERDICTS`.

    It follows if what is seen makes it true, whatever is behind. It is contradicted if it is false
    whatever is behind; else the picture leaves it open. What is behind is one thing of a kind that
    is not seen, somewhere in that quarter. None for a caption without a reading.

    Args:
        caption: the sentence.
        scene: the whole truth.
        hidden: the quarter, which is the number of the thing in it.
    """
    reading = read(caption)
    if reading is None:
        return None
    contradiction, neutral, entailment = range(len(VERDICTS))
    if scene.ground not in reading.grounds or scene.shade not in reading.shades:
        return contradiction
    needs = _needs(reading)
    seen = [thing for quarter, thing in enumerate(scene.things) if quarter != hidden]
    unseen = set(KINDS) - {thing.kind for thing in seen}
    behind = [_behind(need, hidden, unseen) for need in needs]
    fits = [[need.fits(thing) for thing in seen] for need in needs]
    surely = [[*row, must] for row, (must, _) in zip(fits, behind, strict=True)]
    if _seated(surely) == len(needs):
        return entailment
    perhaps = [[*row, may] for row, (_, may) in zip(fits, behind, strict=True)]
    return neutral if _seated(perhaps) == len(needs) else contradiction


def _behind(claim: Claim, quarter: int, kinds: set[str]) -> tuple[bool, bool]:
    """Whether a phrase is true of whatever is behind a quarter, and whether it may be.

    Args:
        claim: of the phrase.
        quarter: the hidden one.
        kinds: those that may be behind it.
    """
    may = bool(claim.kinds & kinds and claim.colours and claim.textures and claim.sizes)
    must = may and claim.kinds >= kinds and claim.colours >= set(COLOURS)
    must = must and claim.textures >= set(TEXTURES) and claim.sizes >= set(SIZES)
    # Where the centre of the smallest thing may be, from and to.
    near, far = PIXELS["small"] / 2, 0.5 - PIXELS["small"] / 2
    across, down = (quarter % 2) / 2, (quarter // 2) / 2
    x0, x1, y0, y1 = across + near, across + far, down + near, down + far
    for place in claim.places:
        left, right, top, bottom = lexicon.PLACE_WORDS[place]
        must = must and left <= x0 and x1 <= right and top <= y0 and y1 <= bottom
        x0, x1, y0, y1 = max(x0, left), min(x1, right), max(y0, top), min(y1, bottom)
    may = may and x0 <= x1 and y0 <= y1
    return must and may, may


def _needs(reading: Reading) -> list[Claim]:
    """Its claims, one a thing."""
    return [claim for claim in reading.claims for _ in range(claim.count)]


def _claim(noun: str, adjectives: list[str]) -> Claim | None:
    count, colours, textures, sizes = 1, frozenset(COLOURS), frozenset(TEXTURES), frozenset(SIZES)
    for word in adjectives:
        if word in lexicon.NUMBERS:
            count = lexicon.NUMBERS[word]
        elif word in lexicon.COLOUR_WORDS:
            colours &= lexicon.COLOUR_WORDS[word]
        elif word in lexicon.TEXTURE_WORDS:
            textures &= lexicon.TEXTURE_WORDS[word]
        elif word in lexicon.SIZE_WORDS:
            sizes &= lexicon.SIZE_WORDS[word]
        else:
            return None
    return Claim(count, lexicon.NOUNS[noun], colours, textures, sizes, ())


def _seated(fits: Sequence[Sequence[bool]]) -> int:
    """The most claims that can have a thing of their own at once: augmenting paths.

    Args:
        fits: [claims][things] whether a claim is true of a thing.
    """
    owner: dict[int, int] = {}

    def place(claim: int, tried: set[int]) -> bool:
        for thing, fit in enumerate(fits[claim]):
            if fit and thing not in tried:
                tried.add(thing)
                if thing not in owner or place(owner[thing], tried):
                    owner[thing] = claim
                    return True
        return False

    return sum(place(claim, set()) for claim in range(len(fits)))


assert set(KINDS) <= set(lexicon.NOUNS)
