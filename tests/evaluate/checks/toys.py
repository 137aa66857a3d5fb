"""Samples of tiny models, as they are and behind something that hides their gradient.

Each image has two captions whose embeddings are the image's own, so that retrieval is perfect as
long as nothing is attacked.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax import models
from mat_jax.attacks import ThreatModel
from mat_jax.evaluate.checks import Sample
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.text_format import TextFormat
from tests.tools.narrow import host

IMAGES, CAPTIONS, SIZE, EMBED, EPS = 8, 2, 16, 24, 4 / 255


def as_it_is(images):
    return images


def saturated(images):
    return jax.nn.sigmoid(1000 * images)


def binary(images):
    """Black or white; but for the few pixels at half height, the slope is next to nothing."""
    return jax.nn.sigmoid(1000 * (images - 0.5))


def quantised(images):
    """Eight levels; the gradient of rounding is 0."""
    return jnp.round(7 * images) / 7


def straight_through(images):
    """Eight levels, and a gradient that tells another story."""
    return images + jax.lax.stop_gradient(quantised(images) - images)


def blind(images):
    return 0 * images


def tiny_clip():
    """Random weights, drawn by numpy, which compiles nothing; large enough that pixels matter."""
    config = models.CLIPConfig(
        image_size=SIZE, patch_size=8, vision=models.ViTConfig(32, layers=1, heads=2),
        text=models.BertConfig(32, 4, 16, layers=1, heads=2), embed=EMBED,
    )  # fmt: skip
    draw = np.random.default_rng(0)

    def filled(path, leaf):
        if "scale" in str(path[-2:]):
            return jnp.ones(leaf.shape)
        values = draw.normal(size=leaf.shape) * (0.25 if len(leaf.shape) > 1 else 0.0)
        return jnp.asarray(values, leaf.dtype)

    return jax.tree.map_with_path(filled, nnx.eval_shape(lambda: models.CLIP(config, nnx.Rngs(0))))


class Perceptron(nnx.Module):
    """An image tower of two layers, which compiles quickly."""

    def __init__(self):
        draw, wide = np.random.default_rng(0), SIZE * SIZE * 3
        self.inner = nnx.Param(jnp.asarray(0.15 * draw.normal(size=(wide, 32)), jnp.float32))
        self.outer = nnx.Param(jnp.asarray(draw.normal(size=(32, EMBED)), jnp.float32))

    def encode_image(self, images):
        hidden = jnp.tanh((images.reshape(len(images), -1) - 0.5) @ self.inner[...])
        return ImageFeatures(hidden[:, None], hidden @ self.outer[...])


class Behind(nnx.Module):
    """A tower that sees images through a function; a caption is the number of its embedding."""

    def __init__(self, first, tower, scale=100.0, noise=0.0):
        self.tower, self.first, self.noise = tower(), first, noise
        self.text_format = TextFormat(1, 2, 0, 4)
        self.temperature = nnx.Param(jnp.asarray(scale))
        self.rngs = nnx.Rngs(0) if noise else None
        self.table = nnx.Param(jnp.zeros((IMAGES * CAPTIONS, EMBED)))

    @property
    def scale(self):
        return self.temperature[...]

    def encode_image(self, images):
        embed = self.tower.encode_image(self.first(jnp.asarray(images))).embed
        if self.rngs is not None:
            embed = embed + self.noise * jax.random.normal(self.rngs(), embed.shape)
        return ImageFeatures(embed[:, None], embed)

    def encode_text(self, tokens, shift=None, /):
        embed = self.table[...][jnp.asarray(tokens.ids)[:, 1]]
        return TextFeatures(embed[:, None], embed, tokens.mask)


def pictures(seed=0):
    """Blocks of colour with some noise, as uint8 pictures have them."""
    draw = np.random.default_rng(seed)
    blocks = draw.integers(20, 236, (IMAGES, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    noisy = blocks + draw.integers(-20, 21, blocks.shape)
    return noisy.astype(np.float32) / np.float32(255)


def sample_of(first, *, tower=Perceptron, attack=None, scale=100.0, noise=0.0, **asked: Any):
    """A sample whose captions are right."""
    model, images = Behind(first, tower, scale=scale, noise=noise), pictures()
    embed = jax.jit(lambda model, x: model.encode_image(x).embed)(model, images)
    model.table[...] = jnp.repeat(embed, CAPTIONS, axis=0)
    count = IMAGES * CAPTIONS
    ids = np.full((count, 4), 1, np.int32)
    ids[:, 1] = np.arange(count)
    settings: dict[str, Any] = {"eps": EPS, "steps": 10, "step_size": EPS / 4, **asked}
    return Sample(
        model=model,
        ids=np.arange(IMAGES, dtype=np.int32),
        images=images,
        tokens=Tokens(host(ids), host(np.arange(4)[None] < np.full((count, 1), 3))),
        groups=np.arange(IMAGES),
        text_groups=np.arange(count) // CAPTIONS,
        threat=ThreatModel(**settings),
        **({} if attack is None else {"attack": attack}),
    )
