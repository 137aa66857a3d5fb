"""RandAugment as a method: every partner by the key of its own job."""

import functools

import jax
import numpy as np

from mat_jax.augment import WAYS, Recipe, rand_augment
from mat_jax.augment.batches import keys_of
from tests.augment.noise import ENTRIES, JOBS, Pictures, pixels


def test_randaugment_by_keys_of_the_partners():
    recipe = Recipe(how="randaug", size=16, magnitude=20, ops=1)
    made = WAYS["randaug"].build(Pictures(), ENTRIES, recipe)(JOBS)
    found = [one for one in made if isinstance(one, np.ndarray)]
    assert len(found) == len(JOBS)
    images = np.repeat(pixels(), 2, axis=0)
    # Compiled alike: rounding decides at the thresholds of an operation.
    augment = jax.jit(functools.partial(rand_augment, ops=1, magnitude=20))
    expected = np.asarray(augment(images, keys_of(JOBS)))
    assert all(one.shape == (16, 16, 3) and one.dtype == np.uint8 for one in found)
    assert np.abs(np.stack(found) - 255 * expected).max() < 0.51
