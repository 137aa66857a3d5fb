"""Scenes as classified images."""

import numpy as np
import pytest

from mat_jax.data import Kinds, Source, scene_classes
from mat_jax.data.scenes import Scene, Scenes, Thing, make
from mat_jax.data.scenes.builder import SceneExample
from mat_jax.data.scenes.facts import COLOURS, GROUNDS, KINDS


class Few(Scenes):
    """Scenes from their seeds, without files; the first is written by hand."""

    def __init__(self):
        super().__init__("few", None, 30)

    def __getitem__(self, index):
        scene, texts = make("val", index)
        if index == 0:
            sides = {"cat": 0.3, "boat": 0.45, "bell": 0.45, "moon": 0.37}
            things = [Thing(k, "red", "plain", "large", 0.2, 0.2, s) for k, s in sides.items()]
            scene = Scene("sand", "pale", tuple(things), 0)
        return SceneExample(np.zeros((4, 4, 3), np.uint8), texts, index, scene)


def test_the_class_is_the_kind_of_the_largest_object_the_first_of_equals():
    kinds = Kinds(Few())
    assert isinstance(kinds, Source)
    assert kinds.captions(0) == kinds[0].captions == ("this is a photo of a boat",)
    assert kinds.prompts[kinds.label(0)] == "this is a photo of a boat"
    for index in range(1, 30):
        things = kinds[index].scene.things
        sides = {thing.kind: thing.side for thing in things}
        assert sides[list(KINDS)[kinds.label(index)]] == max(sides.values())


def test_there_is_one_prompt_a_kind():
    prompts = Kinds(Few(), template="a {} in a scene").prompts
    assert len(set(prompts)) == len(prompts) == len(KINDS)
    assert prompts[0] == "a apple in a scene"


def test_the_main_object_has_a_colour_and_the_scene_a_ground():
    colours, grounds = (scene_classes(Few(), trait) for trait in ("colour", "ground"))
    assert colours.classes == tuple(COLOURS) and grounds.classes == tuple(GROUNDS)
    for index in range(30):
        scene = colours[index].scene
        largest = max(thing.side for thing in scene.things)
        first = next(thing for thing in scene.things if thing.side == largest)
        assert colours.classes[colours.label(index)] == first.colour
        assert grounds.classes[grounds.label(index)] == scene.ground
        assert first.colour in colours.captions(index)[0]
        assert scene.ground in grounds.captions(index)[0]
    assert len({Kinds(Few()).name, colours.name, grounds.name}) == 3


def test_a_trait_that_scenes_do_not_have_is_refused():
    with pytest.raises(
        ValueError, match="scenes have no 'smell': choose from kind, colour, ground"
    ):
        scene_classes(Few(), "smell")
