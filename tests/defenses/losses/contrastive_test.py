"""InfoNCE against torch's cross-entropy and its symmetries."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax.attacks.objectives import info_nce
from mat_jax.defenses.losses.contrastive import recall


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 6, 5)).astype(np.float32)
    return jnp.asarray(image), jnp.asarray(text)


SCALE = jnp.float32(10.0)


def test_equals_torch(pairs):
    image, text = (torch.nn.functional.normalize(torch.tensor(np.array(x))) for x in pairs)
    logits, target = 10.0 * image @ text.T, torch.arange(6)
    losses = [
        torch.nn.functional.cross_entropy(rows, target, reduction="none")
        for rows in (logits, logits.T)
    ]
    expected = (losses[0] + losses[1]) / 2
    np.testing.assert_allclose(info_nce(pairs[0], pairs[1], SCALE), expected, rtol=1e-5)


def test_modalities_may_be_exchanged_and_pairs_permuted(pairs):
    image, text = pairs
    losses = info_nce(image, text, SCALE)
    np.testing.assert_allclose(info_nce(text, image, SCALE), losses, rtol=1e-5)
    order = jnp.array([3, 1, 5, 0, 2, 4])
    np.testing.assert_allclose(info_nce(image[order], text[order], SCALE), losses[order], rtol=1e-5)


def test_length_of_the_vectors_does_not_matter(pairs):
    image, text = pairs
    losses = info_nce(image * 7.0, text * 0.1, SCALE)
    np.testing.assert_allclose(losses, info_nce(image, text, SCALE), rtol=1e-5)


def test_equal_vectors_cost_log_of_the_batch():
    same = jnp.ones((8, 3))
    np.testing.assert_allclose(info_nce(same, same, SCALE), np.log(8.0), rtol=1e-6)


def test_the_same_image_twice_is_no_negative_of_itself(pairs):
    """Pair 0 and its double 5: the loss of pair 0 is that of the batch without pair 5."""
    image, text = pairs
    image = image.at[5].set(image[0])
    losses = info_nce(image, text, SCALE, jnp.array([0, 1, 2, 3, 4, 0]))
    alone = info_nce(image[:5], text[:5], SCALE)
    np.testing.assert_allclose(losses[0], alone[0], rtol=1e-5)
    np.testing.assert_allclose(
        info_nce(image, text, SCALE, jnp.arange(6)), info_nce(image, text, SCALE), rtol=1e-6
    )


def test_recall_counts_own_captions():
    axes = jnp.eye(4)
    turned, ids = axes[jnp.array([0, 1, 3, 2])], jnp.arange(4)
    assert float(recall(axes, axes, ids)) == 1.0
    assert float(recall(axes, turned, ids)) == 0.5
    # Any caption of the image will do.
    assert float(recall(axes, turned, jnp.array([4, 5, 7, 7]))) == 1.0
