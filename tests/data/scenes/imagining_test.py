"""Scenes for captions: true, different, and as near to a given one as asked."""

import numpy as np
import pytest

from mat_jax.data.scenes import imagine, is_true, make, reimagine
from mat_jax.data.scenes.draw import render
from mat_jax.data.scenes.facts import COLOURS, GROUNDS, KINDS

PAIRS = [(scene, text) for scene, texts in (make("val", i) for i in range(12)) for text in texts]


def inside(thing, quarter):
    x, y, width, height = thing.box
    left, top = (quarter % 2) / 2, (quarter // 2) / 2
    slack = 1e-9
    across = left - slack <= x and x + width <= left + 0.5 + slack
    return across and top - slack <= y and y + height <= top + 0.5 + slack


def test_an_imagined_scene_is_what_the_caption_says():
    seen = set()
    for number, (_, text) in enumerate(PAIRS):
        scene = imagine(text, np.random.default_rng(number))
        assert is_true(text, scene)
        assert all(inside(thing, quarter) for quarter, thing in enumerate(scene.things))
        seen |= {thing.kind for thing in scene.things}
        assert render(scene, 8).shape == (8, 8, 3)
    assert len(seen) > 0.7 * len(KINDS)


def test_what_is_left_open_has_the_odds_of_the_world():
    things = [
        thing
        for seed in range(150)
        for thing in imagine("a cat on the sand", np.random.default_rng(seed)).things
    ]
    assert sum(thing.kind == "cat" for thing in things) == 150
    plain = np.mean([thing.texture == "plain" for thing in things])
    small = np.mean([thing.size == "small" for thing in things])
    assert abs(plain - 0.7) < 0.07 and abs(small - 0.25) < 0.07
    # An object is not drawn in a colour that vanishes on the ground.
    pale, dark, _ = GROUNDS["sand"]
    assert all(
        max(np.abs(np.subtract(COLOURS[t.colour], shade)).sum() for shade in (pale, dark)) > 100
        for t in things
    )


def test_a_true_caption_stays_true_at_every_strength():
    true = [(scene, text) for scene, text in PAIRS if is_true(text, scene)]
    assert len(true) > 40
    for number, (scene, text) in enumerate(true):
        for strength in (0.2, 0.7):
            new = reimagine(scene, text, np.random.default_rng(number), strength=strength)
            assert is_true(text, new) and new != scene
            assert all(inside(thing, quarter) for quarter, thing in enumerate(new.things))


def test_strength_is_how_far_it_goes():
    """No strength is the scene itself; more of it moves things farther and changes more facts."""
    changed, moved = [], []
    for strength in (0.0, 0.25, 0.5, 1.0):
        facts, ways = [], []
        for number, (scene, text) in enumerate(PAIRS):
            new = reimagine(scene, text, np.random.default_rng(number), strength=strength)
            for a, b in zip(scene.things, new.things, strict=True):
                facts += [a.kind != b.kind, a.colour != b.colour, a.size != b.size]
                ways.append(np.hypot(a.x - b.x, a.y - b.y))
            if strength == 0:
                assert new == scene
        changed.append(np.mean(facts))
        moved.append(np.mean(ways))
    assert changed[0] == moved[0] == 0
    assert np.all(np.diff(changed) > 0.02) and np.all(np.diff(moved) > 0.005)


def test_a_false_caption_pulls_the_scene_towards_it():
    scene, text = PAIRS[0][0], PAIRS[7][1]
    assert not is_true(text, scene)
    assert is_true(text, reimagine(scene, text, np.random.default_rng(0), strength=1.0))


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("two dogs run", "'two dogs run' is not of the world's language"),
        ("five cats", "speaks of 5 things; a scene has four"),
        ("a red blue cat", "contradicts itself about a thing"),
        ("a cat on dark pale sand", "contradicts itself about the ground"),
        ("a large cat in the middle", "no scene of four things in four quarters is like"),
    ],
)
def test_what_nothing_can_be_like_is_refused(caption, message):
    with pytest.raises(ValueError, match=message):
        imagine(caption, np.random.default_rng(0))


def test_a_strength_is_a_share():
    with pytest.raises(ValueError, match="strength=1.5 is out of range"):
        reimagine(*PAIRS[0], np.random.default_rng(0), strength=1.5)
