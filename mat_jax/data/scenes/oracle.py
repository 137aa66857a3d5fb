"""The oracle: whether a caption is true of a scene, which no photograph set can tell."""

import dataclasses
from dataclasses import dataclass

from mat_jax.data.scenes import lexicon
from mat_jax.data.scenes.facts import COLOURS, GROUNDS, KINDS, SIZES, TEXTURES, Scene, Thing
from mat_jax.data.scenes.grammar import true_place


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
    return _seated(needs, scene.things) == len(needs)


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
    return 2 * _seated(needs, scene.things) / (len(needs) + len(scene.things))


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


def _seated(needs: list[Claim], things: tuple[Thing, ...]) -> int:
    """The most claims that can have a thing of their own at once: augmenting paths."""
    owner: dict[int, int] = {}

    def place(claim: int, tried: set[int]) -> bool:
        for i, thing in enumerate(things):
            if i not in tried and needs[claim].fits(thing):
                tried.add(i)
                if i not in owner or place(owner[i], tried):
                    owner[i] = claim
                    return True
        return False

    return sum(place(claim, set()) for claim in range(len(needs)))


assert set(KINDS) <= set(lexicon.NOUNS)
