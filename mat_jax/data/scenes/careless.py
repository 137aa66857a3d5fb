"""Careless writers: the same pictures with captions that are often wrong, as on the web.

A model trained on careful captions only takes every word for certain, and a single false word
turns it. One that has seen many mistakes weighs each word against the others.
"""

import dataclasses

import numpy as np

from mat_jax.data.scenes.builder import CAPTIONS, SceneExample, Scenes
from mat_jax.data.scenes.facts import COLOURS, GROUNDS, KINDS, Scene
from mat_jax.data.scenes.grammar import caption


@dataclasses.dataclass(frozen=True)
class Careless:
    """A source like `scenes`, its captions written anew by careless writers.

    Args:
        scenes: whose pictures.
        wrong: share of the things' kinds and colours that are mistaken for any other, in [0, 1].
        ground: share of grounds and shades that are.
        seed: of the writers.
    """

    scenes: Scenes
    wrong: float = 0.2
    ground: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("wrong", "ground"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, a share between 0 and 1")

    @property
    def name(self) -> str:
        """Of the source."""
        return f"{self.scenes.name}/careless"

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int, /) -> SceneExample:
        example = self.scenes[index]
        return example._replace(captions=self._captions(example))

    def captions(self, index: int) -> tuple[str, ...]:
        """The careless captions of one scene."""
        return self._captions(self.scenes[index])

    def _captions(self, example: SceneExample) -> tuple[str, ...]:
        rng = np.random.default_rng([self.seed, example.image_id])
        return tuple(
            caption(mistaken(example.scene, rng, wrong=self.wrong, ground=self.ground), rng)
            for _ in range(CAPTIONS)
        )


def mistaken(scene: Scene, rng: np.random.Generator, *, wrong: float, ground: float) -> Scene:
    """The scene as somebody sees it who mistakes kinds, colours and the ground for any other."""

    def perhaps(share: float, true: str, others: list[str]) -> str:
        return str(rng.choice(others)) if rng.random() < share else true

    things = tuple(
        dataclasses.replace(
            thing,
            kind=perhaps(wrong, thing.kind, list(KINDS)),
            colour=perhaps(wrong, thing.colour, list(COLOURS)),
        )
        for thing in scene.things
    )
    return dataclasses.replace(
        scene,
        things=things,
        ground=perhaps(ground, scene.ground, list(GROUNDS)),
        shade=perhaps(ground, scene.shade, ["pale", "dark"]),
    )
