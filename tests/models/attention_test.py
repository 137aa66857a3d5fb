"""Attention against torch's: what is read, and the gradients written out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from mat_jax.models.layers import Attention
from tests.tools.narrow import some

BATCH, QUERIES, TOKENS, WIDTH, HEADS = 3, 4, 5, 12, 3


def inputs():
    rng = np.random.default_rng(0)
    shapes = (BATCH, QUERIES, WIDTH), (BATCH, TOKENS, WIDTH), (BATCH, QUERIES, WIDTH)
    x, source, direction = (jnp.float32(rng.standard_normal(shape)) for shape in shapes)
    return x, source, direction, rng.random((BATCH, QUERIES, TOKENS)) < 0.6


def theirs(attention, x, source, direction, mask):
    """Torch's own attention in double precision: output and gradients."""

    def projected(dense, y):
        kernel, bias = (torch.tensor(np.float64(leaf[...])) for leaf in (dense.kernel, dense.bias))
        return y @ kernel + bias

    def split(y):
        return y.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    x, source = (torch.tensor(np.float64(y), requires_grad=True) for y in (x, source))
    q, k, v = (
        split(projected(dense, y))
        for dense, y in ((attention.q, x), (attention.k, source), (attention.v, source))
    )
    allowed = None if mask is None else torch.tensor(mask)[:, None]
    read = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
    out = projected(attention.o, read.transpose(1, 2).flatten(-2))
    (out * torch.tensor(np.float64(direction))).sum().backward()
    return out.detach().numpy(), some(x.grad).numpy(), some(source.grad).numpy()


@pytest.fixture(scope="module")
def attention():
    return Attention(WIDTH, HEADS, nnx.Rngs(0), (1.0, 1.0))


def ours(attention, x, source, direction, mask):
    def function(x, source):
        return attention(x, attention.keys(source), None if mask is None else jnp.asarray(mask))

    out, back = jax.vjp(function, x, source)
    return out, *back(direction)


@pytest.mark.parametrize("masked", [False, True])
def test_output_and_gradients_are_torchs(attention, masked):
    x, source, direction, mask = inputs()
    mask = mask | (np.arange(TOKENS) == 0) if masked else None  # a key for each
    with jax.default_matmul_precision("highest"):
        found = ours(attention, x, source, direction, mask)
    for one, other in zip(found, theirs(attention, x, source, direction, mask), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4, rtol=1e-4)


def test_where_nothing_may_be_read_no_gradient_flows(attention):
    x, source, direction, mask = inputs()
    mask[1] = False
    _, to_x, to_source = ours(attention, x, source, direction, mask)
    assert jnp.isfinite(to_x).all()
    np.testing.assert_array_equal(to_x[1], 0.0)
    assert np.abs(to_x[0]).max() > 0.01
    # All keys alike: the mean of the values, whose gradient is that of each value.
    assert np.abs(to_source[1] - to_source[1, :1]).max() < 1e-6


def test_the_gradient_of_a_zero_added_to_the_probabilities(attention):
    x, source, direction, _ = inputs()
    keys = attention.keys(source)

    def written_out(probs):
        mixed = (probs @ keys[1]).swapaxes(1, 2).reshape(x.shape)
        return jnp.sum(attention.o(mixed) * direction)

    def ours(delta):
        return jnp.sum(attention(x, keys, probs_delta=delta) * direction)

    probs = attention.probs(x, keys)
    np.testing.assert_allclose(probs.sum(axis=-1), 1.0, atol=1e-6)
    found = jax.grad(ours)(jnp.zeros_like(probs))
    np.testing.assert_allclose(found, jax.grad(written_out)(probs), atol=1e-5)
