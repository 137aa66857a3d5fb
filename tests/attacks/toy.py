"""A model of one layer and a batch for it: what is attacked quickly, here and in torch."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax.data.words import TextFormat, compose
from mat_jax.records import Batch, ImageFeatures, TextFeatures, Words

FORMAT_LENGTH, VOCABULARY, SIZE, EMBED = 10, 30, 8, 12


class Toy(nnx.Module):
    """Encoders of one layer, and a fusion of as little: what is attacked quickly."""

    def __init__(self, seed=0):
        draw = np.random.RandomState(seed)
        self.pixels = nnx.Param(jnp.asarray(draw.randn(SIZE * SIZE * 3, EMBED), jnp.float32))
        self.table = nnx.Param(jnp.asarray(draw.randn(VOCABULARY, EMBED), jnp.float32))
        self.head = nnx.Param(jnp.asarray(draw.randn(EMBED, 2), jnp.float32))
        self.text_format = TextFormat(1, 2, 0, FORMAT_LENGTH, (3, 4))

    def encode_image(self, images):
        hidden = jnp.tanh(images.reshape(images.shape[0], -1) @ self.pixels[...] / 4)
        return ImageFeatures(hidden[:, None], hidden)

    def encode_text(self, tokens, shift=0.0):
        each = self.table[...][tokens.ids] + shift
        hidden = jnp.tanh(jnp.sum(each * tokens.mask[..., None].astype(jnp.float32), axis=1))
        return TextFeatures(hidden[:, None], hidden, tokens.mask)

    @property
    def text(self):
        return SimpleNamespace(tok=self.table)

    @property
    def scale(self):
        return jnp.asarray(10.0)

    def image_keys(self, image):
        return [image.embed]

    def fuse(self, image, text, keys=None):
        own = self.image_keys(image)[0] if keys is None else keys[0]
        own = jnp.repeat(own, len(text.embed) // len(own), axis=0)
        return jnp.tanh(own * text.embed + text.embed)[:, None]

    def match_logits(self, fused):
        return fused[:, 0] @ self.head[...]


framed = jax.jit(lambda parts, lengths: compose(parts, lengths, Toy().text_format))


def toy_batch(images=4, captions=3, seed=0) -> Batch:
    draw = np.random.RandomState(seed)
    present = np.ones((images, captions), bool)
    present[1, 1:] = False
    lead = (images, captions, 4)
    lengths = np.where(present[..., None], 1, 0) * np.ones(lead, int)
    sizes = np.where(present[..., None, None], draw.rand(*lead, 3) < 0.7, False)
    sizes[0, 0] = False  # a caption with no attackable word
    words = Words(
        *(
            jnp.asarray(x.astype(np.int32))
            for x in (
                draw.randint(5, VOCABULARY, (*lead, 1)),
                lengths,
                draw.randint(5, VOCABULARY, (*lead, 3, 1)),
                sizes,
            )
        )
    )
    batch = Batch(
        ids=draw.permutation(100)[:images].astype(np.int32),
        images=draw.rand(images, SIZE, SIZE, 3).astype(np.float32),
        tokens=framed(words.parts, words.lengths),
        present=present,
        words=words,
    )
    return jax.tree.map(np.asarray, batch)
