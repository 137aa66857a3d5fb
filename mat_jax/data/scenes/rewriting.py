"""A caption said in other words: another sentence of the same content."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mat_jax.data.scenes import lexicon
from mat_jax.data.scenes.grammar import LONGEST, SHORTEST, _sentence
from mat_jax.data.scenes.oracle import Claim, read

_TRIES = 50
_SINGULAR = {
    word: lexicon.NOUNS[word]
    for words in (*lexicon.KIND_WORDS.values(), *lexicon.FAMILY_WORDS.values())
    for word in words
}
_PLURAL = {lexicon.plural(word): kinds for word, kinds in _SINGULAR.items()}


class Content(NamedTuple):
    """What a caption says, whatever its words and their order: two are equal if they say the same.

    Its claims about things, each with how often it is made, and what it allows as ground and shade.
    """

    claims: frozenset[tuple[Claim, int]]
    grounds: frozenset[str]
    shades: frozenset[str]


def content(caption: str) -> Content:
    """What a caption of the world's language says.

    Raises:
        ValueError: it has no reading.
    """
    reading = read(caption)
    if reading is None:
        raise ValueError(
            f"{caption!r} is not of the world's language, so what it says is not known: take a "
            "caption of a scene, or partners from a file or a model"
        )
    claims = Counter(claim for claim in reading.claims)
    return Content(frozenset(claims.items()), reading.grounds, reading.shades)


def rewrite(caption: str, rng: np.random.Generator) -> str:
    """Another sentence of the world's grammar that says what the caption says, no more, no less.

    Things are named in another order, words become others of exactly the same meaning ("ship" for
    "boat", never "vehicle"), articles, links and openings are chosen anew, and the ground may come
    first or last. `content` of both is equal. A caption too bare to be varied is returned as it is.

    Raises:
        ValueError: the caption has no reading.
    """
    meant = content(caption)
    words = caption.lower().split()
    shortest, longest = min(SHORTEST, len(words)), max(LONGEST, len(words))
    phrases, grounds = _parse(words)
    for _ in range(_TRIES):
        articles = rng.random() < 0.6
        said = [_said(phrases[i], articles, rng) for i in rng.permutation(len(phrases))]
        place = [word for ground in grounds for word in _on(ground, articles, rng)]
        new = _sentence(said, place, rng)
        fits = shortest <= len(new) <= longest and new != words
        if fits and content(" ".join(new)) == meant:
            return " ".join(new)
    return caption


class _Phrase(NamedTuple):
    adjectives: list[str]
    noun: str
    places: list[str]


def _parse(words: list[str]) -> tuple[list[_Phrase], list[_Phrase]]:
    """Noun phrases of things and of grounds, as the oracle reads them."""
    things: list[_Phrase] = []
    grounds: list[_Phrase] = []
    waiting: list[str] = []
    for word in words:
        if word in lexicon.NOUNS:
            things.append(_Phrase(waiting, word, []))
            waiting = []
        elif word in lexicon.GROUND_WORDS:
            grounds.append(_Phrase(waiting, word, []))
            waiting = []
        elif word in lexicon.PLACE_WORDS:
            things[-1].places.append(word)
        elif word not in lexicon.SILENT:
            waiting.append(word)
    return things, grounds


def _said(phrase: _Phrase, articles: bool, rng: np.random.Generator) -> list[str]:
    tables = (lexicon.COLOUR_WORDS, lexicon.SIZE_WORDS, lexicon.TEXTURE_WORDS)
    words = [_same(word, tables, rng) for word in phrase.adjectives]
    words.append(_same(phrase.noun, (_SINGULAR, _PLURAL), rng))
    if articles and phrase.adjectives[:1] not in [[number] for number in lexicon.NUMBERS]:
        words = ["an" if words[0][0] in "aeiou" else "a", *words]
    for where in phrase.places:
        preposition = {"left": "on", "right": "on", "middle": "in"}.get(where, "at")
        words += [preposition, "the", where]
    return words


def _on(ground: _Phrase, articles: bool, rng: np.random.Generator) -> list[str]:
    noun = _same(ground.noun, (lexicon.GROUND_WORDS,), rng)
    shades = [_same(word, (lexicon.SHADE_WORDS,), rng) for word in ground.adjectives]
    preposition = {"sky": "in", "air": "in", "wall": "against", "bricks": "against"}.get(noun, "on")
    return [preposition, *(["the"] if articles else []), *shades, noun]


def _same(
    word: str, tables: tuple[Mapping[str, frozenset[str]], ...], rng: np.random.Generator
) -> str:
    """The word, or one that is true of exactly the same."""
    for table in tables:
        if word in table:
            return str(rng.choice([w for w, kinds in table.items() if kinds == table[word]]))
    return word
