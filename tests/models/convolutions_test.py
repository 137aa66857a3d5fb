"""The two ways of a depthwise convolution: values and both gradients against torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax.models.convolutions import convolved, depthwise, shifted
from tests.tools.narrow import some


@pytest.mark.parametrize("way", [shifted, convolved, depthwise])
@pytest.mark.parametrize(
    "side, size, stride, pad",
    [
        (8, 3, 1, (1, 1)),
        (8, 3, 2, (0, 1)),
        (9, 5, 2, (2, 2)),
        (7, 5, 1, (2, 2)),
        (10, 3, 2, (1, 1)),
    ],
)
def test_values_and_gradients_are_those_of_torch(way, side, size, stride, pad):
    draw = np.random.RandomState(0)
    x = draw.randn(2, side, side + 1, 6).astype(np.float32)
    kernel = draw.randn(size, size, 1, 6).astype(np.float32)

    def energy(x, kernel):
        found = way(x, kernel, stride=stride, pad=pad)
        return jnp.sum(jnp.sin(found)), found

    both = jax.jit(jax.grad(energy, argnums=(0, 1), has_aux=True))
    (to_x, to_kernel), found = both(jnp.asarray(x), jnp.asarray(kernel))
    leaves = [torch.tensor(one, requires_grad=True) for one in (x, kernel)]
    padded = torch.nn.functional.pad(leaves[0].permute(0, 3, 1, 2), (*pad, *pad))
    weights = leaves[1].permute(3, 2, 0, 1)
    theirs = torch.nn.functional.conv2d(padded, weights, stride=stride, groups=6)
    torch.sin(theirs).sum().backward()
    np.testing.assert_allclose(found, theirs.detach().permute(0, 2, 3, 1), atol=1e-5)
    np.testing.assert_allclose(to_x, some(leaves[0].grad), atol=1e-5)
    np.testing.assert_allclose(to_kernel, some(leaves[1].grad), atol=3e-5)
