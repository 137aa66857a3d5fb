"""Phrases name one object each, and the oracle knows whether an edited one still does."""

import numpy as np
import pytest

from mat_jax import data
from mat_jax.data.scenes import Scene, Scenes, Thing
from mat_jax.data.scenes.builder import SceneExample
from mat_jax.data.scenes.phrases import Phrases, phrase

THINGS = (
    Thing("cat", "grey", "plain", "small", 0.25, 0.25, 0.3),
    Thing("bird", "orange", "striped", "small", 0.75, 0.25, 0.3),
    Thing("ball", "red", "plain", "small", 0.25, 0.75, 0.3),
    Thing("star", "yellow", "spotted", "large", 0.75, 0.75, 0.4),
)


class Two(Scenes):
    """Two scenes, one object a quarter."""

    def __init__(self):
        super().__init__("made-up", None, 2)

    def __getitem__(self, index):
        scene = Scene("grass", "pale", THINGS if index == 0 else THINGS[::-1], index)
        return SceneExample(np.zeros((4, 4, 3), np.uint8), (), index, scene)


@pytest.fixture
def phrases():
    return Phrases(Two())


def test_every_object_has_a_phrase_and_a_box(phrases):
    assert len(phrases) == 8 and phrases.name == "scenes/made-up/phrases"
    told = [phrases.captions(i) for i in range(4)]
    assert told == [("a grey cat",), ("a striped orange bird",), ("a red ball",)] + [
        ("a spotted yellow star",)
    ]
    assert [phrases.target(i) for i in range(8)] == [0, 1, 2, 3] * 2
    assert [phrases.picture(i) for i in range(8)] == [0] * 4 + [1] * 4
    np.testing.assert_allclose(phrases.boxes(0)[0], [0.1, 0.1, 0.3, 0.3], rtol=1e-6)
    np.testing.assert_array_equal(phrases.boxes(4), phrases.boxes(0)[::-1])


def test_an_article_fits_its_word():
    assert phrase(Thing("cat", "orange", "plain", "small", 0.2, 0.2, 0.3)) == "an orange cat"


def test_an_edited_phrase_must_name_the_object_and_no_other(phrases):
    means = phrases.oracle(0)
    assert means("a grey cat") and means("a grey kitten") == means("a small kitten")
    assert not means("a grey dog")  # another kind
    assert not means("a yellow cat")  # another colour
    assert not means("a grey animal and a cat") and not means("a grey")
    # Of the cat and the bird, which are both animals, the colour decides.
    assert means("a grey animal") and not means("an animal")
    assert not means("two grey cat")


def test_scenes_name_themselves():
    source = Phrases(data.load_scenes("val", limit=3))
    for i in range(len(source)):
        example = source[i]
        assert example.captions == source.captions(i) and source.oracle(i)(example.captions[0])
        assert 0 <= source.boxes(i).min() and (source.boxes(i)[:, :2] < 1).all()
    assert len({source[i].image_id for i in range(len(source))}) == len(source) == 12
