"""What the report shows of some examples under an attack: evenly spaced ones, and what is found."""

from collections.abc import Sequence

import numpy as np

from mat_jax.evaluate.failures import failing, worst_text
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.results import Sights
from mat_jax.evaluate.tasks.base import Task, Victim
from mat_jax.evaluate.tasks.cosine_ranks import nearest
from mat_jax.evaluate.views import overlays


def sights_of(
    task: Task, target: Victim, points: Points, ranks: Ranks, places: Sequence[int]
) -> Sights:
    """What the report shows of a target.

    Args:
        task: of the examples.
        target: who sees them.
        points: of all examples, with the pictures of those that are shown.
        ranks: in the gallery of these points.
        places: rows of the examples that are shown, rising.
    """
    images = np.stack([points.pictures[i] for i in places])
    drawn = overlays(task, target, points, ranks, places)
    if not task.neighbours:
        return Sights(images=images, overlays=drawn)
    table, spoken = points.images.unit, points.texts.unit
    owner = target.examples.text_owner
    firsts = np.searchsorted(owner, places)
    failed = failing(ranks)
    asking = [worst_text(ranks, owner, i) for i in failed]
    return Sights(
        images=images,
        texts=np.stack([nearest(table[i], spoken) for i in places]),
        pictures=np.stack([nearest(spoken[i], table) for i in firsts]),
        overlays=drawn,
        failed=np.array(failed, int),
        failed_texts=np.array([nearest(table[i], spoken)[0] for i in failed], int),
        failed_pictures=np.array([nearest(spoken[i], table)[0] for i in asking], int),
    )
