"""Examples that cannot be read, and those that take their place."""

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mat_jax.data.corpus import Corpus
from mat_jax.types.arrays import Batch


class Draw(NamedTuple):
    """What a visit to an image brings: places of its texts and of its partner pictures."""

    index: int
    slots: np.ndarray  # [captions], -1 for none
    pictures: np.ndarray  # [images], -1 for the image itself


class Mender:
    """Puts batches together in which the next readable image stands for one that is not.

    Which one that is depends on the image alone, and what is drawn of it on the image and the seed.
    So a run that is killed and goes on replaces the same by the same.

    Args:
        corpus: where images are from.
        draw: draws captions and partner pictures of an image.
        seed: of these draws.
    """

    def __init__(
        self, corpus: Corpus, draw: Callable[[int, np.random.Generator], Draw], seed: int
    ) -> None:
        self._corpus, self._draw, self._seed = corpus, draw, seed
        self._bad: dict[int, Exception] = {}
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def batch(
        self, drawn: Sequence[Draw], put_together: Callable[[Sequence[Draw]], Batch]
    ) -> tuple[Batch, int]:
        """The batch, and how many of its examples another took the place of.

        Raises:
            ValueError, OSError: no image of the corpus can be read; or the fault is not an image's.
        """
        known = [self._replacement(one) if one.index in self._bad else one for one in drawn]
        try:
            return put_together(known), _differing(known, drawn)
        except (ValueError, OSError):
            mended = [one if self._reads(one) else self._replacement(one) for one in known]
            return put_together(mended), _differing(mended, drawn)

    def _reads(self, one: Draw) -> bool:
        """Whether all pictures of a draw can be read; says once what cannot."""
        if one.index in self._bad:
            return False
        try:
            self._corpus.image(one.index)
        except (ValueError, OSError) as error:
            self._bad[one.index] = error
            self._say(error)
            return False
        try:
            for number in one.pictures:
                self._corpus.picture(one.index, int(number))
        except (ValueError, OSError) as error:
            self._say(error)
            return False
        return True

    def _replacement(self, one: Draw) -> Draw:
        count = len(self._corpus)
        for step in range(1, count):
            index = (one.index + step) % count
            rng = np.random.default_rng((self._seed, one.index))
            other = self._draw(index, rng)
            if self._reads(other):
                return other
        raise (
            self._bad[one.index]
            if one.index in self._bad
            else ValueError(f"no image of {self._corpus.name!r} can be read: check its files")
        )

    def _say(self, error: Exception) -> None:
        with self._lock:
            if str(error) not in self._said:
                self._said.add(str(error))
                print(f"note: {error}; now the next image stands for it", file=sys.stderr)


def _differing(mended: Sequence[Draw], drawn: Sequence[Draw]) -> int:
    return sum(one is not other for one, other in zip(mended, drawn, strict=True))


class Mended:
    """Batches out of pairs of a batch and a count; `replaced` is the sum of the counts so far."""

    def __init__(self, pairs: Any) -> None:
        self._pairs = pairs
        self.replaced = 0

    def __iter__(self) -> "Mended":
        return self

    def __next__(self) -> Batch:
        batch, count = next(self._pairs)
        self.replaced += count
        return batch

    def get_state(self) -> Any:
        """The position of the pairs."""
        return self._pairs.get_state()

    def set_state(self, state: Any, /) -> None:
        """Go to a position."""
        self._pairs.set_state(state)
