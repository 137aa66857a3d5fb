"""VQA accuracy against the leave-one-out mean counted out, and its normalisation by hand."""

import itertools

import pytest

from mat_jax.evaluate.answer_accuracy import CONTRACTIONS, normalised, vqa_accuracy


@pytest.mark.parametrize(
    ("same", "expected"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (9, 1), (10, 1)]
)
def test_the_published_steps(same, expected):
    """Antol et al.: an answer is wholly right if three people gave it; averaged 10 choose 9."""
    people = ["red"] * same + [f"other {n}" for n in range(10 - same)]
    assert vqa_accuracy("red", people) == pytest.approx(expected)


@pytest.mark.parametrize("count", [4, 7, 10])
def test_the_mean_over_all_subsets(count):
    """Subsets are taken one by one."""
    for people in itertools.product(["x", "y"], repeat=count):
        subsets = [people[:i] + people[i + 1 :] for i in range(count)]
        expected = sum(min(1, subset.count("x") / 3) for subset in subsets) / count
        assert vqa_accuracy("x", people) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Two", "2"),
        ("none", "0"),
        ("the man", "man"),
        ("An apple, a pear", "apple pear"),
        ("t-shirt", "t shirt"),  # no space beside the hyphen: it becomes one
        ("black - white", "black white"),
        ("1,000", "1000"),  # a comma within a number goes
        ("red/blue", "red blue"),
        ("red?", "red"),
        ("2.5", "2.5"),  # a period before a digit stays
        ("mr. smith.", "mr smith"),
        ("dont", "don't"),
        ("couldntve", "couldntve"),  # two apostrophes short: not of the list
        ("couldn'tve", "couldn't've"),
        ("its", "its"),  # not of the list either
        ("\n yes\t", "yes"),
    ],
)
def test_normalisation_by_hand(answer, expected):
    assert normalised(answer) == expected


def test_normalising_again_changes_nothing_that_is_plain():
    for text in ("2 dogs", "don't", "t shirt", "yes", ""):
        assert normalised(text) == text


def test_contractions_lack_one_apostrophe():
    exceptions = {"somebody'd"}
    for lacking, word in CONTRACTIONS.items():
        if lacking not in exceptions:
            assert lacking.replace("'", "") == word.replace("'", "")
            assert lacking.count("'") == word.count("'") - 1


def test_nothing_is_normalised_where_all_say_the_same():
    assert vqa_accuracy("two", ["2"] * 10) == 0
    assert vqa_accuracy("two", ["2"] * 9 + ["3"]) == 1
    assert vqa_accuracy("the cat", ["a cat"] * 9 + ["dog"]) == 1


def test_too_few_people_are_refused():
    with pytest.raises(ValueError, match="needs 4 people's answers or more, .* and got 3"):
        vqa_accuracy("yes", ["yes"] * 3)
