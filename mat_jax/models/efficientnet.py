"""EfficientNet (Tan and Le, 2019): a stem and inverted bottlenecks, without the classifier's top.

Batch normalisation is frozen: its statistics are those of the checkpoint, whatever a batch holds,
so an image's features depend on no other image, in training as in attacks.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import silu
from jaxtyping import Array, Float

from mat_jax.models.convolutions import depthwise
from mat_jax.models.formats.sizes import EfficientNetConfig
from mat_jax.models.layers import normal
from mat_jax.models.memory import Memory, in_pieces


class Conv(nnx.Module):
    """A convolution, batch normalisation (Ioffe and Szegedy, 2015) if given an `eps`, a bias.

    `(kernel * x - mean) / sqrt(variance + eps) * scale + bias`. Mean and variance are no
    parameters: loaded and saved, but never trained (`train.state.create` knows them by name).

    Zeros around the image keep its size, or halve it with a `stride` of 2, where there is one less
    above and to the left unless `symmetric`.
    """

    def __init__(
        self,
        size: int,
        inputs: int,
        outputs: int,
        *,
        eps: float | None,
        stride: int = 1,
        groups: int = 1,
        symmetric: bool = False,
        rngs: nnx.Rngs,
    ):
        shape = (size, size, inputs // groups, outputs)
        self.kernel = normal(rngs, shape, (2 / math.prod(shape[:3])) ** 0.5)
        self.bias = nnx.Param(jnp.zeros(outputs, jnp.float32))
        self.eps, self.stride, self.groups = eps, stride, groups
        self.pad = (size // 2 - (stride == 2 and not symmetric), size // 2)
        if eps is not None:
            self.scale = nnx.Param(jnp.ones(outputs, jnp.float32))
            self.running_mean = nnx.BatchStat(jnp.zeros(outputs, jnp.float32))
            self.running_var = nnx.BatchStat(jnp.ones(outputs, jnp.float32))

    def __call__(self, x: Float[Array, "batch h w inputs"]) -> Float[Array, "batch y x outputs"]:
        """Convolve rows and columns; a kernel of one pixel is a matrix product."""
        kernel = self.kernel[...].astype(x.dtype)
        if kernel.shape[:2] == (1, 1):
            y = (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:3], -1)
        elif self.groups == x.shape[-1] == kernel.shape[-1]:
            y = depthwise(x, kernel, stride=self.stride, pad=self.pad)
        else:
            y = jax.lax.conv_general_dilated(
                x,
                kernel,
                (self.stride, self.stride),
                (self.pad, self.pad),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=self.groups,
            )
        y = y.astype(jnp.float32)
        if self.eps is not None:
            factor = jax.lax.rsqrt(self.running_var[...] + self.eps) * self.scale[...]
            y = (y - self.running_mean[...][None, None, None]) * factor[None, None, None]
        return (y + self.bias[...][None, None, None]).astype(x.dtype)


class Bottleneck(nnx.Module):
    """`project(weigh(depthwise(expand x)))`, plus `x` in all but the `first` block of a stage.

    `weigh y = y sigmoid(up(silu(down(mean y))))`, the mean being over places (Hu et al., 2018).
    """

    def __init__(
        self, config: EfficientNetConfig, stage: int, first: bool, symmetric: bool, rngs: nnx.Rngs
    ):
        outputs = config.channels(config.out_channels[stage])
        inputs = config.channels(config.in_channels[stage]) if first else outputs
        wide, eps = config.expand_ratios[stage] * inputs, config.batch_norm_eps
        narrow = max(1, int(config.squeeze_expansion_ratio * inputs))
        self.residual = not first
        self.expand = Conv(1, inputs, wide, eps=eps, rngs=rngs) if wide != inputs else None
        size, stride = config.kernel_sizes[stage], config.strides[stage] if first else 1
        apart = {"groups": wide, "symmetric": symmetric}
        self.depthwise = Conv(size, wide, wide, eps=eps, stride=stride, **apart, rngs=rngs)
        self.down = Conv(1, wide, narrow, eps=None, rngs=rngs)
        self.up = Conv(1, narrow, wide, eps=None, rngs=rngs)
        self.project = Conv(1, wide, outputs, eps=eps, rngs=rngs)

    def __call__(self, x: Float[Array, "batch h w inputs"]) -> Float[Array, "batch y x outputs"]:
        """Widen, look around, weigh the channels, narrow."""
        y = x if self.expand is None else silu(self.expand(x))
        y = silu(self.depthwise(y))
        mean = jnp.mean(y, axis=(1, 2), keepdims=True)
        y = self.project(y * jax.nn.sigmoid(self.up(silu(self.down(mean)))))
        return x + y if self.residual else y


class EfficientNet(nnx.Module):
    """A stem that halves the image, then the blocks of all stages."""

    def __init__(self, config: EfficientNetConfig, rngs: nnx.Rngs):
        blocks = [
            (stage, repeat == 0)
            for stage, repeats in enumerate(config.num_block_repeats)
            for repeat in range(math.ceil(config.depth_coefficient * repeats))
        ]
        width = config.channels(config.in_channels[0])
        self.dtype = jnp.dtype("float32")
        self.memory = Memory()
        self.stem = Conv(3, 3, width, eps=config.batch_norm_eps, stride=2, rngs=rngs)
        self.blocks = nnx.List(
            Bottleneck(config, stage, first, number in config.depthwise_padding, rngs)
            for number, (stage, first) in enumerate(blocks)
        )

    def __call__(
        self, images: Float[Array, "batch h w 3"]
    ) -> tuple[Float[Array, "batch places width"], Float[Array, "batch width"]]:
        """The places of the last map, row by row, and their mean.

        The map is a 32nd of the image a side in the published networks.
        """
        return in_pieces(self._encode, self.memory.rows, images)

    def _encode(self, images: Array) -> tuple[Array, Array]:
        call = Bottleneck.__call__
        if self.memory.remat == "blocks":
            call = jax.checkpoint(call)
        x = silu(self.stem(images)).astype(self.dtype)
        for block in self.blocks:
            x = call(block, x)
        places = x.reshape(len(x), -1, x.shape[-1])
        return places, jnp.mean(places.astype(jnp.float32), axis=1)
