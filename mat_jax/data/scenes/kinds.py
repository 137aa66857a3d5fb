"""Scenes as a set of classified images: the class of a scene is the kind of its main object."""

import dataclasses

from mat_jax.data.scenes.builder import SceneExample, Scenes
from mat_jax.data.scenes.facts import KINDS, Scene

NAMES = tuple(KINDS)


@dataclasses.dataclass(frozen=True)
class Kinds:
    """A source like `scenes`, whose one caption is the prompt of the scene's class.

    The main object is the largest; of objects of equal size the first, reading from the top left.

    Args:
        scenes: whose pictures.
        template: of a prompt, with {} for the kind.
    """

    scenes: Scenes
    template: str = "this is a photo of a {}"

    @property
    def name(self) -> str:
        """Of the source."""
        return f"{self.scenes.name}/kinds"

    @property
    def classes(self) -> tuple[str, ...]:
        """The kinds of objects, in the order of the labels."""
        return NAMES

    @property
    def prompts(self) -> tuple[str, ...]:
        """One a class, in the order of the labels."""
        return tuple(self.template.format(name) for name in NAMES)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int, /) -> SceneExample:
        example = self.scenes[index]
        return example._replace(captions=(self.prompts[_label(example.scene)],))

    def captions(self, index: int) -> tuple[str, ...]:
        """The prompt of one scene's class."""
        return (self.prompts[self.label(index)],)

    def label(self, index: int) -> int:
        """The class of one scene."""
        return _label(self.scenes.scene(index))


def _label(scene: Scene) -> int:
    main = max(scene.things, key=lambda thing: thing.side)  # `max` keeps the first of equals
    return NAMES.index(main.kind)
