"""Scenes as classified images."""

import numpy as np

from mat_jax.data import Kinds, Source
from mat_jax.data.scenes import Scene, Scenes, Thing, make
from mat_jax.data.scenes.builder import SceneExample
from mat_jax.data.scenes.facts import KINDS


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
