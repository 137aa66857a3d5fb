"""Pictures show what the facts say."""

import dataclasses

import numpy as np
import pytest

from mat_jax.data.scenes import Scene, Thing, make
from mat_jax.data.scenes.draw import render
from mat_jax.data.scenes.facts import COLOURS, KINDS, sample
from mat_jax.data.scenes.shapes import SHAPES


def alone(kind="star", colour="red", texture="plain", x=0.5, y=0.5, ground="snow"):
    thing = Thing(kind, colour, texture, "large", x, y, 0.44)
    return Scene(ground, "pale", (thing,), 7)


def test_every_kind_has_a_look_and_a_body():
    assert set(SHAPES) == set(KINDS)
    for shapes in SHAPES.values():
        assert any(shape[-1] == "body" for shape in shapes)


def test_a_scene_always_looks_the_same():
    scene, _ = make("test", 3)
    np.testing.assert_array_equal(render(scene), render(scene))
    other = dataclasses.replace(scene, seed=scene.seed + 1)
    assert not np.array_equal(render(scene), render(other))


@pytest.mark.parametrize("colour", ["red", "green", "blue", "yellow", "purple"])
def test_the_box_holds_the_colour(colour):
    scene = alone(kind="heart", colour=colour)
    picture = render(scene).astype(float)
    x, y, w, h = (round(64 * v) for v in scene.things[0].box)
    near = np.abs(picture - COLOURS[colour]).sum(-1) < 90
    inside = near[y : y + h, x : x + w].mean()
    near[y : y + h, x : x + w] = False
    assert inside > 0.4
    assert near.mean() < 0.01


def test_an_object_changes_only_its_box():
    with_star = render(alone())
    empty = dataclasses.replace(alone(), things=())
    x, y, w, h = (round(64 * v) for v in alone().things[0].box)
    outside = np.ones((64, 64), bool)
    outside[y - 1 : y + h + 1, x - 1 : x + w + 1] = False
    # The noise of the same seed differs where an object has drawn from it, so only coarsely equal.
    apart = np.abs(with_star.astype(float) - render(empty))[outside].mean()
    assert apart < 12


@pytest.mark.parametrize("texture", ["striped", "spotted"])
def test_textures_show(texture):
    plain, marked = render(alone("ball")), render(alone("ball", texture=texture))
    x, y, w, h = (round(64 * v) for v in alone().things[0].box)
    apart = np.abs(plain.astype(float) - marked)[y : y + h, x : x + w].sum(-1)
    # Stripes cover 10/26 of a body, spots a little less, and the body three quarters of the box.
    assert 0.1 < np.mean(apart > 60) < 0.5


def test_samples_keep_inside_the_picture_and_apart():
    rng = np.random.default_rng(0)
    for _ in range(300):
        scene = sample(rng)
        assert len(scene.things) == 4
        assert len({t.kind for t in scene.things}) == len(scene.things)
        for i, thing in enumerate(scene.things):
            x, y, w, h = thing.box
            assert x >= 0 and y >= 0 and x + w <= 1 and y + h <= 1
            for other in scene.things[:i]:
                a, b, c, d = other.box
                assert x + w <= a or a + c <= x or y + h <= b or b + d <= y
