"""What only `scenes` can be asked: the facts behind a picture, and their mistaken forms."""

import numpy as np

from mat_jax.augment.recipe import Recipe
from mat_jax.data.scenes.builder import SceneExample
from mat_jax.data.scenes.careless import mistaken
from mat_jax.data.scenes.facts import Scene
from mat_jax.types.sources import Captioned, Source


def as_seen(scene: Scene, recipe: Recipe, rng: np.random.Generator) -> Scene:
    """The scene with some of its facts mistaken."""
    return mistaken(scene, rng, wrong=recipe.wrong, ground=recipe.wrong) if recipe.wrong else scene


def is_world(source: Source) -> bool:
    """Whether the source tells the facts of its pictures."""
    return isinstance(source[0], SceneExample)


def scene_of(example: Captioned) -> Scene:
    """The facts of one picture of the world."""
    assert isinstance(example, SceneExample)
    return example.scene


def require_world(source: Source, recipe: Recipe, instead: str) -> None:
    """Refuse a source of photographs, whose facts nobody knows.

    Args:
        instead: what the user may give, so that no facts are needed.

    Raises:
        ValueError: the source is not of scenes.
    """
    if not is_world(source):
        raise ValueError(
            f"{recipe.how} knows what scenes hold, but not what photographs do: give {instead}"
        )
