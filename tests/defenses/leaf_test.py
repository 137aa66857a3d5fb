"""LEAF's training: the farthest typing error there is, and the two towers apart."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mat_jax import defenses
from mat_jax.data import TextFormat, Typos
from mat_jax.train import mesh, state
from mat_jax.train.step import compile_step
from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures, Tokens
from mat_jax.types.text_format import compose

FORM = TextFormat(1, 2, 0, 16)
TEXTS = ("red dog", "my cat", "mud")
KEY = jax.random.key(0)


class Spelling(NamedTuple):
    """Every character is a token, and every place counts."""

    vision: jax.Array
    text: jax.Array

    text_format = FORM
    scale = jnp.ones(())

    def encode_text(self, tokens, shift=None, /):
        each = self.text[jnp.arange(16)[None], tokens.ids]
        embed = jnp.sum(each * tokens.mask[..., None].astype(jnp.float32), axis=1)
        return TextFeatures(embed[:, None], embed, tokens.mask)

    def encode_image(self, images):
        embed = images.reshape(len(images), -1) @ self.vision
        return ImageFeatures(embed[:, None], embed)


class Letters:
    """Its tokenizer."""

    text_format = FORM

    def __call__(self, captions, /, *, clean=None) -> Tokens:
        raise NotImplementedError("a table is built of words")

    def parts(self, word):
        return [10 + ord(letter) for letter in word]


@dataclasses.dataclass
class Captions:
    caption_list: tuple[str, ...] = TEXTS


def model(seed):
    one, two = jax.random.split(jax.random.key(seed))
    return Spelling(jax.random.normal(one, (12, 5)), jax.random.normal(two, (16, 140, 5)))


@pytest.fixture(scope="module")
def batch():
    table = Typos(positions=None).build(Captions(), Letters(), cache=None, progress=False)
    words = jax.tree.map(jnp.asarray, table.take(np.arange(3)[:, None]))
    tokens = compose(words.parts, words.lengths, FORM)
    images = jax.random.uniform(KEY, (3, 2, 2, 3))
    return Batch(jnp.arange(3), images, tokens, jnp.ones((3, 1), bool), words)


def embed(m, text):
    """The embedding of a string, by hand: start, its letters without spaces, end."""
    ids = [1, *(10 + ord(letter) for letter in text.replace(" ", "")), 2]
    return np.sum([np.asarray(m.text[i, one], np.float64) for i, one in enumerate(ids)], axis=0)


def value(trained, original, text, clean):
    return ((embed(trained, text) - embed(original, clean)) ** 2).sum()


def test_the_error_is_the_best_character_at_the_best_place_as_seen_from_the_original(batch):
    trained, original = model(0), model(1)
    found = jax.jit(defenses.LEAF(positions=100).perturb)(trained, original, batch, KEY)
    losses, _ = defenses.LEAF().loss(trained, original, batch, found, KEY)
    letters = " abcdefghijklmnopqrstuvwxyz0123456789"
    for row, text in enumerate(TEXTS):
        # Spaces have no token of their own, so an edit by a space takes the letter away.
        places = [(text[:i], text[i:]) for i in range(len(text) + 1)]
        places += [(text[:i], text[i + 1 :]) for i in range(len(text))]
        tests = [value(trained, original, a + " " + b, text) for a, b in places]
        best = max(tests)
        reached = [
            max(value(trained, original, a + c + b, text) for c in [*letters, ""])
            for (a, b), test in zip(places, tests, strict=True)
            if test > best - 1e-4 * best
        ]
        assert min(abs(float(losses[row]) - x) for x in reached) < 1e-4 * float(losses[row])
        assert float(losses[row]) >= value(trained, original, text, text)


def steps(defense, batch, count=2):
    layout, weights = state.flatten(model(0))
    optimizer = optax.adam(1e-2)
    now = state.create(weights, optimizer, defense.trains, 0)
    step = compile_step(layout, defense, optimizer, mesh.make(1), now)
    reference = state.flatten(model(0))[1]
    metrics: dict = {}
    for _ in range(count):
        now, metrics = step(now, reference, batch)
    return {**now.trained, **now.frozen}, metrics


def test_one_run_of_both_is_two_runs(batch):
    fare = defenses.FARE(eps=0.1, steps=2)
    both, _ = steps(defenses.FARELEAF(fare, defenses.LEAF()), batch)
    image, _ = steps(fare, batch)
    text, metrics = steps(defenses.LEAF(), batch)
    assert metrics["captions_changed"] == 1
    before = state.flatten(model(0))[1]
    np.testing.assert_allclose(both["vision"], image["vision"], atol=1e-6)
    np.testing.assert_allclose(both["text"], text["text"], atol=1e-6)
    # What is not trained stays bit for bit.
    np.testing.assert_array_equal(image["text"], before["text"])
    np.testing.assert_array_equal(text["vision"], before["vision"])
    assert np.any(both["text"] != before["text"]) and np.any(both["vision"] != before["vision"])
