"""EDA's four operations, by what the paper says of each."""

from collections import Counter

import numpy as np
import pytest

from mat_jax.augment.eda import OPERATIONS, edited
from mat_jax.augment.synonyms import of_the_world
from mat_jax.data.scenes import is_true, make
from mat_jax.evaluate.language import distance

CAPTION = "a brown dog and a small cat chase one red ball over the wet green grass today again"
WORDS = CAPTION.split()
TABLE = {"dog": ["hound", "puppy"], "cat": ["kitten"], "ball": ["sphere"], "and": ["plus"]}
OPTIONS = [TABLE.get(word, []) for word in WORDS]
NEW = {word for own in TABLE.values() for word in own}


def versions(operation, alpha, count=200, caption=CAPTION, options=OPTIONS):
    rngs = (np.random.default_rng(seed) for seed in range(count))
    return [edited(caption, options, r, alpha=alpha, operation=operation).split() for r in rngs]


@pytest.mark.parametrize(("alpha", "times"), [(0.01, 1), (0.1, 1), (0.12, 2), (0.3, 3)])
def test_replacement(alpha, times):
    """n = max(1, alpha l) of the words that have synonyms; three have one, "and" says nothing."""
    found = versions("replacement", alpha)
    for words in found:
        changed = [(a, b) for a, b in zip(WORDS, words, strict=True) if a != b]
        assert len(changed) == times and all(b in TABLE[a] for a, b in changed)
    assert {word for words in found for word in words} - set(WORDS) == NEW - {"plus"}


@pytest.mark.parametrize(("alpha", "times"), [(0.1, 1), (0.3, 5)])
def test_insertion(alpha, times):
    assert times == max(1, int(alpha * len(WORDS)))
    places = set()
    for words in versions("insertion", alpha):
        extra = Counter(map(str, words)) - Counter(map(str, WORDS))
        assert extra.total() == times and set(extra) <= NEW - {"plus"}
        assert [word for word in words if word not in NEW] == WORDS
        places |= {place for place, word in enumerate(words) if word in NEW}
    assert {0, len(WORDS)} <= places


@pytest.mark.parametrize(("alpha", "most"), [(0.1, 2), (0.3, 10)])
def test_swap(alpha, most):
    found = versions("swap", alpha)
    for words in found:
        assert Counter(words) == Counter(WORDS)
        assert sum(a != b for a, b in zip(WORDS, words, strict=True)) <= most
    assert len({tuple(words) for words in found}) > 60


def test_deletion():
    found = versions("deletion", 0.25, count=400)
    assert all(distance(words, WORDS) == len(WORDS) - len(words) for words in found)
    # 400 captions of 17 words: the share has a standard deviation of 0.0053.
    assert abs(1 - np.mean([len(words) for words in found]) / len(WORDS) - 0.25) < 0.02
    assert {len(words) for words in versions("deletion", 1.0)} == {1}


def test_each_operation_is_drawn_equally_often():
    lengths = Counter(np.sign(len(words) - len(WORDS)) for words in versions(None, 0.6, 800))
    assert abs(lengths[1] / 800 - 0.25) < 0.06 and abs(lengths[-1] / 800 - 0.25) < 0.06


def test_a_caption_of_one_word_without_synonyms_stays():
    for operation in OPERATIONS:
        assert versions(operation, 0.5, 5, "zebra", [[]]) == [["zebra"]] * 5


@pytest.mark.parametrize("operation", [None, *OPERATIONS])
def test_no_share_of_the_words_is_none(operation):
    assert all(words == list(WORDS) for words in versions(operation, 0.0, 20))


def test_in_scenes_replaced_words_leave_captions_true():
    changed = kept = true = 0
    for number in range(25):
        scene, texts = make("val", number)
        for text, options in zip(texts, of_the_world(texts), strict=True):
            rng = np.random.default_rng(number)
            new = edited(text, options, rng, alpha=0.3, operation="replacement")
            changed += new != text
            true += is_true(text, scene)
            kept += is_true(text, scene) and is_true(new, scene)
    assert changed == 125 and kept == true > 80


def test_mistakes_are_one_sentence():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="alpha=2.0 is no share of the words; choose 0 to 1"):
        edited(CAPTION, OPTIONS, rng, alpha=2.0)
    with pytest.raises(ValueError, match="EDA has no 'shuffle'; choose one of replacement"):
        edited(CAPTION, OPTIONS, rng, operation="shuffle")
