"""A model of two matrices, in jax and in torch, and a batch for it: losses can be written down."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch

from mat_jax.data import TextFormat
from mat_jax.defenses import Prompts
from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures, Tokens, Words
from mat_jax.types.text_format import compose
from tests.tools.narrow import host

BATCH, SIDE, EMBED, VOCABULARY = 6, 4, 5, 30
PATCH = 12  # values of one of the four patches
LABELS = [0, 1, 2, 0, 1, 1]
NAMES = ("vision.weights", "text.weights", "logit_scale")  # of the model's, in order


class Tower(NamedTuple):
    """A matrix."""

    weights: jax.Array  # [pixels or vocabulary, embed]


class Linear(NamedTuple):
    """Pixels times a matrix, the sum of a text's rows of another."""

    vision: Tower
    text: Tower
    logit_scale: jax.Array

    text_format = TextFormat(start=1, end=2, pad=0, length=6)

    def patch_embeddings(self, image):
        return image.tokens[:, 1:]

    def encode_image(self, images):
        flat = images.reshape(len(images), -1)
        embed = flat @ self.vision.weights
        patches = flat.reshape(-1, 4, PATCH) @ self.vision.weights[:PATCH]
        return ImageFeatures(jnp.concatenate([embed[:, None], patches], axis=1), embed)

    def encode_text(self, tokens, shift=None, /):
        rows = self.text.weights[tokens.ids] * tokens.mask[..., None].astype(jnp.float32)
        embed = jnp.sum(rows, axis=1)
        return TextFeatures(rows, embed, tokens.mask)

    @property
    def scale(self):
        return jnp.exp(self.logit_scale)


class Torch:
    """The same in torch; `f`, `g` are embeddings, `s` the scale."""

    def __init__(self, model: Linear) -> None:
        self.weights = [
            torch.tensor(np.array(x), requires_grad=True) for x in jax.tree.leaves(model)
        ]

    @property
    def s(self):
        return self.weights[2].exp()

    def f(self, images):
        return torch.tensor(np.array(images)).flatten(1) @ self.weights[0]

    def g(self, tokens, m=0):
        """The m-th caption of each image."""
        return self.texts(np.array(tokens.ids)[:, m], np.array(tokens.mask)[:, m])

    def texts(self, ids, mask):
        rows = self.weights[1][torch.tensor(ids).long()]
        return (rows * torch.tensor(mask)[..., None]).sum(1)

    def prompts(self, prompts):
        return self.texts(np.array(prompts.tokens.ids), np.array(prompts.tokens.mask))

    def logits(self, images, texts):
        """Scaled cosines of images and texts."""
        normal = torch.nn.functional.normalize
        return self.s * normal(self.f(images)) @ normal(texts).T


def model(seed: int) -> Linear:
    rng = np.random.default_rng(seed)
    vision = rng.normal(size=(SIDE * SIDE * 3, EMBED)).astype(np.float32)
    text = rng.normal(size=(VOCABULARY, EMBED)).astype(np.float32)
    return Linear(Tower(jnp.asarray(vision)), Tower(jnp.asarray(text)), jnp.float32(1.2))


def batch(captions: int = 1, seed: int = 0) -> Batch:
    """Six images with captions of three words, four substitutes a word."""
    rng = np.random.default_rng(seed)
    parts = rng.integers(3, VOCABULARY, (BATCH, captions, 3, 1)).astype(np.int32)
    lengths = np.ones(parts.shape[:-1], np.int32)
    substitutes = rng.integers(3, VOCABULARY, (BATCH, captions, 3, 4, 1)).astype(np.int32)
    there = np.ones(substitutes.shape[:-1], np.int32)
    words = Words(host(parts), host(lengths), host(substitutes), host(there))
    found = Batch(
        ids=host(np.array([3, 5, 11, 8, 9, 1], np.int32)),
        images=host(rng.uniform(0.1, 0.9, (BATCH, SIDE, SIDE, 3)).astype(np.float32)),
        tokens=compose(jnp.asarray(parts), jnp.asarray(lengths), Linear.text_format),
        present=host(np.ones((BATCH, captions), bool)),
        words=words,
        labels=host(np.array(LABELS, np.int32)),
    )
    return jax.tree.map(jnp.asarray, found)


def moved(batch: Batch, seed: int = 1) -> Batch:
    """The batch with other pixels nearby and other captions: attacked, for all a loss knows."""
    rng = np.random.default_rng(seed)
    shift = rng.uniform(-0.05, 0.05, batch.images.shape).astype(np.float32)
    other = rng.integers(3, VOCABULARY, batch.tokens.ids.shape).astype(np.int32)
    ids = jnp.where(batch.tokens.ids > 2, other, batch.tokens.ids)
    return batch._replace(images=batch.images + shift, tokens=batch.tokens._replace(ids=ids))


def prompts() -> Prompts:
    """Three classes."""
    rng = np.random.default_rng(7)
    ids = rng.integers(3, VOCABULARY, (3, 4)).astype(np.int32)
    tokens = Tokens(jnp.asarray(ids), jnp.ones((3, 4), bool))
    return Prompts(("one", "two", "three"), tokens)
