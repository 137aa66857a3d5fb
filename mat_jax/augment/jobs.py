"""The partners that are to be made: one job each, with all that chance may decide of it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mat_jax.augment.manifest import Entry
from mat_jax.data.scenes.facts import Scene


class Job(NamedTuple):
    """One partner to be made.

    Attributes:
        index: position of the image it is made of; of another one, if it shall not belong.
        number: k, which partner of its image it is.
        seed: numbers that no other job of a recipe has, all that is drawn for it follows from.
    """

    index: int
    number: int
    seed: tuple[int, int, int]

    @property
    def rng(self) -> np.random.Generator:
        """Of what is drawn on the host."""
        return np.random.default_rng(self.seed)

    @property
    def torch_seed(self) -> int:
        """Of what torch draws."""
        return int(np.random.SeedSequence(self.seed).generate_state(1)[0])


class Drawn(NamedTuple):
    """A picture of which the world knows what is in it."""

    pixels: np.ndarray
    scene: Scene


# A caption, a picture, or none: there are no more.
Partner = str | np.ndarray | Drawn | None
Make = Callable[[Sequence[Job]], list[Partner]]


def own_caption(entries: Sequence[Entry], job: Job) -> str:
    """The original caption that a partner is made of: they take turns."""
    captions = entries[job.index].captions
    return captions[job.number % len(captions)]
