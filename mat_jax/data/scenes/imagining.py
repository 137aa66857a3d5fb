"""Scenes for captions: any that a caption is true of, or a given one changed as far as it allows.

The world's answer to text-to-image models, and to image-to-image ones that a text guides.
"""

import dataclasses
from collections.abc import Collection, Sequence
from itertools import permutations

import numpy as np

from mat_jax.data.scenes.facts import (
    COLOURS,
    GROUNDS,
    KINDS,
    PIXELS,
    SIZE_ODDS,
    SIZES,
    TEXTURE_ODDS,
    TEXTURES,
    Scene,
    Thing,
)
from mat_jax.data.scenes.lexicon import PLACE_WORDS
from mat_jax.data.scenes.oracle import Claim, Reading, read

Ranges = list[tuple[float, float]]  # from and to, across and down
ANYTHING = Claim(1, frozenset(KINDS), frozenset(COLOURS), frozenset(TEXTURES), frozenset(SIZES), ())


def imagine(caption: str, rng: np.random.Generator) -> Scene:
    """Another scene that the caption is true of, drawn as `facts.sample` draws scenes.

    Every claim gets a thing in a quarter of its own; all that the caption leaves open is drawn
    with the world's odds.

    Raises:
        ValueError: the caption has no reading, or no scene of four things can be like that.
    """
    reading = _reading(caption)
    claims = _claims(reading, caption)
    orders = [o for o in permutations(claims) if all(map(_possible, o, range(len(o))))]
    if not orders:
        raise ValueError(f"no scene of four things in four quarters is like {caption!r}")
    order = orders[rng.integers(len(orders))]
    ground, shade = _choose(rng, reading.grounds), _choose(rng, reading.shades)
    things: dict[int, Thing] = {}
    # The most particular first: what is left open must not take the kind that another needs.
    for quarter in sorted(range(len(order)), key=lambda q: len(order[q].kinds)):
        taken = [thing.kind for thing in things.values()]
        things[quarter] = _thing(rng, quarter, order[quarter], taken, _colour_of(ground, shade))
    drawn = tuple(thing for _, thing in sorted(things.items()))
    return Scene(ground, shade, drawn, int(rng.integers(2**31)))


def reimagine(
    scene: Scene, caption: str, rng: np.random.Generator, *, strength: float = 0.5
) -> Scene:
    """The same layout, redrawn: a scene between the given one and one drawn for the caption.

    Strength s is that of image-to-image diffusion (SDEdit, Meng et al. 2022), from 0, the scene
    itself, to 1, a scene of which only the layout stays. Each kind, colour, texture, size, ground
    and shade is, with probability s, drawn anew among what the caption allows; a new kind brings
    its own colour. A thing's centre goes the share s of the way to a new place in its quarter,
    within what the caption says of its place. The drawing's noise is another as soon as s > 0.
    So a caption that is true of the scene is true of the result.

    Args:
        scene: where it starts.
        caption: what is held to; one that is not true of the scene pulls it towards itself.
        rng: what is drawn.
        strength: s, in [0, 1].

    Raises:
        ValueError: a strength out of range, or a caption that nothing can be drawn for.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength={strength} is out of range; choose 0 (the same) to 1 (anew)")
    reading = _reading(caption)
    order = _owners(scene, _claims(reading, caption))
    if strength == 0:
        return scene

    def perhaps(old: str, new: str) -> str:
        return new if rng.random() < strength else old

    ground = perhaps(scene.ground, _choose(rng, reading.grounds))
    shade = perhaps(scene.shade, _choose(rng, reading.shades))
    behind = _colour_of(ground, shade)
    things = list(scene.things)
    for quarter, (old, claim) in enumerate(zip(scene.things, order, strict=True)):
        taken = [thing.kind for i, thing in enumerate(things) if i != quarter]
        new = _thing(rng, quarter, claim, taken, behind)
        kind, size = perhaps(old.kind, new.kind), perhaps(old.size, new.size)
        colour = _colour(rng, kind, claim.colours, behind)
        if kind == old.kind and _shows(old.colour, behind):
            colour = perhaps(old.colour, colour)
        ranges = _room(size, quarter, claim.places) or _quarter(size, quarter)
        x, y = (
            float(np.clip((1 - strength) * a + strength * b, low, high))
            for a, b, (low, high) in zip((old.x, old.y), (new.x, new.y), ranges, strict=True)
        )
        texture = perhaps(old.texture, new.texture)
        things[quarter] = Thing(kind, colour, texture, size, x, y, PIXELS[size])
    return Scene(ground, shade, tuple(things), int(rng.integers(2**31)))


def _reading(caption: str) -> Reading:
    reading = read(caption)
    if reading is None:
        raise ValueError(
            f"{caption!r} is not of the world's language, so nothing can be drawn for it: take "
            "a caption of a scene, or pictures from a folder or a model"
        )
    if not reading.grounds or not reading.shades:
        raise ValueError(f"{caption!r} contradicts itself about the ground: nothing is like that")
    return reading


def _claims(reading: Reading, caption: str) -> list[Claim]:
    """Four claims, one a thing: those of the caption, and then nothing in particular."""
    claims = [dataclasses.replace(c, count=1) for c in reading.claims for _ in range(c.count)]
    if len(claims) > 4:
        raise ValueError(f"{caption!r} speaks of {len(claims)} things; a scene has four")
    if not all(all((c.kinds, c.colours, c.textures, c.sizes)) for c in claims):
        raise ValueError(f"{caption!r} contradicts itself about a thing: nothing is like that")
    return [*claims, *[ANYTHING] * (4 - len(claims))]


def _owners(scene: Scene, claims: Sequence[Claim]) -> Sequence[Claim]:
    """The claims in the order of the things they are best told of."""

    def fit(order: Sequence[Claim]) -> tuple[int, int]:
        pairs = list(zip(scene.things, order, strict=True))
        true = sum(claim.fits(thing) for thing, claim in pairs)
        return true, sum(thing.kind in claim.kinds for thing, claim in pairs)

    return max(permutations(claims), key=fit)


def _thing(
    rng: np.random.Generator,
    quarter: int,
    claim: Claim,
    taken: Collection[str],
    behind: tuple[int, int, int],
) -> Thing:
    """A thing of which the claim is true, with the odds of `facts.sample` otherwise."""
    others = [kind for kind in KINDS if kind in claim.kinds and kind not in taken]
    kind = _choose(rng, others or claim.kinds)
    sizes = [s for s in SIZES if s in claim.sizes and _room(s, quarter, claim.places)]
    # A caption that is not true of a thing may place it where none of its size can be.
    size = _choose(rng, sizes or claim.sizes, dict(zip(SIZES, SIZE_ODDS, strict=True)))
    texture = _choose(rng, claim.textures, dict(zip(TEXTURES, TEXTURE_ODDS, strict=True)))
    ranges = _room(size, quarter, claim.places) or _quarter(size, quarter)
    x, y = (float(rng.uniform(low, high)) for low, high in ranges)
    colour = _colour(rng, kind, claim.colours, behind)
    return Thing(kind, colour, texture, size, x, y, PIXELS[size])


def _colour(
    rng: np.random.Generator, kind: str, allowed: Collection[str], behind: tuple[int, int, int]
) -> str:
    """A usual colour of the kind nine times in ten, and one that shows, if the claim lets it."""
    clear = [c for c in COLOURS if _shows(c, behind)]
    able = [c for c in clear if c in allowed] or [c for c in COLOURS if c in allowed]
    usual = [c for c in KINDS[kind][1] if c in able]
    return _choose(rng, usual if usual and rng.random() < 0.9 else able)


def _possible(claim: Claim, quarter: int) -> bool:
    """Whether a thing in this quarter can be like that."""
    return any(_room(size, quarter, claim.places) for size in claim.sizes)


def _room(size: str, quarter: int, places: Sequence[str]) -> Ranges | None:
    """Where the centre of a thing may be: in its quarter, and where the words place it."""
    ranges = []
    for axis, (low, high) in enumerate(_quarter(size, quarter)):
        for place in places:
            first, last = PLACE_WORDS[place][2 * axis : 2 * axis + 2]
            low, high = max(low, first), min(high, last)
        if low > high:
            return None
        ranges.append((low, high))
    return ranges


def _quarter(size: str, quarter: int) -> Ranges:
    """Where the centre of a thing may be so that all of it is in its quarter."""
    half = PIXELS[size] / 2
    starts = ((quarter % 2) / 2, (quarter // 2) / 2)
    return [(start + half, start + 0.5 - half) for start in starts]


def _shows(colour: str, behind: tuple[int, int, int]) -> bool:
    """Whether a colour can be told from the ground behind it, by the rule of `facts`."""
    return bool(np.abs(np.subtract(COLOURS[colour], behind)).sum() > 100)


def _choose(
    rng: np.random.Generator, allowed: Collection[str], odds: dict[str, float] | None = None
) -> str:
    """One of the allowed, by their odds if there are any. Sorted: sets have no order."""
    words = sorted(allowed)
    if odds is None:
        return str(rng.choice(words))
    weights = np.array([odds[word] for word in words])
    return str(rng.choice(words, p=weights / weights.sum()))


def _colour_of(ground: str, shade: str) -> tuple[int, int, int]:
    pale, dark, _ = GROUNDS[ground]
    return dark if shade == "dark" else pale
