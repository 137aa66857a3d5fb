"""Interpolated positions against torch's bicubic interpolation."""

import numpy as np
import pytest
import torch

from mat_jax.models.formats.positions import resize_positions


@pytest.mark.parametrize("grids", [(14, 24), (24, 14), (2, 7), (7, 7)], ids=str)
def test_positions_are_resized_as_torch_does(grids):
    old, new = grids
    table = np.random.default_rng(0).normal(size=(1 + old * old, 5)).astype(np.float32)
    square = torch.from_numpy(table[1:]).reshape(1, old, old, 5).permute(0, 3, 1, 2)
    theirs = torch.nn.functional.interpolate(square, size=(new, new), mode="bicubic")
    theirs = theirs.permute(0, 2, 3, 1).reshape(new * new, 5).numpy()
    ours = resize_positions(table, new)
    np.testing.assert_array_equal(ours[0], table[0])
    np.testing.assert_allclose(ours[1:], theirs, atol=1e-5)


def test_a_flat_table_stays_flat():
    # Cubic weights sum to 1, at the edges too.
    np.testing.assert_allclose(resize_positions(np.ones((10, 2)), 5), 1.0, atol=1e-12)
