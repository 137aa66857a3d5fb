"""Careless writers err as often as they are told to."""

import numpy as np
import pytest

from mat_jax.data.scenes import Careless, Scenes, is_true, make
from mat_jax.data.scenes.builder import SceneExample
from mat_jax.data.scenes.careless import mistaken


class Few(Scenes):
    """Forty scenes from their seeds, without files."""

    def __init__(self):
        super().__init__("few", None, 40)

    def __getitem__(self, index):
        scene, texts = make("val", index)
        return SceneExample(np.zeros((4, 4, 3), np.uint8), texts, index, scene)


def test_pictures_stay_and_captions_are_new_but_always_the_same():
    source, careless = Few(), Careless(Few())
    assert len(careless) == 40 and careless[3].scene == source[3].scene
    assert careless[3].captions == careless.captions(3) == Careless(Few()).captions(3)
    assert careless.captions(3) != source[3].captions
    assert careless.captions(3) != Careless(Few(), seed=1).captions(3)


@pytest.mark.parametrize(("wrong", "low", "high"), [(0.0, 0.8, 0.97), (0.5, 0.0, 0.15)])
def test_mistakes_make_captions_false(wrong, low, high):
    careless = Careless(Few(), wrong=wrong, ground=wrong)
    true = [is_true(t, careless[i].scene) for i in range(40) for t in careless.captions(i)]
    # Without further mistakes the careful writer's 2 % remain.
    assert low <= np.mean(true) <= high


def test_shares_are_kept():
    rng = np.random.default_rng(0)
    pairs = [
        (scene, mistaken(scene, rng, wrong=0.4, ground=0.6))
        for scene, _ in (make("val", i) for i in range(300))
    ]
    kinds = [a.kind != b.kind for x, y in pairs for a, b in zip(x.things, y.things, strict=True)]
    grounds = [x.ground != y.ground for x, y in pairs]
    # A mistake may hit the truth: one time in 40 kinds, one in 10 grounds.
    assert abs(np.mean(kinds) - 0.4 * 39 / 40) < 0.05
    assert abs(np.mean(grounds) - 0.6 * 9 / 10) < 0.09


def test_a_share_is_a_share():
    with pytest.raises(ValueError, match="wrong is 1.5, a share between 0 and 1"):
        Careless(Few(), wrong=1.5)
