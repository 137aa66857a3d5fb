"""A rewritten caption says the same, in other words and in the world's grammar."""

import numpy as np
import pytest

from mat_jax.data.scenes import content, is_true, make, rewrite
from mat_jax.data.scenes.grammar import LONGEST, SHORTEST

PAIRS = [(scene, text) for scene, texts in (make("val", i) for i in range(12)) for text in texts]


def test_a_rewrite_is_true_of_the_same_scenes():
    others = [scene for scene, _ in PAIRS[::5]]
    for number, (scene, text) in enumerate(PAIRS):
        new = rewrite(text, np.random.default_rng(number))
        assert new != text and SHORTEST <= len(new.split()) <= LONGEST
        assert content(new) == content(text)
        for other in (scene, *others[:5]):
            assert is_true(new, other) == is_true(text, other)


def test_what_is_written_follows_from_the_generator():
    text = PAIRS[0][1]
    new = [rewrite(text, np.random.default_rng(seed)) for seed in range(12)]
    assert new == [rewrite(text, np.random.default_rng(seed)) for seed in range(12)]
    assert len(set(new)) > 8


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a red boat and a tiny cat on the sand", "on beach small cat near scarlet ship", True),
        ("a red boat and a tiny cat on the sand", "a tiny boat and a red cat on the sand", False),
        ("a red boat", "a red vehicle", False),
        ("a red boat", "a red boat on the ground", False),
        ("a cat at the top", "a cat", False),
        ("a cat and a cat", "a cat", False),
    ],
)
def test_content_is_what_is_said(one, other, same):
    assert (content(one) == content(other)) is same


def test_other_languages_are_refused():
    with pytest.raises(ValueError, match="'two dogs run' is not of the world's language"):
        rewrite("two dogs run", np.random.default_rng(0))
