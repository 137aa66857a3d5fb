"""Keys of jobs."""

import jax

from mat_jax.augment.batches import keys_of
from mat_jax.augment.jobs import Job


def test_a_key_is_folded_from_all_numbers_of_a_job():
    seeds = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (0, 1, 2)]
    keys = jax.random.key_data(keys_of([Job(0, 0, seed) for seed in seeds])).tolist()
    assert keys[0] == keys[3] and len({tuple(key) for key in keys}) == 3
