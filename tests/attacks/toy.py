"""A model of one layer and a batch for it: what is attacked quickly, here and in torch.

And real families so small that they serve the same batch.
"""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax import models
from mat_jax.attacks import Gallery
from mat_jax.types.arrays import (
    Batch,
    GivenAnswers,
    ImageFeatures,
    TextFeatures,
    Tokens,
    Words,
)
from mat_jax.types.text_format import TextFormat, compose
from tests.tools.narrow import host

FORMAT_LENGTH, VOCABULARY, SIZE, EMBED = 10, 30, 8, 12


class Toy(nnx.Module):
    """Encoders of one layer, and a fusion of as little."""

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

    def class_logits(self, images):
        """Of as many classes as there are dimensions."""
        return self.scale * self.encode_image(images).embed

    def drawn_class_logits(self, images, keys):
        """With noise on the pixels."""
        noise = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:]))(keys)
        return self.class_logits(images + 0.05 * noise)

    def match_logits(self, fused):
        return fused[:, 0] @ self.head[...]

    def match_score(self, logits, cosine):
        return logits[:, 1]


class Judge(Toy):
    """A toy that gives verdicts on pairs too."""

    cls_head = None

    def classify(self, fused):
        return fused[:, 0, :3] @ jnp.diag(jnp.array([1.0, -1.0, 2.0]))


class Answerer(Toy):
    """A toy that answers questions too: an id depends on the question and the id before."""

    decoder = None

    def answer_logits(self, fused, mask, answers):
        before = self.table[...][answers.ids]
        own = jnp.repeat(fused[:, 0], len(before) // len(fused), axis=0)
        return jnp.tanh(before + own[:, None]) @ self.table[...].T

    def answer_losses(self, logits, answers):
        return -jnp.sum(logits, axis=(1, 2))

    def answer_scores(self, logits, answers):
        return jnp.sum(logits, axis=(1, 2))


def toy_answers(images=4, seed=0):
    """Two answers of up to three ids to each question, the second shorter; one is padding."""
    ids = np.random.RandomState(seed).randint(5, VOCABULARY, (images, 2, 5)).astype(np.int32)
    ids[..., 0], ids[:, 0, 4], ids[:, 1, 3], ids[:, 1, 4] = 1, 2, 2, 0
    mask = np.ones(ids.shape, bool)
    mask[:, 1, 4] = False
    weights = np.tile(np.array([0.75, 0.25], np.float32), (images, 1))
    weights[0] = 1, 0
    return GivenAnswers(Tokens(host(ids), host(mask)), host(weights))


framed = jax.jit(lambda parts, lengths: compose(parts, lengths, Toy().text_format))


def toy_batch(images=4, captions=3, seed=0) -> Batch:
    draw = np.random.RandomState(seed)
    present = np.ones((images, captions), bool)
    present[1, 1:] = False
    lead = (images, captions, 4)
    lengths = np.where(present[..., None], 1, 0) * np.ones(lead, int)
    sizes = np.where(present[..., None, None], draw.rand(*lead, 3) < 0.7, False)
    sizes[0, 0] = False  # a caption with no attackable word
    # All words of a caption and their substitutes differ, or rounding would decide between them.
    ids = np.stack([5 + draw.permutation(VOCABULARY - 5)[:16] for _ in range(images * captions)])
    ids = ids.reshape(*lead, 4)
    words = Words(
        *(
            jnp.asarray(x.astype(np.int32))
            for x in (
                ids[..., :1],
                lengths,
                ids[..., 1:, None],
                sizes,
            )
        )
    )
    batch = Batch(
        ids=host(draw.permutation(100)[:images].astype(np.int32)),
        images=host(draw.rand(images, SIZE, SIZE, 3).astype(np.float32)),
        tokens=framed(words.parts, words.lengths),
        present=host(present),
        words=words,
    )
    return jax.tree.map(np.asarray, batch)


@functools.cache
def tiny(family):
    """A random CLIP, ALBEF or BLIP of one block a tower (ALBEF's text: two), for `toy_batch`."""
    vit = models.ViTConfig(width=8, layers=1, heads=2)
    sizes = dict(vocab_size=VOCABULARY, length=FORMAT_LENGTH, width=8, heads=2)
    if family == "clip":
        vision = models.ViTConfig(width=8, layers=1, heads=1)
        text = models.BertConfig(VOCABULARY, FORMAT_LENGTH, width=8, layers=1, heads=1)
        config = models.CLIPConfig(SIZE, 4, vision, text, embed=8, bos=1, eos=2)
    elif family == "albef":
        text = models.BertConfig(layers=2, **sizes)
        config = models.ALBEFConfig(SIZE, 4, vit, text, first_fusion=1, embed=8)
    else:
        text = models.BertConfig(layers=1, segments=0, **sizes)
        config = models.BLIPConfig(SIZE, 4, vit, text, embed=8, match_start="cls")
    found = models.files.build(config, 0)
    found.text_format = Toy().text_format
    return found


def gallery_of(batch):
    """A batch as a gallery, in the form attacks are handed one."""
    texts = Toy().encode_text(jax.tree.map(lambda x: x[batch.present], batch.tokens)).unit
    images = Toy().encode_image(batch.images).unit
    owner = np.repeat(batch.ids, batch.present.sum(axis=1))
    return {"gallery": Gallery(images, texts, batch.ids, host(owner), host(np.int32(0)))}


def assert_within(threat, batch, adv):
    """What a threat model allows and no more, of the images and of every word; nothing is NaN."""
    images = np.asarray(adv.images)
    assert np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1
    delta = (images - batch.images).reshape(len(images), -1)
    size = np.abs(delta).max(1) if threat.norm == "linf" else np.linalg.norm(delta, axis=1)
    assert size.max() <= threat.eps * (1 + 1e-5) + 1e-6
    choice = np.asarray(adv.choice)
    changed, pick = choice >= 0, np.maximum(choice, 0)[..., None]
    assert changed.sum(-1).max() <= threat.words
    np.testing.assert_array_equal(changed.sum(-1), adv.stats["changed"])
    # A word that may not change has no substitutes, and what was chosen exists.
    there = np.take_along_axis(np.asarray(batch.words.substitute_lengths), pick, -1)[..., 0]
    assert (there[changed] > 0).all()
    # A word of the toy is one id, and the first comes after the start: all others stand.
    expected = np.array(batch.tokens.ids)
    put = np.take_along_axis(np.asarray(batch.words.substitutes)[..., 0], pick, -1)[..., 0]
    expected[..., 1:5] = np.where(changed, put, expected[..., 1:5])
    np.testing.assert_array_equal(adv.tokens.ids, expected)
    for value in adv.stats.values():
        assert value.shape in {batch.ids.shape, batch.present.shape}
        assert np.isfinite(np.asarray(value)).all()
