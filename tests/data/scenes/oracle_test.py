"""The oracle: each case is decided by reading the facts, not by running the code."""

import numpy as np
import pytest

from mat_jax.data.scenes import Scene, Thing, is_true, make
from mat_jax.data.scenes.facts import COLOURS, GROUNDS, KINDS
from mat_jax.data.scenes.grammar import LONGEST, SHORTEST, caption
from mat_jax.data.scenes.lexicon import COLOUR_WORDS, NOUNS
from mat_jax.data.scenes.oracle import agreement, read

SCENE = Scene(
    ground="sand",
    shade="dark",
    things=(
        Thing("cat", "black", "striped", "large", 0.25, 0.25, 0.4),
        Thing("boat", "red", "plain", "small", 0.75, 0.75, 0.25),
        Thing("car", "teal", "spotted", "medium", 0.75, 0.25, 0.3),
    ),
    seed=0,
)


@pytest.mark.parametrize(
    "text",
    [
        "a black cat and a red ship on the dark sand",
        "large striped cat near small boat",
        "two vehicles and an animal on the beach",
        "three things on the ground",
        "greenish car",
        "bluish auto with a dark creature",
        "a cat at the top and a boat at the bottom on the right",
        "in the picture we see a patterned cat and a dotted car",
    ],
)
def test_true(text):
    assert is_true(text, SCENE)


@pytest.mark.parametrize(
    "text",
    [
        "a white cat and a red boat",  # colour
        "a black dog on the sand",  # not a word of the world
        "a black bird on the sand",  # kind
        "two cats",  # there is one
        "three vehicles",  # there are two
        "a cat and a kitten",  # each phrase needs a thing of its own
        "a boat on the grass",  # ground
        "a boat on the pale sand",  # shade
        "a tiny cat",  # size
        "a spotted cat",  # texture
        "a cat on the right",  # place
        "four things",  # number
        "a red",  # no noun: no reading
        "at the top a cat",  # a place before any noun: no reading
    ],
)
def test_not_true(text):
    assert not is_true(text, SCENE)


def test_claims_find_things_by_exchange():
    """A vague claim must give way: "thing" first takes the cat, which "creature" needs."""
    assert is_true("a thing a thing and a creature", SCENE)


@pytest.mark.parametrize("index", range(0, 200, 5))
def test_a_careful_writer_is_always_right(index):
    scene, _ = make("val", index)
    rng = np.random.default_rng(index)
    for _ in range(5):
        text = caption(scene, rng, wrong=0.0)
        assert is_true(text, scene), text
        assert SHORTEST <= len(text.split()) <= LONGEST


def test_most_captions_are_true_and_all_can_be_read():
    true = []
    for index in range(200):
        scene, texts = make("val", index)
        assert all(read(text) is not None for text in texts)
        true += [is_true(text, scene) for text in texts]
    # A writer errs in 2 % of some eight colours and kinds: about one caption in eight is wrong.
    assert 0.82 < np.mean(true) < 0.95


def test_a_caption_of_another_scene_is_rarely_true():
    scenes = [make("val", index) for index in range(60)]
    crossed = [
        is_true(texts[0], other)
        for i, (_, texts) in enumerate(scenes)
        for j, (other, _) in enumerate(scenes)
        if i != j
    ]
    assert np.mean(crossed) < 0.001


def test_words_are_vague_and_overlap():
    assert COLOUR_WORDS["greenish"] & COLOUR_WORDS["bluish"] == {"teal"}
    assert NOUNS["vehicle"] > NOUNS["ship"] == {"boat"}
    assert NOUNS["thing"] == NOUNS["things"] == frozenset(KINDS)
    assert len(COLOURS) * len(KINDS) * len(GROUNDS) > 4_000


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a cat a boat and a car", 1.0),
        ("three things on the grass", 1.0),  # the ground does not count
        ("a black cat and a red boat", 2 * 2 / (2 + 3)),
        ("a black cat and a black cat", 2 * 1 / (2 + 3)),  # each claim needs a thing of its own
        ("two cats", 2 * 1 / (2 + 3)),
        ("a vehicle a red vehicle and a bird", 2 * 2 / (3 + 3)),  # the first gives way
        ("a bird", 0.0),
        ("at the top a cat", 0.0),  # no reading
    ],
)
def test_agreement_is_the_f_score_of_claims(text, share):
    assert agreement(text, SCENE) == pytest.approx(share)
