"""Words changed, error rate, truth: counted by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from mat_jax.data import SentenceEncoder
from mat_jax.evaluate.language import distance, language_of

CLEAN = ["a red ball", "one ball", "two big blue dogs"]
ATTACKED = ["a blue ball", "one ball", "two bigblue dogs"]


class Judge(SentenceEncoder):
    def __init__(self):
        pass

    def cosines(self, ones, others):
        return np.array([0.5, 1.0, 0.0])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("flaw", "lawn", 2), ("x", "x", 0)],
)
def test_distance_is_levenshteins(one, other, expected):
    assert distance(one, other) == expected


def test_figures_counted_by_hand():
    asked = []

    def oracle(index):
        return lambda text: not asked.append((index, text)) and "blue" not in text

    corpus = SimpleNamespace(
        source=SimpleNamespace(oracle=oracle), texts=(tuple(CLEAN[:2]), tuple(CLEAN[2:]))
    )
    found = language_of(corpus, CLEAN, ATTACKED, Judge())
    assert found["words_changed"] == pytest.approx(1)  # 1, 0, and 2: one merged, one gone
    assert found["word_error_rate"] == pytest.approx((1 / 3 + 0 + 2 / 4) / 3)
    assert found["similarity"] == pytest.approx(0.5)
    assert found["true"] == pytest.approx(1 / 3)
    assert asked == [(0, ATTACKED[0]), (0, ATTACKED[1]), (1, ATTACKED[2])]


def test_photographs_know_neither_truth_nor_likeness():
    corpus = SimpleNamespace(source=SimpleNamespace(), texts=(tuple(CLEAN),))
    assert set(language_of(corpus, CLEAN, CLEAN)) == {"words_changed", "word_error_rate"}
