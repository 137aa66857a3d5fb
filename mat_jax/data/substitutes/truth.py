"""What is true of a picture, where the data knows."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from mat_jax.data.clean import clean_caption
from mat_jax.types.sources import HasOracle

# `keep([(caption, word, substitute), ...])`: may that word of that caption become that?
Keep = Callable[[Sequence[tuple[int, int, str]]], Sequence[bool]]


def truthful(corpus: Any) -> Keep | None:
    """`keep([(row, w, substitute), ...])`: is caption `row` with this word changed still true?

    Captions are counted as in `corpus.caption_list`, words as in the cleaned caption. None where
    the source has no `oracle(i)`: the embedded world knows its pictures, photographs do not.
    Substitutes are judged one at a time; with a budget of two words or more, two that are true
    alone may contradict the picture together.
    """
    if not isinstance(corpus.source, HasOracle):
        return None
    words = [clean_caption(text).split() for text in corpus.caption_list]
    owner = np.repeat(np.arange(len(corpus)), [len(texts) for texts in corpus.texts])
    ask = lru_cache(maxsize=1)(corpus.source.oracle)  # tables are built caption by caption

    def keep(asked: Sequence[tuple[int, int, str]]) -> list[bool]:
        kept = []
        for row, word, substitute in asked:
            edited = [*words[row][:word], substitute, *words[row][word + 1 :]]
            kept.append(ask(int(owner[row]))(" ".join(edited)))
        return kept

    return keep
