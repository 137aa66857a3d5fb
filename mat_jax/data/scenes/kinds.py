"""Scenes as a set of classified images: by the kind or colour of the main object, or by the ground.

Three sets of one world, as the literature has many sets of ours: a model that is trained on one of
them is measured on the others too.
"""

import dataclasses
from typing import Literal, get_args

from mat_jax.data.scenes.builder import SceneExample, Scenes
from mat_jax.data.scenes.facts import COLOURS, GROUNDS, KINDS, Scene

Trait = Literal["kind", "colour", "ground"]
# Trait -> its values in the order of the labels, and a prompt for one of them.
CLASSES: dict[Trait, tuple[tuple[str, ...], str]] = {
    "kind": (tuple(KINDS), "this is a photo of a {}"),
    "colour": (tuple(COLOURS), "this is a photo of a {} thing"),
    "ground": (tuple(GROUNDS), "this is a photo of things on {}"),
}


@dataclasses.dataclass(frozen=True)
class Kinds:
    """A source like `scenes`, whose one caption is the prompt of the scene's class.

    The main object is the largest; of objects of equal size the first, reading from the top left.

    Args:
        scenes: whose pictures.
        template: of a prompt, with {} for the class.
        of: what is classified: the "kind" or the "colour" of the main object, or the "ground".
    """

    scenes: Scenes
    template: str = CLASSES["kind"][1]
    of: Trait = "kind"

    @property
    def name(self) -> str:
        """Of the source."""
        return f"{self.scenes.name}/{self.of}s"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the labels."""
        return CLASSES[self.of][0]

    @property
    def prompts(self) -> tuple[str, ...]:
        """One a class, in the order of the labels."""
        return tuple(self.template.format(name) for name in self.classes)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int, /) -> SceneExample:
        example = self.scenes[index]
        return example._replace(captions=(self.prompts[self._label(example.scene)],))

    def captions(self, index: int) -> tuple[str, ...]:
        """The prompt of one scene's class."""
        return (self.prompts[self.label(index)],)

    def label(self, index: int) -> int:
        """The class of one scene."""
        return self._label(self.scenes.scene(index))

    def _label(self, scene: Scene) -> int:
        main = max(scene.things, key=lambda thing: thing.side)  # `max` keeps the first of equals
        traits = {"kind": main.kind, "colour": main.colour, "ground": scene.ground}
        return self.classes.index(traits[self.of])


def scene_classes(scenes: Scenes, of: str) -> Kinds:
    """The set of a trait, with its usual prompt.

    Args:
        scenes: whose pictures.
        of: a `Trait`.

    Raises:
        ValueError: scenes have no such trait.
    """
    for trait in get_args(Trait):
        if trait == of:
            return Kinds(scenes, CLASSES[trait][1], trait)
    raise ValueError(f"scenes have no {of!r}: choose from {', '.join(get_args(Trait))}")
