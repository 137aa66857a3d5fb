"""What counts as similar: cosines of a text model, asked of each caption and substitute."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax.data.substitutes.candidates import Substitutes
from mat_jax.data.substitutes.similarity import SentenceEncoder, similar
from mat_jax.types.arrays import TextFeatures, Tokens
from mat_jax.types.text_format import TextFormat
from tests.tools.narrow import host

WORDS = ["", "red", "crimson", "blue", "ball"]
VECTORS = np.array([[0, 0], [1, 0], [0.9, 0.1], [0, 1], [0.5, 0.5]], np.float32)


class Tokenizer:
    """A word is an id."""

    text_format = TextFormat(length=2, start=0, end=0, pad=0)

    def __call__(self, texts, /, *, clean=None) -> Tokens:
        rows = [self.parts(text) for text in texts]
        ids = np.array([row + [0] * (3 - len(row)) for row in rows], np.int32)
        return Tokens(host(ids), host(ids > 0))

    def parts(self, text):
        return [WORDS.index(word) for word in text.split()]


class Pictured(nnx.Module):
    """An image-text model of which only texts are asked: the sum of its words."""

    def __init__(self):
        self.table = nnx.Param(jnp.asarray(VECTORS))
        self.text_format = Tokenizer.text_format
        self.scale = jnp.ones(())

    def encode_image(self, images):
        raise NotImplementedError

    def encode_text(self, tokens, shift=None, /):
        embed = jnp.sum(self.table[...][tokens.ids], axis=1)
        return TextFeatures(embed[:, None], embed, tokens.mask)


class Spoken(nnx.Module):
    """A language model: all it has is its tokens."""

    def __init__(self):
        self.table = nnx.Param(jnp.asarray(VECTORS) + 1)

    def text(self, ids, mask, at):
        hidden = self.table[...][ids]
        return hidden, hidden[:, 0]


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_cosines_are_those_of_the_embeddings_or_of_the_mean_token():
    ones, others = ["red ball", "blue"], ["blue ball", "crimson ball"]
    red, crimson, blue, ball = VECTORS[1:]
    expected = [cosine(red + ball, blue + ball), cosine(blue, crimson + ball)]
    found = SentenceEncoder(Pictured(), Tokenizer()).cosines(ones, others)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Padding has a vector here, and must not count.
    expected = [cosine(red + ball + 2, blue + ball + 2), cosine(blue + 1, crimson + ball + 2)]
    found = SentenceEncoder(Spoken(), Tokenizer()).cosines(ones, others)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_only_near_captions_are_kept():
    corpus = SimpleNamespace(caption_list=["Red ball!", "blue ball"])
    keep = similar(corpus, SentenceEncoder(Pictured(), Tokenizer()), 0.95)
    asked = [(0, 0, "crimson"), (0, 0, "blue"), (1, 0, "red"), (1, 1, "ball")]
    assert list(keep(asked)) == [True, False, False, True]
    assert list(keep([])) == []


def test_similar_without_a_judge_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="needs a text model to judge by"):
        Substitutes(constraint="similar")
