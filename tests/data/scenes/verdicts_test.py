"""Verdicts under a cover, against every completion of what is hidden."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest

from mat_jax import data
from mat_jax.data.scenes import Scene, Thing, is_true
from mat_jax.data.scenes.facts import COLOURS, KINDS, PIXELS, SIZES, TEXTURES
from mat_jax.data.scenes.oracle import verdict
from mat_jax.data.scenes.verdicts import COVER, covered
from mat_jax.types.sources import VERDICTS, HasVerdicts

CONTRADICTION, NEUTRAL, ENTAILMENT = range(3)
SCENE = Scene(
    ground="sand",
    shade="dark",
    things=(
        Thing("cat", "black", "striped", "large", 0.25, 0.25, 0.45),
        Thing("car", "teal", "plain", "small", 0.75, 0.25, 0.3),
        Thing("boat", "red", "plain", "small", 0.25, 0.75, 0.3),
        Thing("tree", "green", "spotted", "medium", 0.75, 0.75, 0.37),
    ),
    seed=0,
)
HIDDEN = 3  # the tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a black cat at the top on the left", ENTAILMENT),
        ("a striped kitten", ENTAILMENT),
        ("a white cat at the top on the left", CONTRADICTION),
        ("a cat on the right", CONTRADICTION),  # the cat is seen, and no kind comes twice
        ("a green tree at the bottom on the right", NEUTRAL),  # it is so, but is not seen
        ("a blue bird at the bottom on the right", NEUTRAL),
        ("a blue bird", NEUTRAL),
        ("a blue bird at the top", CONTRADICTION),  # all of the top is seen
        ("a plant and a bird", CONTRADICTION),  # one thing is hidden, not two
        ("a plant and a boat", NEUTRAL),
        ("a thing at the bottom on the right", ENTAILMENT),  # whatever it is
        ("four things", ENTAILMENT),
        ("five things", CONTRADICTION),
        ("two vehicles on the grass", CONTRADICTION),  # the ground is seen
        ("a boat in the middle", CONTRADICTION),
        ("a bird in the middle", NEUTRAL),
    ],
)
def test_a_sentence_is_judged_by_what_is_seen(text, expected):
    assert verdict(text, SCENE, HIDDEN) == expected
    assert verdict("a red", SCENE, HIDDEN) is None  # no noun: no reading


def completions(scene, hidden, rng):
    """Scenes that look the same: any kind and colour behind the cover."""
    seen = {thing.kind for quarter, thing in enumerate(scene.things) if quarter != hidden}
    kinds = [kind for kind in KINDS if kind not in seen]
    corner = np.array([hidden % 2, hidden // 2]) / 2
    for kind, colour in itertools.product(kinds, COLOURS):
        size = str(rng.choice(SIZES))
        room = rng.uniform(PIXELS[size] / 2, 0.5 - PIXELS[size] / 2, 2)
        x, y = map(float, corner + room)
        thing = Thing(kind, colour, str(rng.choice(TEXTURES)), size, x, y, PIXELS[size])
        things = tuple(thing if n == hidden else old for n, old in enumerate(scene.things))
        yield dataclasses.replace(scene, things=things)


def test_it_is_what_all_completions_agree_on():
    """True in all: it follows. False in all: contradicted. Else open."""
    source = data.Verdicts(data.load_scenes("val", limit=8))
    rng = np.random.default_rng(0)
    for index in range(len(source)):
        example = source.scenes[source.picture(index)]
        hidden = source._drawn(example.image_id)[1]
        (text,) = source.captions(index)
        truths = {is_true(text, scene) for scene in completions(example.scene, hidden, rng)}
        sure = ENTAILMENT if truths == {True} else CONTRADICTION
        assert source.label(index) == (NEUTRAL if len(truths) == 2 else sure), text


def test_every_picture_has_a_sentence_of_each_verdict():
    source = data.Verdicts(data.load_scenes("val", limit=20))
    assert isinstance(source, HasVerdicts) and len(source) == 60
    assert Counter(source.label(i) for i in range(60)) == dict.fromkeys(range(len(VERDICTS)), 20)
    assert [source.picture(i) for i in range(6)] == [0, 0, 0, 1, 1, 1]
    assert len({source[i].image_id for i in range(60)}) == 60
    for i in range(60):
        assert source.oracle(i)(source.captions(i)[0])
        assert not source.oracle(i)(source.captions((i + 1) % 3 + i // 3 * 3)[0])
    again = data.Verdicts(data.load_scenes("val", limit=20))
    assert [again.captions(i) for i in range(60)] == [source.captions(i) for i in range(60)]
    other = data.Verdicts(data.load_scenes("val", limit=20), seed=1)
    assert [other.captions(i) for i in range(60)] != [source.captions(i) for i in range(60)]


@pytest.mark.parametrize("quarter", range(4))
def test_the_cover_hides_its_quarter_and_nothing_else(quarter):
    image = np.random.default_rng(0).integers(0, 100, (8, 8, 3)).astype(np.uint8)
    found = covered(image, quarter)
    hidden = (found == COVER).all(axis=-1)
    rows, columns = np.nonzero(hidden)
    assert hidden.sum() == 16
    assert (rows // 4 == quarter // 2).all() and (columns // 4 == quarter % 2).all()
    np.testing.assert_array_equal(found[~hidden], image[~hidden])
    assert not (image == COVER).any()  # the picture itself stays


def test_a_set_is_the_sentence_that_follows_and_captions_of_its_scene():
    scenes = data.load_scenes("val", limit=6)
    pairs = data.Verdicts(scenes)
    sets = data.VerdictSets(pairs)
    assert isinstance(sets, HasVerdicts) and len(sets) == 6
    for row in range(6):
        sentence, *others = sets.captions(row)
        assert (sentence,) == pairs.captions(3 * row + 2) and sets.label(row) == 2
        assert tuple(others) == scenes.captions(row)[:4] and sets.picture(row) == row
        np.testing.assert_array_equal(sets[row].image, pairs[3 * row + 2].image)
        right = sets.oracle(row)
        assert right(sentence)
        # Of the covered picture a sentence of one thing is right only if it follows from it.
        assert not right(pairs.captions(3 * row)[0]) and not right(pairs.captions(3 * row + 1)[0])
        assert [right(text) for text in others] == [scenes.oracle(row)(text) for text in others]
    assert data.VerdictSets(pairs, texts=1).captions(0) == pairs.captions(2)
    for texts in (0, 7):
        with pytest.raises(ValueError, match=f"texts={texts} makes no set"):
            data.VerdictSets(pairs, texts=texts)
