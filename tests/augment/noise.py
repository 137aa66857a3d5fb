"""Five pictures of noise with a caption each, and two partners wanted of every one."""

from pathlib import Path

import numpy as np

from mat_jax.augment.jobs import Job
from mat_jax.augment.manifest import Entry
from mat_jax.types.arrays import Example

CAPTIONS = ["a red ball on sand", "two blue boxes", "one man rides a brown horse"]
ENTRIES = [Entry(image_id=i, image=Path("a.png"), captions=(CAPTIONS[i % 3],)) for i in range(5)]
JOBS = [Job(i, k, (4, i, k)) for i in range(5) for k in range(2)]


class Pictures:
    """Each is of one colour more than of another."""

    name = "pictures"

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int, /) -> Example:
        rng = np.random.default_rng(index)
        noise = rng.integers(0, 120, (20, 16, 3)) + 100 * (np.arange(3) == index % 3)
        return Example(noise.astype(np.uint8), (CAPTIONS[index % 3],), index)


def pixels() -> np.ndarray:
    """Of all, cut to a square in the middle, in [0, 1]."""
    return np.stack([Pictures()[i].image[2:18] for i in range(5)]).astype(np.float32) / 255
