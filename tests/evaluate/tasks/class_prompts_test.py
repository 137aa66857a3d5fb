"""Prompts, class weights and places, by hand and by counting."""

import json

import numpy as np
import pytest

from mat_jax.evaluate.tasks.class_prompts import class_weights, places_of, prompts_of, read_list


def test_prompts_stand_class_by_class():
    templates = ("a photo of a {}.", "art of the {c}", lambda name: f"{name}?")
    assert prompts_of(("cat", "dog"), templates) == [
        *("a photo of a cat.", "art of the cat", "cat?"),
        *("a photo of a dog.", "art of the dog", "dog?"),
    ]


def test_a_template_needs_a_place_for_the_class():
    with pytest.raises(ValueError, match="'a photo' has no place for the class"):
        prompts_of(("cat",), ("a photo",))


def test_a_class_is_the_direction_of_its_mean_prompt():
    """Two prompts at right angles: the class lies at 45 degrees between them."""
    units = np.array([[1, 0], [0, 1], [0, 1], [0, 1]], float)
    np.testing.assert_allclose(class_weights(units, 2), [[0.5**0.5, 0.5**0.5], [0, 1]])


def test_places_are_those_of_a_count(labels=(0, 2, 1, 1)):
    logits = np.array([[3, 2, 1], [3, 2, 1], [1, 1, 0], [0, np.nan, 1]])
    # The tie of the third stands against the model; what is no number comes last.
    assert places_of(logits, np.array(labels), tie=0.0).tolist() == [1, 3, 2, 3]


def test_a_tie_within_the_tolerance_stands_against_the_model():
    logits = np.array([[1.0, 1.0 - 1e-7]])
    assert places_of(logits, np.array([0]), tie=1e-6).tolist() == [2]
    assert places_of(logits, np.array([0]), tie=0.0).tolist() == [1]


@pytest.mark.parametrize("content", ['{"a": 1}', "[]", "[1]", "not json"])
def test_a_list_of_texts_or_a_sentence(tmp_path, content):
    file = tmp_path / "names.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"names\.json"):
        read_list(file, "class names")
    file.write_text(json.dumps(["cat", "dog"]))
    assert read_list(file, "class names") == ("cat", "dog")
