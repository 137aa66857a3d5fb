"""mat_jax's image tower in other forms: the same weights, the same numbers, other programs.

Each form differs from mat_jax in one part. Where mat_jax has

- attention as two batched products on `[batch * heads, tokens, head]`, with its gradient written
  out: the gradient that JAX finds (`attention differentiated`), `einsum` on
  `[batch, tokens, heads, head]`, and `jax.nn.dot_product_attention`;
- its blocks one after the other in the program: one `scan` over stacked weights;
- patches cut out by a reshape and multiplied: a strided convolution;
- the last block for the class token alone: that block for all tokens.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from mat_jax import models

Attend = Callable[[Any, Array, Array], Array]  # layer, tokens that read, tokens that are read


def products(attention: Any, asking: Array, source: Array) -> Array:
    """mat_jax's own."""
    return attention(asking, attention.keys(source))


def differentiated(attention: Any, asking: Array, source: Array) -> Array:
    keys = attention.keys(source)
    k, v = (x.reshape(-1, *x.shape[2:]) for x in keys)
    probs = attention.probs(asking, keys)
    read = probs.reshape(-1, *probs.shape[2:]).astype(v.dtype) @ v
    read = read.reshape(*probs.shape[:3], -1).swapaxes(1, 2)
    return attention.o(read.reshape(asking.shape))


def einsum(attention: Any, asking: Array, source: Array) -> Array:
    q, k, v = _heads(attention, asking, source)
    q = q * q.shape[-1] ** -0.5
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k, preferred_element_type=jnp.float32)
    read = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, axis=-1).astype(v.dtype), v)
    return attention.o(read.reshape(asking.shape))


def library(attention: Any, asking: Array, source: Array) -> Array:
    read = jax.nn.dot_product_attention(*_heads(attention, asking, source))
    return attention.o(read.reshape(asking.shape))


def _heads(attention: Any, asking: Array, source: Array) -> tuple[Array, ...]:
    three = attention.q(asking), attention.k(source), attention.v(source)
    return tuple(x.reshape(*x.shape[:2], attention.heads, -1) for x in three)


def cut_out(patches: Any, pixels: Array) -> Array:
    """mat_jax's own."""
    return patches(pixels)


def convolved(patches: Any, pixels: Array) -> Array:
    stride = patches.kernel.shape[:2]
    y = jax.lax.conv_general_dilated(
        pixels,
        patches.kernel[...],
        stride,
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    y = y.reshape(y.shape[0], -1, y.shape[-1])
    return y if patches.bias is None else y + patches.bias[...][None, None]


def unrolled(blocks: Any, x: Array, attend: Attend) -> Array:
    for block in blocks:
        x = _block(block, x, x, attend)
    return x


def scanned(stacked: Any, x: Array, attend: Attend) -> Array:
    return jax.lax.scan(lambda x, block: (_block(block, x, x, attend), None), x, stacked)[0]


def stack(blocks: list[Any]) -> Any:
    """One block whose weights have a leading axis, as `scanned` reads them."""
    return jax.tree.map(lambda *weights: jnp.stack(weights), *blocks)


def class_token(block: Any, x: Array, attend: Attend) -> Array:
    return _block(block, x, x[:, :1], attend)[:, 0]


def all_tokens(block: Any, x: Array, attend: Attend) -> Array:
    return _block(block, x, x, attend)[:, 0]


def _block(block: Any, x: Array, only: Array, attend: Attend) -> Array:
    """A pre-norm block's result for the tokens `only`."""
    source = block.ln1(x)
    return block.feed(only + attend(block.attn, source if only is x else block.ln1(only), source))


class Form(NamedTuple):
    """How an image tower is computed; `prepare` gets the blocks into shape, once."""

    cut: Callable[[Any, Array], Array] = cut_out
    attend: Attend = products
    prepare: Callable[[list[Any]], Any] = list
    layers: Callable[[Any, Array, Attend], Array] = unrolled
    last: Callable[[Any, Array, Attend], Array] = class_token

    def weights(self, model: models.CLIP | models.ALBEF) -> tuple[Any, Any]:
        """What `embed` reads, the blocks as this form wants them."""
        return model, self.prepare(list(model.vision.blocks)[:-1])

    def embed(self, weights: tuple[Any, Any], images: Array) -> Array:
        """`model.encode_image(images).embed`."""
        model, blocks = weights
        tower = model.vision
        x = self.cut(tower.patch, (images - _colours(OPENAI_CLIP_MEAN)) / _colours(OPENAI_CLIP_STD))
        first = jnp.broadcast_to(tower.cls[...], (x.shape[0], 1, x.shape[2]))
        x = jnp.concatenate([first, x], axis=1) + tower.pos[...][None]
        if tower.ln_pre is not None:
            x = tower.ln_pre(x)
        # Pixels, positions and the embedding are float32, the blocks what the model was loaded as.
        x = self.layers(blocks, x.astype(getattr(tower, "dtype", "float32")), self.attend)
        first = self.last(tower.blocks[-1], x, self.attend)
        return model.vision_proj(tower.ln_post(first.astype(jnp.float32)))


def _colours(three: list[float]) -> Array:
    return jnp.asarray(three, jnp.float32)[None, None, None]


FORMS = {
    "attention differentiated": Form(attend=differentiated),
    "einsum": Form(attend=einsum),
    "dot_product_attention": Form(attend=library),
    "scan over layers": Form(prepare=stack, layers=scanned),
    "convolution": Form(cut=convolved),
    "last block whole": Form(last=all_tokens),
}
