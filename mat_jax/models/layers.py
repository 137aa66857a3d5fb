"""The layers every encoder is made of: dense, attention, feed-forward, transformer block.

Arrays travel as `[batch, tokens, width]`. Dense layers see them flat, `[batch * tokens, width]`,
and attention sees `[batch * heads, tokens, head]`: plain matrix products, which XLA runs fastest
on every device. The reshapes between the two are free.

Parameters are float32. Layers compute in the dtype of what they are given, except what bfloat16
is too coarse for: normalisations, softmax and the sums inside products are float32.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from mat_jax.models.formats.sizes import BertConfig, ViTConfig
from mat_jax.utils.devices import BATCH, FSDP, TENSOR, parts, placed, split_over

Activation = Callable[[Array], Array]
Style = Literal["clip", "vit", "bert"]
Side = Literal["inputs", "outputs"] | None  # of a dense layer, which devices of `tensor` share
Dtype = Literal["float32", "bfloat16"]
Sizes = ViTConfig | BertConfig
Hidden = Float[Array, "batch tokens width"]
Pooled = Float[Array, "batch width"]
Queries = Float[Array, "batch queries width"]  # those of the tokens that read
Probs = Float[Array, "batch heads queries keys"]
Mask = Bool[Array, "#batch #queries keys"] | None  # which tokens each may read; None: all
ImageMask = Bool[Array, "images 1 read"] | None  # the same of what another tower is asked for
# Keys and values of tokens that are read, each [batch, heads, tokens, head].
Keys = tuple[Float[Array, "_ _ _ _"], Float[Array, "_ _ _ _"]]
Only, Read = Queries | None, Keys | None
TOWERS = ("vision", "text", "decoder")


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x Phi(x)` with the exact normal distribution function (Hendrycks and Gimpel, 2016)."""
    return jax.nn.gelu(x, approximate=False)


def quick_gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x sigmoid(1.702 x)`, the approximation OpenAI's CLIP was trained with."""
    return x * jax.nn.sigmoid(1.702 * x)


def normal(rngs: nnx.Rngs, shape: tuple[int, ...], std: float) -> nnx.Param:
    """A float32 parameter drawn from a normal distribution of mean 0."""
    return nnx.Param(std * jax.random.normal(rngs.params(), shape, jnp.float32))


def gathered(weight: nnx.Param, *cut: str | None) -> Array:
    """A weight as a layer computes with it: whole, or cut over `tensor` where `cut` says.

    Where it is stored in parts, XLA gathers them here.
    """
    return placed(weight[...], *cut) if split_over(FSDP, TENSOR) else weight[...]


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _of_a_product(kernel: Array, cut: tuple[str | None, ...]) -> Array:
    """`placed`, with no wish about the slope: a product's is added up where the kernel is stored.

    Left to itself, JAX would ask for it as the layer has the kernel, whole on each device.
    """
    return placed(kernel, *cut)


_of_a_product.defvjp(lambda x, cut: (placed(x, *cut), None), lambda cut, _, slope: (slope,))


def split_batch(x: Array, last: str | None = None) -> Array:
    """Activations, their first axis split as the batch is, and their last over `tensor` perhaps.

    Without it, XLA may as well split the work as the weights are stored.
    """
    if not split_over(FSDP, TENSOR) or len(x) % parts(*BATCH):
        return x
    return placed(x, BATCH, *[None] * (x.ndim - 2), last)


class Dense(nnx.Module):
    """`x kernel + bias` along the last axis, for arrays of any rank.

    Devices of the mesh's axis `tensor` share its `cut` side. Those that share the outputs each
    compute some of them. Those that share the inputs each compute a part of a sum.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        std: float,
        rngs: nnx.Rngs,
        bias: bool = True,
        cut: Side = None,
    ):
        self.kernel = normal(rngs, (inputs, outputs), std)
        self.bias = nnx.Param(jnp.zeros(outputs, jnp.float32)) if bias else None
        self.cut = cut

    def __call__(self, x: Float[Array, "*lead inputs"]) -> Float[Array, "*lead outputs"]:
        """Project the last axis."""
        inputs = TENSOR if self.cut == "inputs" else None
        outputs = TENSOR if self.cut == "outputs" else None
        kernel = self.kernel[...].astype(x.dtype)
        if split_over(FSDP, TENSOR):
            kernel = _of_a_product(kernel, (inputs, outputs))
        y = x.reshape(-1, x.shape[-1]) @ kernel
        if self.bias is not None:
            y = y + gathered(self.bias, outputs).astype(x.dtype)[None, :]
        return split_batch(y.reshape(*x.shape[:-1], y.shape[-1]), outputs)


class LayerNorm(nnx.Module):
    """`(x - mean) / sqrt(variance + eps) * scale + bias` along the last axis (Ba et al., 2016)."""

    def __init__(self, width: int, *, eps: float):
        self.scale = nnx.Param(jnp.ones(width, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(width, jnp.float32))
        self.eps = eps

    def __call__(self, x: Float[Array, "*lead width"]) -> Float[Array, "*lead width"]:
        """Normalise the last axis."""
        flat = x.reshape(-1, x.shape[-1]).astype(jnp.float32)
        centred = flat - jnp.mean(flat, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
        flat = centred * jax.lax.rsqrt(variance + self.eps) * self.scale[...][None, :]
        return (flat + self.bias[...][None, :]).reshape(x.shape).astype(x.dtype)


class Attention(nnx.Module):
    """Multi-head attention: `softmax(q k' / sqrt(head)) v`, head by head (Vaswani et al., 2017).

    The tokens that are read may be wider (`kv_width`) than those that read. Their keys and values
    are made by `keys`, once for however many calls. `stds` are those of the first weights: of what
    goes in, and of what comes out.
    """

    def __init__(
        self, width: int, heads: int, rngs: nnx.Rngs, stds: tuple[float, float], kv_width: int = 0
    ):
        std, out_std = stds
        self.heads = heads
        self.q = Dense(width, width, std=std, rngs=rngs, cut="outputs")
        self.k = Dense(kv_width or width, width, std=std, rngs=rngs, cut="outputs")
        self.v = Dense(kv_width or width, width, std=std, rngs=rngs, cut="outputs")
        self.o = Dense(width, width, std=out_std, rngs=rngs, cut="inputs")

    def keys(self, source: Float[Array, "batch tokens kv_width"]) -> Keys:
        """What queries need to know of the tokens of `source`."""
        return self._split(self.k(source)), self._split(self.v(source))

    def probs(self, x: Queries, keys: Keys, mask: Mask = None) -> Probs:
        """How much each token of `x` reads of each token that `mask` allows."""
        return _probs(self.queries(x), keys[0], mask)

    def __call__(
        self, x: Queries, keys: Keys, mask: Mask = None, probs_delta: Probs | None = None
    ) -> Queries:
        """Each token of `x` reads the tokens behind `keys` that `mask` allows.

        `probs_delta` is added to the probabilities: the gradient with respect to a zero there is
        the gradient with respect to them.
        """
        if probs_delta is None:
            mixed = _read(self.queries(x), *keys, mask)
        else:
            mixed = product((self.probs(x, keys, mask) + probs_delta).astype(x.dtype), keys[1])
        return self.o(mixed.swapaxes(1, 2).reshape(x.shape))

    def queries(self, x: Queries) -> Array:
        """What the tokens `x` ask, scaled: [batch, heads, queries, head]."""
        return self._split(self.q(x) * (x.shape[-1] // self.heads) ** -0.5)

    def _split(self, x: Array) -> Array:
        batch, tokens, width = x.shape
        return x.reshape(batch, tokens, self.heads, width // self.heads).swapaxes(1, 2)


def product(x: Array, y: Array, dtype: Any = None) -> Array:
    """`x y`, head by head of [batch, heads, ...]."""
    if split_over(TENSOR):  # two axes that are split apart stay apart
        return jnp.matmul(x, y, preferred_element_type=dtype)
    merged = (z.reshape(-1, *z.shape[2:]) for z in (x, y))
    product = jnp.matmul(*merged, preferred_element_type=dtype)
    return product.reshape(*x.shape[:2], *product.shape[1:])


def _probs(q: Array, k: Array, mask: Mask) -> Probs:
    scores = product(q, k.mT, jnp.float32)
    if mask is not None:
        # Not -inf: a caption slot that holds nothing has no key at all, and must not give nan.
        scores = jnp.where(mask[:, None], scores, jnp.finfo(scores.dtype).min)
    return jax.nn.softmax(scores, axis=-1)


@jax.custom_vjp
def _read(q: Array, k: Array, v: Array, mask: Mask) -> Array:
    """`o = p v` with `p = softmax(q k')`.

    The gradient of the scores is `p (do v' - sum(do o))`, summed over a head's few columns, where
    that of a softmax sums over all keys (Dao et al. 2022, appendix B.2). It is written out because
    it takes 0.7 of the time on a CPU (benchmarks/README.md).
    """
    return _read_forward(q, k, v, mask)[0]


def _read_forward(q: Array, k: Array, v: Array, mask: Mask) -> tuple[Array, Any]:
    p = _probs(q, k, mask)
    o = product(p.astype(v.dtype), v)
    return o, (q, k, v, mask, p, o)


def _read_backward(kept: Any, do: Array) -> tuple[Array | None, ...]:
    q, k, v, mask, p, o = kept
    dots = jnp.sum((do * o).astype(jnp.float32), axis=-1, keepdims=True)
    ds = p * (product(do, v.mT, jnp.float32) - dots)
    if mask is not None:  # where no key is allowed, p is not 0
        ds = jnp.where(mask[:, None], ds, 0.0)
    ds = ds.astype(q.dtype)
    return product(ds, k), product(ds.mT, q), product(p.astype(q.dtype).mT, do), None


_read.defvjp(_read_forward, _read_backward)


class CrossAttention(nnx.Module):
    """`ln(x + attn x)`, where each text reads an image; several texts may read the same one."""

    def __init__(self, sizes: Sizes, kv_width: int, std: float, rngs: nnx.Rngs):
        self.attn = Attention(sizes.width, sizes.heads, rngs, (std, std), kv_width)
        self.ln = LayerNorm(sizes.width, eps=sizes.eps)

    def __call__(
        self, x: Hidden, keys: Keys, probs_delta: Array | None = None, mask: ImageMask = None
    ) -> Hidden:
        """`x` after reading those `keys` of its image that `mask` allows.

        With n texts for each image, those of the first image come first. To an image they are
        one text n times as long: its keys are not repeated, nor is the mask [images, 1, keys].
        """
        images = len(keys[0])
        read = self.attn(x.reshape(images, -1, x.shape[-1]), keys, mask, probs_delta)
        return self.ln(x + read.reshape(x.shape))


class Mlp(nnx.Module):
    """`fc2(act(fc1 x))`, each token by itself."""

    def __init__(self, sizes: Sizes, act: Activation, rngs: nnx.Rngs, stds: tuple[float, float]):
        self.act = act
        self.fc1 = Dense(sizes.width, sizes.hidden, std=stds[0], rngs=rngs, cut="outputs")
        self.fc2 = Dense(sizes.hidden, sizes.width, std=stds[1], rngs=rngs, cut="inputs")

    def __call__(self, x: Float[Array, "*lead width"]) -> Float[Array, "*lead width"]:
        """Transform each token."""
        return self.fc2(self.act(self.fc1(x)))


class Block(nnx.Module):
    """A transformer block.

    "clip" and "vit", pre-norm:  `x += attn(ln1 x); x += mlp(ln2 x)`.
    "bert", post-norm:           `x = ln1(x + attn x); x = ln2(x + mlp x)`, and between the two, if
    an image's tokens of width `cross` can be read, a cross-attention.

    The first weights are drawn as each was by its authors.
    """

    def __init__(self, sizes: Sizes, style: Style, act: Activation, rngs: nnx.Rngs, cross: int = 0):
        std, std_out, std_hidden = (0.02,) * 3
        if style == "clip":
            std, std_hidden = sizes.width**-0.5, (2 * sizes.width) ** -0.5
            std_out = std * (2 * sizes.layers) ** -0.5
        self.pre_norm = style != "bert"
        self.ln1 = LayerNorm(sizes.width, eps=sizes.eps)
        self.attn = Attention(sizes.width, sizes.heads, rngs, (std, std_out))
        self.ln2 = LayerNorm(sizes.width, eps=sizes.eps)
        self.mlp = Mlp(sizes, act, rngs, (std_hidden, std_out))
        self.cross = CrossAttention(sizes, cross, std, rngs) if cross else None

    def __call__(
        self,
        x: Hidden,
        mask: Mask = None,
        only: Only = None,
        keys: Read = None,
        image: Read = None,
        image_mask: ImageMask = None,
    ) -> Queries:
        """The tokens after the block; with `only`, a selection of the tokens of `x`, just those.

        Keys and values come from all of `x` either way, so selecting before the block or after it
        gives the same numbers, and before is cheaper. With `keys` they are those, and no others.
        Without an `image` the cross-attention is left out; `image_mask` says what is read of it.
        """
        kept = self.attend(x, mask, only, keys)
        if self.cross is not None and image is not None:
            kept = self.cross(kept, image, mask=image_mask)
        return self.feed(kept)

    def attend(self, x: Hidden, mask: Mask, only: Only = None, keys: Read = None) -> Queries:
        """The first part of the block: self-attention."""
        pre, only = self.pre_norm, x if only is None else only
        asking = self.ln1(only) if pre else only
        if keys is None:
            source = asking if only is x else self.ln1(x) if pre else x
            keys = self.attn.keys(source)
        kept = only + self.attn(asking, keys, mask)
        return kept if pre else self.ln1(kept)

    def feed(self, x: Queries) -> Queries:
        """The last part of the block: each token by itself."""
        return x + self.mlp(self.ln2(x)) if self.pre_norm else self.ln2(x + self.mlp(x))


def compute_in(model: nnx.Module, dtype: str) -> None:
    """Let the towers of a model compute in "float32" or "bfloat16"; its weights stay float32.

    Pixels, embeddings and what is made of the pooled token stay float32 too: a step of 1/255 is
    less than bfloat16 can tell apart, and so are the scores of substitutes of a word.
    """
    if dtype not in ("float32", "bfloat16"):
        raise ValueError(f"dtype={dtype!r}: models compute in 'float32' or 'bfloat16'")
    for name in TOWERS:
        if hasattr(model, name):
            getattr(model, name).dtype = jnp.dtype(dtype)
