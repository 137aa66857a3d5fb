"""Which box a map points at: by pixels counted one by one, and where the answer is plain.

GradCAM itself is compared with torch in `tests/models/albef_test.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from mat_jax.evaluate.tasks.heat_maps import box_scores


def test_scores_are_sums_over_pixels_in_the_box():
    rng = np.random.default_rng(0)
    maps = rng.random((3, 6, 6)).astype(np.float32)
    # In whole pixels of a picture of 6: the map is used as it is.
    corners = rng.integers(0, 4, (3, 5, 2))
    sides = rng.integers(1, 3, (3, 5, 2))
    boxes = np.concatenate([corners, sides], -1) / 6
    ours = box_scores(jnp.asarray(maps), boxes.astype(np.float32), size=6)
    for b in range(3):
        for n in range(5):
            (x, y), (w, h) = corners[b, n], sides[b, n]
            expected = maps[b, y : y + h, x : x + w].sum() / np.sqrt(w * h)
            np.testing.assert_allclose(ours[b, n], expected, rtol=1e-5)


def test_maps_are_enlarged_to_the_picture():
    """Pillow's and torch's antialiased cubic (a = -0.5); a box that is the picture has its sum."""
    rng = np.random.default_rng(1)
    maps = rng.random((2, 4, 4)).astype(np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[:, None], (32, 32), mode="bicubic", antialias=True
    )[:, 0].numpy()
    boxes = np.array([[[0, 0, 1, 1], [0.5, 0.25, 0.25, 0.5]]] * 2, np.float32)
    ours = box_scores(jnp.asarray(maps), boxes, size=32)
    np.testing.assert_allclose(ours[:, 0], large.sum((1, 2)) / 32, rtol=1e-4)
    inside = large[:, 8:24, 16:24].sum((1, 2)) / np.sqrt(16 * 8)
    np.testing.assert_allclose(ours[:, 1], inside, rtol=1e-4)


def test_what_no_patch_covers_counts_for_nothing():
    """Of 9 pixels a side two patches of 4 cover 8: the map lies there, not stretched over all."""
    maps = np.arange(1, 5, dtype=np.float32).reshape(1, 2, 2)
    boxes = np.array([[[8, 0, 1, 9], [0, 0, 9, 9], [5, 6, 4, 3]]], np.float32) / 9
    ours = np.asarray(box_scores(jnp.asarray(maps), boxes, size=9, covered=8))[0]
    large = np.asarray(jax.image.resize(maps[0], (8, 8), "cubic"))
    expected = [0.0, large.sum() / 9, large[6:, 5:].sum() / np.sqrt(12)]
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_the_box_that_is_looked_at_wins_and_no_box_scores_nothing():
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 0, 3] = maps[1, 3, 0] = 1.0  # top right; bottom left
    quarters = [[x, y, 0.5, 0.5] for y in (0.0, 0.5) for x in (0.0, 0.5)]
    boxes = np.array([[*quarters, [0, 0, 0, 0]]] * 2, np.float32)
    scores = np.asarray(box_scores(jnp.asarray(maps), boxes, size=64))
    assert scores.argmax(1).tolist() == [1, 2]
    assert scores[:, 4].tolist() == [0.0, 0.0]
    # A large box around it is worth less than the small one.
    both = np.array([[[0, 0, 1, 1], quarters[1]], [[0, 0, 1, 1], quarters[2]]], np.float32)
    assert np.asarray(box_scores(jnp.asarray(maps), both, size=64)).argmax(1).tolist() == [1, 1]
