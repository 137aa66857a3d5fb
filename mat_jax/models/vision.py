"""The vision transformer: patches, a class token, learned positions, pre-norm blocks."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.models.formats.sizes import ViTConfig, grid_side
from mat_jax.models.layers import (
    Activation,
    Block,
    Hidden,
    LayerNorm,
    Pooled,
    Style,
    gathered,
    gelu,
    normal,
    split_batch,
)
from mat_jax.models.memory import Memory, in_pieces, through


class Patches(nnx.Module):
    """A convolution whose stride is its kernel's size: one matrix product on cut-out patches.

    Pixels on the right and below that make no whole patch are not read, as torch's `Conv2d` does.
    """

    def __init__(self, patch: int, width: int, *, std: float, rngs: nnx.Rngs, bias: bool = False):
        self.kernel = normal(rngs, (patch, patch, 3, width), std)
        self.bias = nnx.Param(jnp.zeros(width, jnp.float32)) if bias else None

    def __call__(self, images: Float[Array, "batch h w 3"]) -> Hidden:
        """Cut the images into patches, row by row, and project each."""
        batch, height, wide, _ = images.shape
        patch, _, _, width = self.kernel.shape
        rows, columns = height // patch, wide // patch
        whole = images[:, : rows * patch, : columns * patch]
        cut = whole.reshape(batch, rows, patch, columns, patch, 3).swapaxes(2, 3)
        flat = cut.reshape(batch * rows * columns, patch * patch * 3)
        y = flat @ gathered(self.kernel, *[None] * 4).reshape(patch * patch * 3, width)
        if self.bias is not None:
            y = y + self.bias[...][None, :]
        return split_batch(y.reshape(batch, rows * columns, width))


class VisionTower(nnx.Module):
    """ViT (Dosovitskiy et al., 2021), in its two forms.

    "vit" (ALBEF, BLIP) is the original one; patches have a bias. In "clip" they have none, and
    there is one more normalisation, before the blocks.
    """

    def __init__(
        self,
        sizes: ViTConfig,
        image_size: int,
        patch_size: int,
        rngs: nnx.Rngs,
        *,
        style: Style = "vit",
        act: Activation = gelu,
    ):
        clip, width, eps = style == "clip", sizes.width, sizes.eps
        grid = grid_side(image_size, patch_size)
        std, patch_std = width**-0.5 if clip else 0.02, (3 * patch_size**2) ** -0.5
        self.style = style
        self.dtype = jnp.dtype("float32")
        self.memory = Memory()
        self.patch = Patches(patch_size, width, std=patch_std, bias=not clip, rngs=rngs)
        self.cls = normal(rngs, (width,), std)
        self.pos = normal(rngs, (1 + grid**2, width), std)
        self.ln_pre = LayerNorm(width, eps=eps) if clip else None
        self.blocks = nnx.List(Block(sizes, style, act, rngs) for _ in range(sizes.layers))
        self.ln_post = LayerNorm(width, eps=eps)

    def __call__(self, images: Float[Array, "batch h w 3"]) -> tuple[Hidden, Pooled]:
        """All tokens after the last block, and the class token, normalised.

        CLIP's tokens are not normalised, those of the plain form are.

        The last block is written twice, for all tokens and for the class token alone. Under jit
        the one whose result is not used is not computed, so a loss on the pooled feature pays for
        one query, one projection and one feed-forward row in the last block.
        """
        return in_pieces(self._encode, self.memory.rows, images)

    def _encode(self, images: Array) -> tuple[Hidden, Pooled]:
        x = self.patch(images)
        cls = jnp.broadcast_to(self.cls[...], (x.shape[0], 1, x.shape[2]))
        x = jnp.concatenate([cls, x], axis=1) + gathered(self.pos, None, None)[None]
        if self.ln_pre is not None:
            x = self.ln_pre(x)
        x = x.astype(self.dtype)
        *blocks, last = self.blocks
        x = through(blocks, self.memory, x)
        tokens = through([last], self.memory, x)
        pooled = through([last], self.memory, x, only=x[:, :1])[:, 0].astype(jnp.float32)
        return tokens if self.style == "clip" else self.ln_post(tokens), self.ln_post(pooled)
