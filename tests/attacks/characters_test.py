"""LEAF's attack equals a reading with strings, and keeps what a threat model promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax import attacks
from mat_jax.data.substitutes.characters import CHARACTERS, build_characters
from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures, unit
from mat_jax.types.text_format import TextFormat, compose

FORM = TextFormat(1, 2, 0, 24)
TEXTS = ("red dog", "a big cat", "one cat on mud")


class Spelling(nnx.Module):
    """Every character is a token, and every place counts."""

    def __init__(self):
        self.table = nnx.Param(jax.random.normal(jax.random.key(0), (24, 140, 6)))
        self.text_format = FORM

    def parts(self, word):
        return [10 + ord(letter) for letter in word]

    def encode_text(self, tokens):
        each = self.table[...][jnp.arange(tokens.ids.shape[1])[None], tokens.ids]
        embed = jnp.sum(each * tokens.mask[..., None].astype(jnp.float32), axis=1)
        return TextFeatures(embed[:, None], embed, tokens.mask)

    def encode_image(self, images):
        embed = images.reshape(len(images), -1)[:, :6] - 0.5
        return ImageFeatures(embed[:, None], embed)


@pytest.fixture(scope="module")
def model():
    return Spelling()


@pytest.fixture(scope="module")
def table(model):
    return build_characters(TEXTS, model, positions=None)


@pytest.fixture(scope="module")
def batch(table):
    rows = np.array([[0, 1], [2, -1]])
    words = jax.tree.map(jnp.asarray, table.take(rows))
    images = np.random.RandomState(0).rand(2, 2, 2, 3).astype(np.float32)
    tokens = jax.jit(lambda a, b: compose(a, b, FORM))(words.parts, words.lengths)
    return Batch(jnp.arange(2), jnp.asarray(images), tokens, jnp.asarray(rows >= 0), words)


@pytest.fixture(scope="module")
def run(model, batch):
    @functools.cache
    def attack(preset, guided=False, words=1):
        function = functools.partial(attacks.leaf_attack, guided=guided)
        threat = attacks.ThreatModel(words=words)
        return attacks.compile_attack(function, model, threat=threat, preset=preset)(
            batch, jax.random.key(0)
        )

    return attack


def embed(model, text):
    table = np.asarray(model.table[...])
    ids = [1, *(10 + ord(letter) for word in text.split() for letter in word), 2]
    return sum(table[place, i] for place, i in enumerate(ids))


def slow(model, table, row, value):
    """The best caption of the second stage, the positions in reading order."""
    places = []
    for slot in range(table.places.shape[1]):
        for place in range(table.places.shape[2]):
            if table.places[row, slot, place] >= 0:
                places.append((slot, place))

    def edited(slot, place, character):
        if table.edits[table.places[row, slot, place], character] < 0:
            return None
        choice = np.full(table.captions.shape[1], -1)
        choice[slot] = place * len(CHARACTERS) + character
        return table.caption(row, choice)

    tests = {at: edited(*at, 0) for at in places}
    best = max((at for at in places if tests[at]), key=lambda at: value(tests[at]))
    return max(filter(None, (edited(*best, c) for c in range(len(CHARACTERS)))), key=value)


@pytest.mark.parametrize(("preset", "guided"), [("official", False), ("strict", True)])
def test_equals_a_reading_with_strings(model, table, batch, run, preset, guided):
    adv = run(preset, guided)
    for (i, m), row in {(0, 0): 0, (0, 1): 1, (1, 0): 2}.items():
        clean = embed(model, table.caption(row))
        image = np.asarray(unit(model.encode_image(batch.images).embed))[i]

        def value(text, clean=clean, image=image):
            e = embed(model, text)
            return -image @ e / np.linalg.norm(e) if guided else np.sum((e - clean) ** 2)

        expected = slow(model, table, row, value)
        if guided and value(expected) <= value(table.caption(row)):
            expected = table.caption(row)
        assert table.caption(row, np.asarray(adv.choice)[i, m]) == expected
        ids = np.asarray(adv.tokens.ids)[i, m]
        letters = [10 + ord(letter) for letter in expected.replace(" ", "")]
        assert ids[1 : list(ids).index(2)].tolist() == letters
    assert np.asarray(adv.stats["changed"])[1, 1] == 0
    assert (np.asarray(adv.choice)[1, 1] == -1).all()


def test_a_budget_of_nothing_changes_nothing(batch, run):
    adv = run("strict", words=0)
    np.testing.assert_array_equal(adv.tokens.ids, batch.tokens.ids)


def test_words_without_edits_are_refused_in_one_sentence(model, batch):
    with pytest.raises(ValueError, match="no table of them"):
        attacks.leaf_attack(
            model, batch._replace(words=None), jax.random.key(0), threat=attacks.ThreatModel()
        )
