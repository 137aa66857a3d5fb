"""What a convolution of each channel by itself costs: XLA's, and shifted products.

    python benchmarks/depthwise.py [--size 128] [--batch 4]

One layer after the other, then an image tower of ALIGN's kind (EfficientNet-B0): forward, and the
gradient with respect to the images. Processor time in milliseconds, which other programs on the
machine disturb less than the clock.
"""

import argparse
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax.models import efficientnet
from mat_jax.models.convolutions import convolved, shifted
from mat_jax.models.formats.sizes import EfficientNetConfig

WAYS = {"convolution": convolved, "shifted products": shifted}
# (side, channels, kernel, stride), from EfficientNet-B0 at 112 pixels.
LAYERS = [(56, 96, 3, 2), (56, 96, 3, 1), (28, 144, 5, 2), (14, 480, 5, 1)]


def milliseconds(function, *given, repeats=5) -> float:
    jax.block_until_ready(function(*given))
    times = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(function(*given))
        times.append(time.process_time() - start)
    return 1000 * min(times)


def row(name: str, forward, x) -> None:
    def energy(x):
        return jnp.sum(jnp.square(forward(x).astype(jnp.float32)))

    both = milliseconds(jax.jit(forward), x), milliseconds(jax.jit(jax.grad(energy)), x)
    print(f"{name:46}{both[0]:10.1f}{both[1]:12.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    asked = parser.parse_args()
    draw = np.random.RandomState(0)
    print(f"{'processor time, ms':46}{'forward':>10}{'to images':>12}")
    for side, channels, size, stride in LAYERS:
        x = jnp.asarray(draw.randn(asked.batch, side, side, channels), jnp.float32)
        kernel = jnp.asarray(draw.randn(size, size, 1, channels), jnp.float32)
        pad = (size // 2 - (stride == 2), size // 2)
        for name, way in WAYS.items():
            layer = partial(way, kernel=kernel, stride=stride, pad=pad)
            row(f"{side} x {side} x {channels}, {size} x {size} / {stride}: {name}", layer, x)
    x = jnp.asarray(draw.rand(asked.batch, asked.size, asked.size, 3), jnp.float32)
    for name, way in WAYS.items():
        efficientnet.depthwise = way
        tower = efficientnet.EfficientNet(EfficientNetConfig(1.0, 1.0), nnx.Rngs(0))
        row(f"tower at {asked.size} pixels: {name}", lambda x, tower=tower: tower(x)[1], x)


if __name__ == "__main__":
    main()
