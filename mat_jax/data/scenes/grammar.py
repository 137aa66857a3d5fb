"""Captions of scenes: 8 to 18 words, as different people might write them."""

from collections.abc import Sequence

import numpy as np

from mat_jax.data.scenes import lexicon
from mat_jax.data.scenes.facts import COLOURS, GROUNDS, KINDS, Scene, Thing

SHORTEST, LONGEST = 8, 18  # words
_WRONG = 0.02  # share of colours and kinds that a writer gets wrong


def captions(scene: Scene, rng: np.random.Generator, count: int = 5) -> tuple[str, ...]:
    """`count` captions of a scene, each from a writer of its own."""
    return tuple(caption(scene, rng) for _ in range(count))


def caption(scene: Scene, rng: np.random.Generator, *, wrong: float = _WRONG) -> str:
    """One caption.

    A writer mentions the large objects first, leaves some out, is exact or vague about each, and
    seldom mistakes a colour or a kind for a similar one.

    Args:
        scene: what to describe.
        rng: the writer.
        wrong: share of colours and kinds that are mistaken, in [0, 1].
    """
    while len(words := _write(scene, rng, wrong)) < SHORTEST:
        pass  # too short a note for a caption: think again
    return " ".join(words)


def _write(scene: Scene, rng: np.random.Generator, wrong: float) -> list[str]:
    articles = rng.random() < 0.6
    weight = np.array([t.side for t in scene.things]) + rng.gumbel(0, 0.12, len(scene.things))
    told = len(scene.things) - int(rng.random() < 0.12)
    order = np.argsort(-weight)[:told]
    if rng.random() < 0.5:
        order = rng.permutation(order)
    phrases = [_phrase(scene.things[i], rng, articles, wrong) for i in order]
    place = _ground(scene, rng, articles)
    words = _sentence(phrases, place, rng)
    while len(words) > LONGEST:  # a long-winded writer drops the last thing's details
        longest = max(range(len(phrases)), key=lambda i: len(phrases[i]))
        phrases[longest] = _shorten(phrases[longest])
        words = _sentence(phrases, place, rng)
    return words


def _phrase(thing: Thing, rng: np.random.Generator, articles: bool, wrong: float) -> list[str]:
    kind, colour = thing.kind, thing.colour
    if rng.random() < wrong:
        siblings = [k for k, (family, _) in KINDS.items() if family == KINDS[kind][0] and k != kind]
        kind = str(rng.choice(siblings))
    if rng.random() < wrong:
        colour = _similar(colour, rng)
    draw = rng.random()
    if draw < 0.8:
        noun = kind
    elif draw < 0.94:
        noun = str(rng.choice(lexicon.KIND_WORDS[kind]))
    else:
        noun = str(rng.choice(lexicon.FAMILY_WORDS[KINDS[kind][0]]))
    adjectives = []
    if rng.random() < 0.22:
        adjectives.append(str(rng.choice(lexicon.SIZE_OF[thing.size])))
    if rng.random() < (0.55 if thing.texture != "plain" else 0.04):
        fitting = [w for w, t in lexicon.TEXTURE_WORDS.items() if thing.texture in t]
        adjectives.append(str(rng.choice(fitting)))
    if rng.random() < 0.74:
        exact = rng.random() < 0.7
        fitting = [w for w, c in lexicon.COLOUR_WORDS.items() if colour in c]
        adjectives.append(colour if exact else str(rng.choice(fitting)))
    words = [*adjectives, noun]
    if articles:
        words = ["an" if words[0][0] in "aeiou" else "a", *words]
    if rng.random() < 0.1:
        fitting = [w for w in lexicon.PLACE_WORDS if true_place(thing, w)]
        where = str(rng.choice(fitting))
        words += [
            {"left": "on", "right": "on"}.get(where, "in" if where == "middle" else "at"),
            "the",
            where,
        ]
    return words


def true_place(thing: Thing, word: str) -> bool:
    """Whether a thing's centre lies where a place word says."""
    x0, x1, y0, y1 = lexicon.PLACE_WORDS[word]
    return x0 <= thing.x <= x1 and y0 <= thing.y <= y1


def _similar(colour: str, rng: np.random.Generator) -> str:
    """One of the two colours nearest in RGB."""
    rest = [c for c in COLOURS if c != colour]
    near = sorted(
        rest,
        key=lambda c: sum((a - b) ** 2 for a, b in zip(COLOURS[c], COLOURS[colour], strict=True)),
    )
    return str(rng.choice(near[:2]))


def _ground(scene: Scene, rng: np.random.Generator, articles: bool) -> list[str]:
    if rng.random() < 0.08:
        return []
    fitting = [w for w, g in lexicon.GROUND_WORDS.items() if scene.ground in g]
    noun = scene.ground if rng.random() < 0.75 else str(rng.choice(fitting))
    words = [noun]
    if rng.random() < 0.4:
        shade = [w for w, s in lexicon.SHADE_WORDS.items() if scene.shade in s]
        words = [str(rng.choice(shade)), noun]
    preposition = {"sky": "in", "air": "in", "wall": "against", "bricks": "against"}.get(noun, "on")
    preposition = "over" if rng.random() < 0.1 else preposition
    return [preposition, "the", *words] if articles else [preposition, *words]


def _sentence(
    phrases: Sequence[list[str]], place: list[str], rng: np.random.Generator
) -> list[str]:
    """Join noun phrases; the ground stands first, last, or is left out."""
    words: list[str] = []
    for i, phrase in enumerate(phrases):
        if i == len(phrases) - 1 and i:
            words.append("and")
        elif i:
            link = str(
                rng.choice(["", "near", "beside", "with", "by"], p=[0.56, 0.14, 0.1, 0.12, 0.08])
            )
            words += [link] if link else []
        words += phrase
    draw = rng.random()
    if draw < 0.2 and place:
        return [*place, "there", "are", *words] if draw < 0.1 else [*place, *words]
    opening: list[str] = []
    if draw > 0.85:
        opening = [
            str(w) for w in rng.choice(["picture of", "scene with", "we see", "there is"]).split()
        ]
    return [*opening, *words, *place]


def _shorten(phrase: list[str]) -> list[str]:
    """Drop a place, else an article, else the first adjective."""
    if "the" in phrase:
        return phrase[: phrase.index("the") - 1]
    return phrase[1:]


assert set(GROUNDS) <= set(lexicon.GROUND_WORDS)
