"""EfficientNet (Tan and Le, 2019): a stem and inverted bottlenecks, without the classifier's top.

Batch normalisation is frozen: its statistics are those of the checkpoint, whatever a batch holds,
so an image's features depend on no other image, in training as in attacks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import silu
from jaxtyping import Array, Float

from mat_jax.models.nn import normal

# What transformers calls the sizes. Its defaults are ours.
NAMES = {
    "width": "width_coefficient",
    "depth": "depth_coefficient",
    "divisor": "depth_divisor",
    "inputs": "in_channels",
    "outputs": "out_channels",
    "kernels": "kernel_sizes",
    "strides": "strides",
    "repeats": "num_block_repeats",
    "expand": "expand_ratios",
    "squeeze": "squeeze_expansion_ratio",
    "eps": "batch_norm_eps",
    "symmetric": "depthwise_padding",
}


@dataclass(frozen=True)
class EfficientNetConfig:
    """The sizes of an EfficientNet; the defaults are B7's.

    Channels of a stage are those listed times `width`, to a multiple of `divisor`; its blocks
    those listed times `depth`, rounded up. `squeeze` is a share of a block's incoming channels.
    `symmetric` holds the numbers of blocks that halve the image with equal zeros on all sides.
    """

    width: float = 2.0
    depth: float = 3.1
    divisor: int = 8
    inputs: tuple[int, ...] = (32, 16, 24, 40, 80, 112, 192)
    outputs: tuple[int, ...] = (16, 24, 40, 80, 112, 192, 320)
    kernels: tuple[int, ...] = (3, 3, 5, 3, 5, 5, 3)
    strides: tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)
    repeats: tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1)
    expand: tuple[int, ...] = (1, 6, 6, 6, 6, 6, 6)
    squeeze: float = 0.25
    eps: float = 1e-3
    symmetric: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        stages = ("inputs", "outputs", "kernels", "strides", "repeats", "expand")
        counts = {name: len(getattr(self, name)) for name in stages}
        if len(set(counts.values())) > 1:
            raise ValueError(f"expected one number a stage everywhere, got {counts}")

    @classmethod
    def from_hf(cls, settings: Mapping[str, Any]) -> "EfficientNetConfig":
        """Read transformers' settings; what they leave out has transformers' default."""
        expected = {
            "hidden_act": ("swish", "silu"),
            "pooling_type": ("mean",),
            "num_channels": (3,),
        }
        for name, values in expected.items():
            if settings.get(name, values[0]) not in values:
                raise ValueError(
                    f"{name}={settings[name]!r} is unknown here; expected {values[0]!r}"
                )
        found: dict[str, Any] = {
            ours: tuple(value) if isinstance(value := settings[theirs], list) else value
            for ours, theirs in NAMES.items()
            if theirs in settings
        }
        return cls(**found)

    def to_hf(self) -> dict[str, Any]:
        """The same sizes as transformers calls them."""
        return {theirs: getattr(self, ours) for ours, theirs in NAMES.items()}

    def channels(self, listed: int) -> int:
        """`width * listed` as the nearest multiple of `divisor` that is not 10 % too small."""
        exact = self.width * listed
        count = max(self.divisor, int(exact + self.divisor / 2) // self.divisor * self.divisor)
        return count + self.divisor if count < 0.9 * exact else count


class Conv(nnx.Module):
    """A convolution, with as many zeros around the image as keep its size (or halve it).

    `stride=2` takes one zero less above and to the left, unless it is `symmetric`.
    """

    def __init__(
        self,
        size: int,
        inputs: int,
        outputs: int,
        *,
        stride: int = 1,
        groups: int = 1,
        symmetric: bool = False,
        bias: bool = False,
        rngs: nnx.Rngs,
    ):
        fan_in = size * size * inputs // groups
        self.kernel = normal(rngs, (size, size, inputs // groups, outputs), (2 / fan_in) ** 0.5)
        self.bias = nnx.Param(jnp.zeros(outputs, jnp.float32)) if bias else None
        self.stride = stride
        self.groups = groups
        self.pad = (size // 2 - (stride == 2 and not symmetric), size // 2)

    def __call__(self, x: Float[Array, "batch h w inputs"]) -> Float[Array, "batch y x outputs"]:
        """Convolve rows and columns; a kernel of one pixel is a matrix product."""
        kernel = self.kernel[...]
        if kernel.shape[:2] == (1, 1):
            y = (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:3], -1)
        else:
            y = jax.lax.conv_general_dilated(
                x,
                kernel,
                (self.stride, self.stride),
                (self.pad, self.pad),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=self.groups,
            )
        return y if self.bias is None else y + self.bias[...][None, None, None]


class BatchNorm(nnx.Module):
    """`(x - mean) / sqrt(variance + eps) * scale + bias` by channel (Ioffe and Szegedy, 2015).

    Mean and variance are given, not taken from the batch. They are no parameters: loaded and saved
    with the model, and left alone by training (`state.create` knows them by name).
    """

    def __init__(self, width: int, *, eps: float):
        self.scale = nnx.Param(jnp.ones(width, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(width, jnp.float32))
        self.running_mean = nnx.BatchStat(jnp.zeros(width, jnp.float32))
        self.running_var = nnx.BatchStat(jnp.ones(width, jnp.float32))
        self.eps = eps

    def __call__(self, x: Float[Array, "batch h w width"]) -> Float[Array, "batch h w width"]:
        """Normalise each channel."""
        factor = jax.lax.rsqrt(self.running_var[...] + self.eps) * self.scale[...]
        centred = x - self.running_mean[...][None, None, None]
        return centred * factor[None, None, None] + self.bias[...][None, None, None]


class Excite(nnx.Module):
    """`x sigmoid(up(silu(down(mean x))))`, the mean over all places (Hu et al., 2018)."""

    def __init__(self, width: int, narrow: int, *, rngs: nnx.Rngs):
        self.down = Conv(1, width, narrow, bias=True, rngs=rngs)
        self.up = Conv(1, narrow, width, bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "batch h w width"]) -> Float[Array, "batch h w width"]:
        """Weigh the channels of each image."""
        mean = jnp.mean(x, axis=(1, 2), keepdims=True)
        return x * jax.nn.sigmoid(self.up(silu(self.down(mean))))


class Bottleneck(nnx.Module):
    """`project(excite(depthwise(expand x)))`, each but `excite` normalised, `+ x` if `residual`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        stride: int,
        symmetric: bool,
        expand: int,
        squeeze: float,
        residual: bool,
        eps: float,
        rngs: nnx.Rngs,
    ):
        wide = expand * inputs
        self.residual = residual
        self.expand = Conv(1, inputs, wide, rngs=rngs) if expand > 1 else None
        self.bn_expand = BatchNorm(wide, eps=eps) if expand > 1 else None
        self.depthwise = Conv(
            kernel, wide, wide, stride=stride, groups=wide, symmetric=symmetric, rngs=rngs
        )
        self.bn_depthwise = BatchNorm(wide, eps=eps)
        self.excite = Excite(wide, max(1, int(squeeze * inputs)), rngs=rngs)
        self.project = Conv(1, wide, outputs, rngs=rngs)
        self.bn_project = BatchNorm(outputs, eps=eps)

    def __call__(self, x: Float[Array, "batch h w inputs"]) -> Float[Array, "batch y x outputs"]:
        """Widen, look around, narrow."""
        y = x
        if self.expand is not None and self.bn_expand is not None:
            y = silu(self.bn_expand(self.expand(y)))
        y = silu(self.bn_depthwise(self.depthwise(y)))
        y = self.bn_project(self.project(self.excite(y)))
        return x + y if self.residual else y


class EfficientNet(nnx.Module):
    """A stem that halves the image, then stages: the first block of each adds nothing to `x`."""

    def __init__(self, config: EfficientNetConfig, rngs: nnx.Rngs):
        stem = config.channels(config.inputs[0])
        self.stem = Conv(3, 3, stem, stride=2, rngs=rngs)
        self.bn_stem = BatchNorm(stem, eps=config.eps)
        self.blocks = nnx.List()
        for inputs, outputs, kernel, stride, repeats, expand in zip(
            *(config.inputs, config.outputs, config.kernels),
            *(config.strides, config.repeats, config.expand),
            strict=True,
        ):
            for repeat in range(math.ceil(config.depth * repeats)):
                self.blocks.append(
                    Bottleneck(
                        config.channels(outputs if repeat else inputs),
                        config.channels(outputs),
                        kernel=kernel,
                        stride=1 if repeat else stride,
                        symmetric=len(self.blocks) in config.symmetric,
                        expand=expand,
                        squeeze=config.squeeze,
                        residual=repeat > 0,
                        eps=config.eps,
                        rngs=rngs,
                    )
                )

    def __call__(self, images: Float[Array, "batch h w 3"]) -> Float[Array, "batch y x width"]:
        """The last map, a 32nd of the image a side in every published network."""
        x = silu(self.bn_stem(self.stem(images)))
        for block in self.blocks:
            x = block(x)
        return x
