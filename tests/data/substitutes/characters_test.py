"""The table of character edits holds every caption at Levenshtein distance 1, and no other."""

import numpy as np
import pytest

from mat_jax.data.clean import clean_caption
from mat_jax.data.substitutes.characters import CHARACTERS, build_characters
from mat_jax.types.arrays import Tokens
from mat_jax.types.text_format import TextFormat


class Letters:
    """A tokenizer for which every character is a token."""

    text_format = TextFormat(1, 2, 0, 40)

    def __call__(self, captions, /, *, clean=None) -> Tokens:
        raise NotImplementedError("a table is built of words")

    def parts(self, word):
        return [10 + ord(letter) for letter in word]


def every_edit(table, row):
    """All captions that a row of the table can become."""
    found = {}
    for slot, places in enumerate(table.places[row]):
        for place, edits in enumerate(places):
            for character in range(len(CHARACTERS)):
                if edits >= 0 and table.edits[edits, character] >= 0:
                    choice = np.full(table.captions.shape[1], -1)
                    choice[slot] = place * len(CHARACTERS) + character
                    found[slot, place, character] = table.caption(row, choice)
    return found


def neighbours(text):
    """Every other cleaned caption one insertion, deletion or replacement away, word by word."""
    letters = [one for one in CHARACTERS if one]
    edits = {text[:i] + text[i + 1 :] for i in range(len(text))}
    for letter in letters:
        edits |= {text[:i] + letter + text[i:] for i in range(len(text) + 1)}
        edits |= {text[:i] + letter + text[i + 1 :] for i in range(len(text))}
    return {clean_caption(edit) for edit in edits} - {text}


def test_all_neighbours_are_there_and_nothing_else():
    text = "red dog in fog"
    table = build_characters(["Red dog, in fog!"], Letters(), positions=None)
    assert set(every_edit(table, 0).values()) == neighbours(text)
    assert "reddog in fog" in neighbours(text) and "r ed dog in fog" in neighbours(text)


def test_a_word_of_one_letter_cannot_vanish():
    table = build_characters(["a cat"], Letters(), positions=None)
    missing = neighbours("a cat") - set(every_edit(table, 0).values())
    assert missing == {"cat"}


def test_the_first_edit_of_a_place_is_the_space_that_tries_it_out():
    table = build_characters(["red dog"], Letters(), positions=None)
    edits = every_edit(table, 0)
    tests = {edit for (_, _, character), edit in edits.items() if character == 0}
    assert tests == {
        "r ed dog", "re d dog", "ed dog", "r d dog", "re dog", "reddog",
        "red d og", "red do g", "red og", "red d g", "red do",
    }  # fmt: skip


def test_ids_are_those_of_the_edited_caption():
    table = build_characters(["red dog"], Letters(), positions=None)
    words = table.take(np.array([0, -1]))
    for (slot, place, character), caption in every_edit(table, 0).items():
        edit = place * len(CHARACTERS) + character
        size = words.substitute_lengths[0, slot, edit]
        ids = words.substitutes[0, slot, edit, :size].tolist()
        others = [] if slot or not place else [10 + ord(one) for one in "dog"]
        before = [10 + ord(one) for one in "red"] if slot else []
        expected = [i for word in caption.split() for i in Letters().parts(word)]
        assert before + ids + others == expected
    assert not words.lengths[1].any() and not words.substitute_lengths[1].any()


def test_positions_are_drawn_from_the_text_alone():
    texts = ["two brown dogs run", "a striped cat sleeps here"]
    table = build_characters(texts, Letters(), positions=5)
    assert ((table.places >= 0).sum((1, 2)) == 5).all()
    other = build_characters(texts[::-1], Letters(), positions=5)
    assert set(every_edit(table, 0).values()) == set(every_edit(other, 1).values())
    again = build_characters(texts, Letters(), positions=5, seed=1)
    assert set(every_edit(table, 0).values()) != set(every_edit(again, 0).values())


def test_no_known_word_comes_in():
    known = {"cat", "bat", "car", "at"}
    table = build_characters(["cat qqq"], Letters(), positions=None, known=known)
    edits = set(every_edit(table, 0).values())
    assert "czt qqq" in edits and "catqqq" in edits
    for refused in ("bat qqq", "car qqq", "at qqq", "cat qqz", "c at qqq"):
        assert refused not in edits


@pytest.mark.parametrize(
    ("captions", "positions", "says"),
    [([], 5, "must hold a word"), (["..."], 5, "must hold a word"), (["a"], 0, "positions 0")],
)
def test_mistakes_are_one_sentence(captions, positions, says):
    with pytest.raises(ValueError, match=says):
        build_characters(captions, Letters(), positions=positions)
