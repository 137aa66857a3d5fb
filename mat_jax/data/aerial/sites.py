"""What a place seen from above is made of: the thirty classes of RSICD, with a few facts each.

A site has a kind, how many of its main thing there are, their tone, and what lies beside it on one
of four sides. Captions tell some of these facts, as people do.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

TONES: dict[str, tuple[int, int, int]] = {
    "white": (238, 238, 232),
    "grey": (150, 152, 156),
    "red": (196, 66, 52),
    "orange": (222, 140, 66),
    "yellow": (226, 206, 110),
    "green": (98, 152, 76),
    "blue": (70, 118, 190),
    "brown": (146, 108, 72),
    "dark": (66, 72, 70),
}
ROOFS = ("white", "grey", "red", "orange", "blue")
SIDES = ("left", "right", "top", "bottom")
NEIGHBOURS = ("trees", "houses", "a road", "water", "fields", "sand")
COUNTS = ("one", "two", "three", "several")


@dataclass(frozen=True)
class Kind:
    """A class of sites.

    Attributes:
        thing: what is there, with {} for its tone; of what can be counted in the singular.
        tones: what it may be coloured, each as likely.
        plural: of what can be counted, else empty.
        most: how many of it there may be, a place of `COUNTS`; 0 where one cannot count.
    """

    thing: str
    tones: tuple[str, ...]
    plural: str = ""
    most: int = 0


# The names are RSICD's.
KINDS: dict[str, Kind] = {
    "airport": Kind(
        "{} plane at an airport", ("white", "grey", "blue"), "{} planes at an airport", 3
    ),
    "bareland": Kind("{} bare land", ("brown", "yellow", "grey")),
    "baseballfield": Kind("{} baseball field", ("brown", "orange"), "{} baseball fields", 1),
    "beach": Kind("a {} beach", ("yellow", "white", "brown")),
    "bridge": Kind("{} bridge", ("white", "grey", "red"), "{} bridges", 1),
    "center": Kind("a {} center", ROOFS),
    "church": Kind("a {} church", ROOFS),
    "commercial": Kind("a {} commercial area", ROOFS),
    "denseresidential": Kind("a {} dense residential area", ROOFS),
    "desert": Kind("a {} desert", ("yellow", "orange", "brown")),
    "farmland": Kind("{} farmland", ("green", "yellow", "brown")),
    "forest": Kind("a {} forest", ("green", "dark", "orange")),
    "industrial": Kind(
        "{} factory in an industrial area", ROOFS, "{} factories in an industrial area", 3
    ),
    "meadow": Kind("a {} meadow", ("green", "yellow")),
    "mediumresidential": Kind("a {} medium residential area", ROOFS),
    "mountain": Kind("a {} mountain", ("grey", "brown", "green")),
    "park": Kind("a {} park", ("green", "dark")),
    "parking": Kind("a parking lot with {} cars", ("white", "red", "blue", "dark")),
    "playground": Kind("a {} playground", ("red", "blue", "orange")),
    "pond": Kind("{} pond", ("blue", "green", "dark"), "{} ponds", 2),
    "port": Kind("{} boat in a port", ("white", "red", "brown"), "{} boats in a port", 3),
    "railwaystation": Kind("a {} railway station", ROOFS),
    "resort": Kind("{} villa in a resort", ROOFS, "{} villas in a resort", 3),
    "river": Kind("a {} river", ("blue", "green", "brown")),
    "school": Kind("a {} school", ROOFS),
    "sparseresidential": Kind(
        "{} house in a sparse residential area", ROOFS, "{} houses in a sparse residential area", 2
    ),
    "square": Kind("a {} square", ("white", "grey", "orange")),
    "stadium": Kind("a {} stadium", ("white", "grey", "red", "blue")),
    "storagetanks": Kind("{} storage tank", ("white", "grey", "red"), "{} storage tanks", 3),
    "viaduct": Kind("a {} viaduct", ("grey", "white", "dark")),
}
CLASSES = tuple(KINDS)


@dataclass(frozen=True)
class Site:
    """One place: `count` is a place of `COUNTS`, `seed` that of all that words do not tell."""

    kind: str
    count: int
    tone: str
    neighbour: str
    side: str
    seed: int


def sample(rng: np.random.Generator) -> Site:
    """Draw one site; every kind is as likely, and so is what it may be."""
    return anew(rng, kind=CLASSES[int(rng.integers(len(CLASSES)))])


def anew(
    rng: np.random.Generator,
    *,
    kind: str,
    count: int | None = None,
    tone: str | None = None,
    neighbour: str | None = None,
    side: str | None = None,
) -> Site:
    """A site of which the given facts are true; chance has the rest."""
    facts = KINDS[kind]
    return Site(
        kind,
        int(rng.integers(facts.most + 1)) if count is None else count,
        _one(rng, facts.tones) if tone is None else tone,
        _one(rng, NEIGHBOURS) if neighbour is None else neighbour,
        _one(rng, SIDES) if side is None else side,
        int(rng.integers(2**31)),
    )


def shade(tone: str, rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    """A tone as it is in one place: no two roofs are alike."""
    return np.asarray(TONES[tone], np.float64) + rng.normal(0, 7, 3)


def _one(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]
