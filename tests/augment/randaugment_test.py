"""RandAugment draws each operation equally often, and for each image by its own key."""

import jax
import numpy as np
import pytest

from mat_jax.augment import rand_augment
from mat_jax.augment.operations import OPERATIONS

MANY = 280


@pytest.fixture(scope="module")
def picture():
    """Pixels enough, and levels enough, for every operation to do something else."""
    rng = np.random.default_rng(1)
    return np.kron(rng.integers(20, 240, (4, 8, 3)) / 255, np.ones((3, 3, 1))).astype(np.float32)


@pytest.fixture(scope="module")
def images(picture):
    return np.stack([picture] * MANY)


def test_each_operation_is_drawn_equally_often_in_both_directions(picture, images):
    drawn = np.asarray(rand_augment(images, jax.random.key(0), ops=1, magnitude=21))
    counts = np.zeros(len(OPERATIONS))
    for column, (function, signed) in enumerate(OPERATIONS.values()):
        compiled = jax.jit(function)
        for share in (0.7, -0.7) if signed else (0.7,):
            variant = np.asarray(compiled(picture, np.float32(share)))
            hits = np.sum(np.abs(drawn - variant).max(axis=(1, 2, 3)) < 1e-5)
            assert hits >= 1
            counts[column] += hits
    assert counts.sum() == MANY
    # Twenty are expected of each; a standard deviation is 4.3.
    assert counts.min() >= 6 and counts.max() <= 38


def test_an_image_depends_on_its_key_alone(images):
    keys = jax.random.split(jax.random.key(5), MANY)
    together = np.asarray(rand_augment(images, keys))
    assert len(np.unique(together.reshape(MANY, -1), axis=0)) > MANY / 4
    np.testing.assert_array_equal(together, np.asarray(rand_augment(images, keys[::-1]))[::-1])
    np.testing.assert_array_equal(together, rand_augment(images, jax.random.key(5)))
    assert np.any(together != np.asarray(rand_augment(images, jax.random.key(6))))


def test_under_jit_and_without_operations(images):
    key = jax.random.key(3)
    inside = jax.jit(lambda x, m: rand_augment(x, key, magnitude=m))(images, np.float32(9))
    np.testing.assert_allclose(inside, rand_augment(images, key), atol=1e-6)
    np.testing.assert_array_equal(rand_augment(images, key, ops=0), images)


def test_what_cannot_be_is_refused(images):
    with pytest.raises(ValueError, match="magnitude=31 is off the scale; choose 0 to 30"):
        rand_augment(images, jax.random.key(0), magnitude=31)
    with pytest.raises(ValueError, match="ops=-1 operations cannot be done"):
        rand_augment(images, jax.random.key(0), ops=-1)
