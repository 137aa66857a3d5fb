"""Pairs whose picture was made for the caption: synthetic data, alone or mixed with real pairs."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool

from mat_jax.data.sources.retrieval import RetrievalJson
from mat_jax.types.arrays import Example


@dataclass(frozen=True, kw_only=True)
class DrawnPairs:
    """The pairs of a source, a share of them with the picture that was drawn for the caption.

    Args:
        pairs: with a partner picture each, as `python -m mat_jax.augment --how t2i` writes them.
        share: of the pairs whose picture is the drawn one: 0 for the real pairs, 1 for synthetic
            ones alone. The pairs of a smaller share are among those of a larger one.
        seed: of which pairs these are.

    Raises:
        ValueError: a share out of range, or a pair without a drawn picture.
    """

    pairs: RetrievalJson
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share={self.share} is no share; choose 0 (real) to 1 (all drawn)")
        bare = [i for i, own in enumerate(self.pairs.partner_paths) if not own]
        if self.share and bare:
            raise ValueError(
                f"{len(bare)} of {len(self.pairs)} images of {self.pairs.name!r} have no drawn "
                f"picture, image {bare[0]} for example: make them with mat_jax.augment --how t2i"
            )

    @property
    def name(self) -> str:
        """Of the source and the share."""
        return f"{self.pairs.name}, {100 * self.share:.0f} % drawn"

    @cached_property
    def drawn(self) -> Bool[np.ndarray, " images"]:
        """Which pairs have the drawn picture."""
        order = np.random.default_rng(self.seed).permutation(len(self))
        return order < round(self.share * len(self))

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int, /) -> Example:
        place = range(len(self))[index]
        if not self.drawn[place]:
            return self.pairs[place]
        return Example(self.pairs.partner_images(place)[0], self.captions(place), place)

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of one pair."""
        return self.pairs.captions(index)
