"""Resized views of an image, differentiable, in the arithmetic of the released SGA.

A resize is linear in each direction, so it is two products with matrices built once by numpy.
"""

from collections.abc import Sequence
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mat_jax.attacks.optimizers.projected_gradient import fold

SCALES = (0.5, 0.75, 1.25, 1.5)
NOISE = 0.05


@cache
def bicubic_matrix(source: int, target: int, a: float = -0.75) -> np.ndarray:
    """The matrix [target, source] of bicubic interpolation with no antialiasing.

    Pixel centres are at half integers, the border pixel is repeated, and the kernel is Keys'
    (1981) with parameter `a`: what `torch.nn.functional.interpolate(mode="bicubic",
    align_corners=False, antialias=False)` computes. (`jax.image.resize` has a = -0.5.)
    """
    centre = (np.arange(target) + 0.5) * (source / target) - 0.5
    left = np.floor(centre).astype(int)
    matrix = np.zeros((target, source))
    for tap in range(-1, 3):
        weight = _keys_kernel(np.abs(centre - (left + tap)), a)
        np.add.at(matrix, (np.arange(target), np.clip(left + tap, 0, source - 1)), weight)
    return matrix.astype(np.float32)


def resize(
    images: Float[Array, "*lead height width channels"], height: int, width: int
) -> Float[Array, "*lead new_height new_width channels"]:
    """Resize by `bicubic_matrix`, rows then columns. Overshoots are not clipped."""
    rows = jnp.asarray(bicubic_matrix(images.shape[-3], height))
    columns = jnp.asarray(bicubic_matrix(images.shape[-2], width))
    exact = jax.lax.Precision.HIGHEST
    images = jnp.einsum("yh,...hwc->...ywc", rows, images, precision=exact)
    return jnp.einsum("xw,...ywc->...yxc", columns, images, precision=exact)


def scale_views(
    images: Float[Array, "batch height width channels"],
    keys: Key[Array, " batch"],
    *,
    scales: Sequence[float] = SCALES,
    noise: float = NOISE,
) -> Float[Array, "views batch height width channels"]:
    """The image itself, then one view a scale (SGA, Lu et al. 2023, section 3.3).

    A view is the image with Gaussian noise of standard deviation `noise`, resized to
    `int(scale * side)`, clipped to [0, 1] and resized back (not clipped again). The image itself,
    view 0, is left alone. Noise depends on the image's key and the view, not on the batch.
    """
    _, height, width, _ = images.shape
    views = [images]
    for index, scale in enumerate(scales):
        view = images
        if noise:
            draw = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:]))
            view = view + noise * draw(fold(keys, jnp.int32(index + 1)))
        small = jnp.clip(resize(view, int(scale * height), int(scale * width)), 0.0, 1.0)
        views.append(resize(small, height, width))
    return jnp.stack(views)


def _keys_kernel(distance: np.ndarray, a: float) -> np.ndarray:
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
