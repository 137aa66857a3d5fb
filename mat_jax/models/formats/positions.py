"""Position embeddings of a checkpoint, interpolated for images of another size."""

import numpy as np
from jaxtyping import Float


def resize_positions(
    table: Float[np.ndarray, "tokens width"], grid: int
) -> Float[np.ndarray, "resized width"]:
    """Positions of a class token and a square grid of patches, for a grid of another size.

    Separable cubic convolution with A = -0.75, pixel centres at (i + 1/2), edges clamped and no
    antialiasing: what torch's `interpolate(mode="bicubic")` does and what ViT checkpoints are
    resized with everywhere. `jax.image.resize` uses A = -0.5.
    """
    old = round((len(table) - 1) ** 0.5)
    if grid == old:
        return table
    weights = _cubic_weights(old, grid)
    patches = table[1:].reshape(old, old, -1).astype(np.float64)
    patches = np.einsum("yi,xj,ijw->yxw", weights, weights, patches)
    return np.concatenate([table[:1], patches.reshape(grid * grid, -1).astype(table.dtype)])


def _cubic_weights(old: int, new: int) -> np.ndarray:
    """[new, old] weights of the samples of one axis (Keys 1981, eq. 4, with a = -0.75)."""
    a = -0.75
    centre = (np.arange(new) + 0.5) * old / new - 0.5
    weights = np.zeros((new, old))
    for tap in range(-1, 3):
        sample = np.floor(centre) + tap
        t = np.abs(centre - sample)
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((t - 5) * t + 8) * t * a - 4 * a
        column = np.clip(sample, 0, old - 1).astype(int)
        np.add.at(weights, (np.arange(new), column), np.where(t <= 1, near, far))
    return weights
