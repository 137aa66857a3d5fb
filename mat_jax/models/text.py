"""The text transformer, in its two forms: CLIP's (causal, pre-norm) and BERT's (post-norm)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from mat_jax.models import layers
from mat_jax.models.formats.sizes import BertConfig
from mat_jax.models.layers import Hidden, Keys, LayerNorm, Pooled, gathered, split_batch
from mat_jax.models.memory import Memory, in_pieces, through
from mat_jax.utils.devices import TENSOR

Ids = Int[Array, "batch length"]


class TextTower(nnx.Module):
    """Token and position embeddings, then blocks.

    "clip": a token reads only itself and those before it; pre-norm blocks and a normalisation
    after them. "bert": a token reads all that are not padding; embeddings of the segment (always
    segment 0 here) and a normalisation before the blocks, which are post-norm. With a
    `cross_width`, the blocks from `first_cross` on can also read an image's tokens of that width.
    """

    def __init__(
        self,
        sizes: BertConfig,
        rngs: nnx.Rngs,
        *,
        style: layers.Style = "bert",
        act: layers.Activation = layers.gelu,
        cross_width: int = 0,
        first_cross: int = 0,
    ):
        clip, width, eps = style == "clip", sizes.width, sizes.eps
        self.style = style
        self.dtype = jnp.dtype("float32")
        self.memory = Memory()
        self.tok = layers.normal(rngs, (sizes.vocab_size, width), 0.02)
        self.pos = layers.normal(rngs, (sizes.length, width), 0.01 if clip else 0.02)
        segments = 0 if clip else sizes.segments
        self.type = layers.normal(rngs, (segments, width), 0.02) if segments else None
        self.ln_emb = None if clip else LayerNorm(width, eps=eps)
        crosses = (0 if i < first_cross else cross_width for i in range(sizes.layers))
        self.blocks = nnx.List(layers.Block(sizes, style, act, rngs, cross) for cross in crosses)
        self.ln_post = LayerNorm(width, eps=eps) if clip else None

    def __call__(
        self,
        ids: Ids,
        mask: Bool[Array, "batch length"],
        at: Array | None = None,
        layers: int | None = None,
        shift: Hidden | None = None,
    ) -> tuple[Hidden, Pooled]:
        """All tokens after the tower, and the token at position `at` of each text (None: 0).

        With `layers`, after that many blocks. `shift` is added to what the ids are embedded as:
        the gradient with respect to it says what other words would change, to first order. As in
        the vision tower, under jit only what is used of the last block is computed.
        """
        at = jnp.zeros(len(ids), jnp.int32) if at is None else at

        def encode(given: tuple[Array, Array, Array, Array | None]) -> tuple[Hidden, Pooled]:
            ids, mask, at, shift = given
            return self._encode(ids, mask, at, shift, layers)

        return in_pieces(encode, self.memory.rows, (ids, mask, at, shift))

    def _encode(
        self, ids: Array, mask: Array, at: Array, shift: Array | None, layers: int | None
    ) -> tuple[Hidden, Pooled]:
        x = self.embed(ids, shift=shift)
        place = jnp.arange(ids.shape[1])
        if self.style == "clip":
            # Padding stands to the right of the text, where no token of the text can see it.
            readable = (place[None, :] <= place[:, None])[None]
            readable_at = (place[None, :] <= at[:, None])[:, None]
        else:
            readable = readable_at = mask[:, None]
        *blocks, last = self.blocks[:layers]
        x = through(blocks, self.memory, x, readable)
        only = jnp.take_along_axis(x, at[:, None, None], axis=1)
        tokens = through([last], self.memory, x, readable)
        pooled = through([last], self.memory, x, readable_at, only)[:, 0].astype(jnp.float32)
        if self.ln_post is not None:
            tokens, pooled = self.ln_post(tokens), self.ln_post(pooled)
        return tokens, pooled

    def embed(
        self,
        ids: Ids,
        first: Int[Array, ""] | None = None,
        shift: Hidden | None = None,
        at: Ids | None = None,
    ) -> Hidden:
        """What the first block sees; the ids stand from position `first` on (0 if None).

        With `at`, each stands at the position it says.
        """
        length, positions = ids.shape[1], self.pos.shape[0]
        if length > positions:
            raise ValueError(
                f"got texts of {length} ids, but this model has {positions} positions; cut them"
            )
        pos = gathered(self.pos, None, None)
        if at is not None:
            pos = pos[at]
        elif first is None:
            pos = pos[None, :length]
        else:
            pos = jax.lax.dynamic_slice_in_dim(pos, first, length)[None]
        x = split_batch(gathered(self.tok, TENSOR, None)[ids]) + pos
        if shift is not None:
            x = x + shift.astype(x.dtype)
        if self.type is not None:
            x = x + gathered(self.type, None, None)[None, :1]
        return (x if self.ln_emb is None else self.ln_emb(x)).astype(self.dtype)

    def image_keys(self, tokens: Float[Array, "images tokens width"]) -> list[Keys]:
        """What each block with a cross-attention reads of images: computed once for all texts."""
        crosses = (block.cross for block in self.blocks)
        return [cross.attn.keys(tokens) for cross in crosses if cross is not None]

    def fuse(
        self,
        x: Hidden,
        readable: layers.Mask,
        keys: Sequence[Keys],
        first: int = 0,
        image_mask: layers.ImageMask = None,
    ) -> Hidden:
        """`x` through the blocks from `first` on, as many as there are `keys` of images to read.

        In the place of an image may stand a text, of which `image_mask` allows the real tokens.
        """
        blocks, rows = self.blocks[first : first + len(keys)], self.memory.rows

        def read(
            x: Hidden, readable: layers.Mask, keys: Sequence[Keys], image_mask: layers.ImageMask
        ) -> Hidden:
            for block, image in zip(blocks, keys, strict=True):
                x = block(x, readable, image=image, image_mask=image_mask)
            return x

        if rows is None or readable is None or not keys:
            return read(x, readable, keys, image_mask)
        images = len(keys[0][0])  # whose texts stay together
        readable = jnp.broadcast_to(readable, (len(x), *readable.shape[1:]))
        each = x.reshape(images, -1, *x.shape[1:])
        masks = readable.reshape(images, -1, *readable.shape[1:])

        def piece(given: tuple[Array, Array, Sequence[Keys], layers.ImageMask]) -> Hidden:
            x, readable, keys, image_mask = given
            flat, readable = (part.reshape(-1, *part.shape[2:]) for part in (x, readable))
            return read(flat, readable, keys, image_mask).reshape(x.shape)

        few = max(1, rows * images // len(x))
        return in_pieces(piece, few, (each, masks, list(keys), image_mask)).reshape(x.shape)
