"""Synonyms by the world's lexicon, from files, and from a masked language model."""

import json

import pytest

from mat_jax.augment.synonyms import from_file, from_model, of_the_world
from mat_jax.data.substitutes.proposals import propose
from mat_jax.models import load


def test_the_world_knows_what_a_word_stands_before():
    (found,) = of_the_world(["a dark cat and two boats on dark sand at the left"])
    names = "a dark cat and two boats on dark2 sand at the left".split()
    options = dict(zip(names, found, strict=True))
    # A dark cat is of four colours, which only words of more colours cover.
    assert options["dark"] == [] and options["dark2"] == ["dim", "deep", "soft"]
    assert set(options["cat"]) >= {"kitten", "kitty", "animal", "creature"}
    assert "ships" in options["boats"] and "ship" not in options["boats"]
    assert options["sand"] == ["beach", "ground"]
    assert not any(options[word] for word in ("a", "and", "two", "on", "at", "the", "left"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("words.json", json.dumps({"Dog": ["hound", "puppy"], "the": ["a"]})),
        ("words.txt", "Dog hound, puppy\n\nthe a\n"),
    ],
)
def test_a_file_of_words(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    options = from_file(tmp_path / name)
    assert options(["the dog runs", "dog"]) == [[[], ["hound", "puppy"], []], [["hound", "puppy"]]]


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("x.txt", None, FileNotFoundError, "no file of synonyms"),
        ("x.txt", "dog\ncat\n", ValueError, "holds no synonym"),
        ("x.json", "{", ValueError, "is not valid JSON"),
        ("x.json", '{"dog": "hound"}', ValueError, "is not of the form"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, name, text, error, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(error, match=message):
        from_file(tmp_path / name)


def test_a_language_model_proposes(tmp_path, monkeypatch):
    monkeypatch.setenv("MAT_JAX_CACHE", str(tmp_path))
    captions = ["a red apple and a blue boat on sand", "a green tree", "a green tree"]
    found = from_model("scenes-bert", candidates=4)(captions)
    expected = propose(captions[:2], *load("scenes-bert"), candidates=4, alignment="fixed")
    assert found == [expected[0], expected[1], expected[1]]
    assert found[0][1] and "red" not in found[0][1]
    with pytest.raises(ValueError, match="scenes-clip"):
        from_model("scenes-clip")
