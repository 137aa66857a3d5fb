"""Convolution of each channel by itself, as XLA's CPU does it well."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Map = Float[Array, "batch h w channels"]
Smaller = Float[Array, "batch y x channels"]
Kernel = Float[Array, "rows columns 1 channels"]


def depthwise(x: Map, kernel: Kernel, *, stride: int, pad: tuple[int, int]) -> Smaller:
    """`y[i, j, c] = sum_{r, s} kernel[r, s, 0, c] x[stride i + r - pad, stride j + s - pad, c]`.

    On a CPU a sum of shifted products, elsewhere XLA's convolution: the CPU has no good program
    for one with as many groups as channels (`benchmarks/depthwise.py`). The values agree but for
    rounding.

    Args:
        x: feature maps.
        kernel: a square of weights for each channel.
        stride: of rows and columns.
        pad: zeros before and after, of rows and of columns.
    """
    return jax.lax.platform_dependent(
        x,
        kernel,
        cpu=partial(shifted, stride=stride, pad=pad),
        default=partial(convolved, stride=stride, pad=pad),
    )


def convolved(x: Map, kernel: Kernel, *, stride: int, pad: tuple[int, int]) -> Smaller:
    """`depthwise` by XLA's convolution."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        (pad, pad),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def shifted(x: Map, kernel: Kernel, *, stride: int, pad: tuple[int, int]) -> Smaller:
    """`depthwise` as a sum of shifted products, and its gradient as another."""
    return _shifted(x, kernel, stride, pad)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _shifted(x: Map, kernel: Kernel, stride: int, pad: tuple[int, int]) -> Smaller:
    size = kernel.shape[0]
    # Behind a barrier: what comes before would else be computed again for every shift.
    padded = jax.lax.optimization_barrier(jnp.pad(x, ((0, 0), pad, pad, (0, 0))))
    batch, height, width, channels = padded.shape
    rows, columns = ((length - size) // stride for length in (height, width))
    total = jnp.zeros((batch, rows + 1, columns + 1, channels), x.dtype)
    for r in range(size):
        for s in range(size):
            last = (batch, r + rows * stride + 1, s + columns * stride + 1, channels)
            part = jax.lax.slice(padded, (0, r, s, 0), last, (1, stride, stride, 1))
            total += part * kernel[r, s, 0][None, None, None]
    return total


def _forward(x: Map, kernel: Kernel, stride: int, pad: tuple[int, int]):
    return _shifted(x, kernel, stride, pad), (x, kernel)


def _backward(stride: int, pad: tuple[int, int], kept: tuple[Map, Kernel], slope: Smaller):
    """To the pixels the same with the kernel turned; to a weight the product with its shift."""
    x, kernel = kept
    slope = jax.lax.optimization_barrier(slope)
    size = kernel.shape[0]
    before = size - 1 - pad[0]
    # Zeros between the places of a stride, and around so that each pixel meets its weights.
    spread = [(n - 1) * stride + 1 for n in slope.shape[1:3]]
    after = [n + size - 1 - before - m for n, m in zip(x.shape[1:3], spread, strict=True)]
    edges = [(before, n, stride - 1) for n in after]
    wide = jax.lax.pad(slope, jnp.zeros((), slope.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    to_x = _shifted(wide, kernel[::-1, ::-1], 1, (0, 0))
    padded = jax.lax.optimization_barrier(jnp.pad(x, ((0, 0), pad, pad, (0, 0))))
    rows, columns = spread
    to_kernel = [
        jnp.sum(padded[:, r : r + rows : stride, s : s + columns : stride] * slope, axis=(0, 1, 2))
        for r in range(size)
        for s in range(size)
    ]
    return to_x, jnp.stack(to_kernel).reshape(kernel.shape)


_shifted.defvjp(_forward, _backward)
