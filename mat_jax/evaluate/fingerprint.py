"""Everything that decides the numbers of a measurement, as the key of what is finished of it."""

from pathlib import Path

import jax
import numpy as np

from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.protocol import versions
from mat_jax.evaluate.store import Store, digest_of
from mat_jax.evaluate.tasks.base import HasTruth, Victim, spaced

HASHED = 256  # pictures that tell whether the data are those of what was finished before


def store_of(folder: Path, evaluation: Evaluation, *victims: Victim | None) -> Store:
    """The store of a measurement: its settings, versions, weights and examples are its key.

    Of the pictures at most `HASHED` are in the key, evenly spaced.
    """
    there = [victim for victim in victims if victim is not None]
    settings = {name: value for name, value in vars(evaluation).items() if name != "data"}
    told = [(one.examples.name, one.examples.texts, one.examples.image_size) for one in there]
    truths = [one.examples.truth for one in there if isinstance(one.examples, HasTruth)]
    arrays = [np.asarray(leaf) for one in there for leaf in jax.tree.leaves(one.model)]
    firsts = [one.examples.batch(np.arange(1)) for one in there]
    arrays += [np.asarray(leaf) for leaf in jax.tree.leaves(firsts)]
    for one in there:  # reading all of a large set would take minutes each time
        rows = spaced(np.arange(len(one.examples)), HASHED)
        arrays += [one.examples.image(int(row)) for row in rows]
    return Store.open(folder, digest_of((settings, versions(), told, *truths), arrays))
