"""The layers every encoder is made of: dense, attention, feed-forward, transformer block.

Arrays travel as `[batch, tokens, width]`. Dense layers see them flat, `[batch * tokens, width]`,
and attention sees `[batch * heads, tokens, head]`: plain matrix products, which XLA runs fastest
on every device. The reshapes between the two are free.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

Activation = Callable[[Array], Array]


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x Phi(x)` with the exact normal distribution function (Hendrycks and Gimpel, 2016)."""
    return jax.nn.gelu(x, approximate=False)


def quick_gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x sigmoid(1.702 x)`, the approximation OpenAI's CLIP was trained with."""
    return x * jax.nn.sigmoid(1.702 * x)


def normal(rngs: nnx.Rngs, shape: tuple[int, ...], std: float) -> nnx.Param:
    """A float32 parameter drawn from a normal distribution of mean 0."""
    return nnx.Param(std * jax.random.normal(rngs.params(), shape, jnp.float32))


class Dense(nnx.Module):
    """`x kernel + bias` along the last axis, for arrays of any rank."""

    def __init__(self, inputs: int, outputs: int, *, std: float, rngs: nnx.Rngs, bias: bool = True):
        self.kernel = normal(rngs, (inputs, outputs), std)
        self.bias = nnx.Param(jnp.zeros(outputs, jnp.float32)) if bias else None

    def __call__(self, x: Float[Array, "*lead inputs"]) -> Float[Array, "*lead outputs"]:
        """Project the last axis."""
        y = x.reshape(-1, x.shape[-1]) @ self.kernel[...]
        if self.bias is not None:
            y = y + self.bias[...][None, :]
        return y.reshape(*x.shape[:-1], y.shape[-1])


class LayerNorm(nnx.Module):
    """`(x - mean) / sqrt(variance + eps) * scale + bias` along the last axis (Ba et al., 2016)."""

    def __init__(self, width: int, *, eps: float):
        self.scale = nnx.Param(jnp.ones(width, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(width, jnp.float32))
        self.eps = eps

    def __call__(self, x: Float[Array, "*lead width"]) -> Float[Array, "*lead width"]:
        """Normalise the last axis."""
        flat = x.reshape(-1, x.shape[-1])
        centred = flat - jnp.mean(flat, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
        flat = centred * jax.lax.rsqrt(variance + self.eps) * self.scale[...][None, :]
        return (flat + self.bias[...][None, :]).reshape(x.shape)


class Attention(nnx.Module):
    """Multi-head attention: `softmax(q k' / sqrt(head)) v`, head by head (Vaswani et al., 2017)."""

    def __init__(self, width: int, heads: int, *, std: float, out_std: float, rngs: nnx.Rngs):
        self.heads = heads
        self.q = Dense(width, width, std=std, rngs=rngs)
        self.k = Dense(width, width, std=std, rngs=rngs)
        self.v = Dense(width, width, std=std, rngs=rngs)
        self.o = Dense(width, width, std=out_std, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "batch queries width"],
        source: Float[Array, "batch keys width"],
        mask: Bool[Array, "#batch #queries keys"] | None = None,
    ) -> Float[Array, "batch queries width"]:
        """Each token of `x` reads the tokens of `source` that `mask` allows."""
        batch, queries, width = x.shape
        head = width // self.heads
        q, k, v = (
            self._split(self.q(x) * head**-0.5),
            self._split(self.k(source)),
            self._split(self.v(source)),
        )
        scores = q @ k.swapaxes(1, 2)
        if mask is not None:
            by_head = scores.reshape(batch, self.heads, queries, -1)
            # Not -inf: a caption slot that holds nothing has no key at all, and must not give nan.
            by_head = jnp.where(mask[:, None], by_head, jnp.finfo(scores.dtype).min)
            scores = by_head.reshape(scores.shape)
        mixed = (jax.nn.softmax(scores, axis=-1) @ v).reshape(batch, self.heads, queries, head)
        return self.o(mixed.swapaxes(1, 2).reshape(batch, queries, width))

    def _split(self, x: Array) -> Array:
        batch, tokens, width = x.shape
        head = width // self.heads
        by_head = x.reshape(batch, tokens, self.heads, head).swapaxes(1, 2)
        return by_head.reshape(batch * self.heads, tokens, head)


class Mlp(nnx.Module):
    """`fc2(act(fc1 x))`."""

    def __init__(
        self,
        width: int,
        hidden: int,
        *,
        act: Activation,
        std: float,
        out_std: float,
        rngs: nnx.Rngs,
    ):
        self.act = act
        self.fc1 = Dense(width, hidden, std=std, rngs=rngs)
        self.fc2 = Dense(hidden, width, std=out_std, rngs=rngs)

    def __call__(self, x: Float[Array, "*lead width"]) -> Float[Array, "*lead width"]:
        """Transform each token by itself."""
        return self.fc2(self.act(self.fc1(x)))


class Block(nnx.Module):
    """A transformer block.

    `norm="pre"` (CLIP, ViT):  `x += attn(ln1 x); x += mlp(ln2 x)`.
    `norm="post"` (BERT):      `x = ln1(x + attn x); x = ln2(x + mlp x)`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        norm: Literal["pre", "post"],
        act: Activation,
        eps: float,
        stds: tuple[float, float, float],
        rngs: nnx.Rngs,
    ):
        std_in, std_out, std_hidden = stds
        self.norm = norm
        self.ln1 = LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads, std=std_in, out_std=std_out, rngs=rngs)
        self.ln2 = LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, hidden, act=act, std=std_hidden, out_std=std_out, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        mask: Bool[Array, "#batch #queries tokens"] | None = None,
        only: Float[Array, "batch queries width"] | None = None,
    ) -> Float[Array, "batch queries width"]:
        """The tokens after the block; with `only`, a selection of the tokens of `x`, just those.

        Keys and values come from all of `x` either way, so selecting before the block or after it
        gives the same numbers, and before is cheaper.
        """
        kept = x if only is None else only
        if self.norm == "pre":
            source = self.ln1(x)
            kept = kept + self.attn(source if only is None else self.ln1(kept), source, mask)
            return kept + self.mlp(self.ln2(kept))
        kept = self.ln1(kept + self.attn(kept, x, mask))
        return self.ln2(kept + self.mlp(kept))
