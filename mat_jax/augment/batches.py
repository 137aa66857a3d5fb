"""Pictures of many jobs in batches of one size, each with a key of its own job."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import jax
import numpy as np
from jaxtyping import Array, Key

from mat_jax.augment.jobs import Job

BATCH = 32  # pictures that a device call is for

Result = TypeVar("Result")


def in_batches(
    call: Callable[[np.ndarray, Key[Array, " batch"]], Iterable[Result]],
    images: Sequence[np.ndarray],
    jobs: Sequence[Job],
) -> list[Result]:
    """`call(images in [0, 1], keys)` on all of them, in batches of one size: one compilation."""
    results: list[Result] = []
    for start in range(0, len(jobs), BATCH):
        places = [min(start + i, len(jobs) - 1) for i in range(BATCH)]
        batch = np.stack([images[i] for i in places])
        batch = np.divide(batch, np.float32(255), dtype=np.float32)
        results += list(call(batch, keys_of([jobs[i] for i in places])))[: len(jobs) - start]
    return results


def keys_of(jobs: Sequence[Job]) -> Key[Array, " jobs"]:
    """A key a job, folded from its numbers."""
    numbers = np.array([job.seed for job in jobs], np.uint32)
    keys = jax.vmap(jax.random.key)(numbers[:, 0])
    for column in (1, 2):
        keys = jax.vmap(jax.random.fold_in)(keys, numbers[:, column])
    return keys
