"""The vision transformer: patches, a class token, learned positions, pre-norm blocks."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.models.nn import Activation, Block, LayerNorm, gelu, normal


def normalised(
    images: Float[Array | np.ndarray, "batch h w 3"],
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Float[Array, "batch h w 3"]:
    """`(images - mean) / std`, colour by colour, for images in [0, 1] of `size` squared pixels.

    Raises:
        ValueError: the images are of another size.
    """
    if images.shape[1:3] != (size, size):
        raise ValueError(
            f"got images of {images.shape[1]}x{images.shape[2]} pixels, but this model takes "
            f"{size}x{size}; resize them, or load it with image_size={images.shape[1]}"
        )
    centred = jnp.asarray(images) - jnp.asarray(mean, images.dtype)[None, None, None]
    return centred / jnp.asarray(std, images.dtype)[None, None, None]


class Patches(nnx.Module):
    """A convolution whose stride is its kernel's size: one matrix product on cut-out patches."""

    def __init__(self, patch: int, width: int, *, std: float, rngs: nnx.Rngs, bias: bool = False):
        self.kernel = normal(rngs, (patch, patch, 3, width), std)
        self.bias = nnx.Param(jnp.zeros(width, jnp.float32)) if bias else None

    def __call__(self, images: Float[Array, "batch h w 3"]) -> Float[Array, "batch patches width"]:
        """Cut the images into patches, row by row, and project each."""
        batch, height, wide, _ = images.shape
        patch, _, _, width = self.kernel.shape
        rows, columns = height // patch, wide // patch
        cut = images.reshape(batch, rows, patch, columns, patch, 3).swapaxes(2, 3)
        flat = cut.reshape(batch * rows * columns, patch * patch * 3)
        y = flat @ self.kernel[...].reshape(patch * patch * 3, width)
        if self.bias is not None:
            y = y + self.bias[...][None, :]
        return y.reshape(batch, rows * columns, width)


class VisionTower(nnx.Module):
    """ViT (Dosovitskiy et al., 2021), in its two forms.

    `style="plain"` (ALBEF, BLIP): the original one; patches have a bias. `style="clip"`: they have
    none, and there is one more normalisation, before the blocks.
    """

    def __init__(
        self,
        *,
        style: Literal["clip", "plain"],
        image_size: int,
        patch_size: int,
        width: int,
        layers: int,
        heads: int,
        hidden: int,
        act: Activation,
        eps: float,
        rngs: nnx.Rngs,
    ):
        if image_size % patch_size:
            raise ValueError(
                f"image_size={image_size} is not a multiple of patch_size={patch_size}; choose an "
                f"image size that is"
            )
        clip = style == "clip"
        std = width**-0.5 if clip else 0.02
        # CLIP's and DeiT's own initialisations.
        stds = (std, std * (2 * layers) ** -0.5, (2 * width) ** -0.5) if clip else (std,) * 3
        patch_std = (3 * patch_size**2) ** -0.5
        self.style = style
        self.dtype = jnp.dtype("float32")
        self.patch = Patches(patch_size, width, std=patch_std, bias=not clip, rngs=rngs)
        self.cls = normal(rngs, (width,), std)
        self.pos = normal(rngs, (1 + (image_size // patch_size) ** 2, width), std)
        self.ln_pre = LayerNorm(width, eps=eps) if clip else None
        self.blocks = nnx.List(
            Block(width, heads, hidden, norm="pre", act=act, eps=eps, stds=stds, rngs=rngs)
            for _ in range(layers)
        )
        self.ln_post = LayerNorm(width, eps=eps)

    def __call__(
        self, images: Float[Array, "batch h w 3"]
    ) -> tuple[Float[Array, "batch tokens width"], Float[Array, "batch width"]]:
        """All tokens after the last block, and the class token, normalised.

        CLIP's tokens are not normalised, those of the plain form are.

        The last block is written twice, for all tokens and for the class token alone. Under jit
        the one whose result is not used is not computed, so a loss on the pooled feature pays for
        one query, one projection and one feed-forward row in the last block.
        """
        x = self.patch(images)
        cls = jnp.broadcast_to(self.cls[...], (x.shape[0], 1, x.shape[2]))
        x = jnp.concatenate([cls, x], axis=1) + self.pos[...][None]
        if self.ln_pre is not None:
            x = self.ln_pre(x)
        x = x.astype(self.dtype)
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x)
        tokens = last(x) if self.style == "clip" else self.ln_post(last(x))
        return tokens, self.ln_post(last(x, only=x[:, :1])[:, 0].astype(jnp.float32))


@dataclass(frozen=True)
class ViTConfig:
    """The sizes of a plain image tower; the defaults are ViT-B's, with DeiT's eps."""

    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 0
    eps: float = 1e-6

    def __post_init__(self) -> None:
        if not self.hidden:
            object.__setattr__(self, "hidden", 4 * self.width)
        if self.width % self.heads:
            raise ValueError(
                f"width={self.width} does not divide into heads={self.heads} heads; choose a "
                f"number of heads that divides the width"
            )

    def tower(self, image_size: int, patch_size: int, rngs: nnx.Rngs) -> VisionTower:
        """An image tower of these sizes, with random weights."""
        return VisionTower(
            style="plain",
            image_size=image_size,
            patch_size=patch_size,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            act=gelu,
            eps=self.eps,
            rngs=rngs,
        )


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
