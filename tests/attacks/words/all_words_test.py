"""What the gradient promises of every word is the derivative it says; of all of them, the best."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.words.all_words import best_of_all, promising, replaced, standing, variants
from mat_jax.types.arrays import Tokens, Words
from mat_jax.types.text_format import compose
from tests.attacks.toy import VOCABULARY, Toy, toy_batch


@functools.cache
def captions() -> tuple[Words, jax.Array]:
    """Words of one or two ids with substitutes of one or two, and an image for each caption."""
    draw = np.random.RandomState(3)
    rows, words, options = 6, 3, 4
    sizes = draw.randint(0, 3, (rows, words, options))
    sizes[:, :, 0] = 1  # each word may be replaced by something
    sizes[0, 1] = 0  # but one
    table = Words(
        *(
            jnp.asarray(x.astype(np.int32))
            for x in (
                draw.randint(5, VOCABULARY, (rows, words, 2)),
                draw.randint(1, 3, (rows, words)),
                draw.randint(5, VOCABULARY, (rows, words, options, 2)),
                sizes,
            )
        )
    )
    images = embed_images(Toy(), jnp.asarray(toy_batch(rows).images))
    return table, images


def clean():
    table, images = captions()
    composed = compose(table.parts, table.lengths, Toy().text_format)
    return standing(table, embed_texts(Toy(), composed)), composed, images


def away_from(images):
    return lambda units: -jnp.einsum("ce,cve->cv", images, units)


def test_promises_are_directional_derivatives():
    """d/dt of the score as a word's tokens move towards a substitute's mean, at t = 0."""
    toy, (table, _) = Toy(), captions()
    now, _, images = clean()
    few = 3
    found = jax.jit(lambda now: promising(toy, now, away_from(images), few=few))(now)
    embeds = np.asarray(toy.table[...], np.float64)
    for row in range(len(images)):
        target = np.asarray(images[row], np.float64)
        sizes = np.asarray(table.lengths[row])
        own = [np.asarray(table.parts[row, w, : sizes[w]]) for w in range(3)]

        def value(vectors, target=target):
            e = np.tanh(embeds[1] + embeds[2] + sum(x.sum(0) for x in vectors))
            return -target @ e / np.linalg.norm(e)

        start = [embeds[ids] for ids in own]
        slopes = np.full((3, 4), -np.inf)
        for word, pick in zip(*np.nonzero(np.asarray(table.substitute_lengths[row])), strict=True):
            size = int(table.substitute_lengths[row, word, pick])
            new = embeds[np.asarray(table.substitutes[row, word, pick, :size])].mean(0)
            moved = list(start)
            moved[word] = start[word] + 1e-6 * (new - start[word])
            slopes[word, pick] = (value(moved) - value(start)) / 1e-6
        best = np.argsort(-slopes.ravel())[:few]
        assert np.asarray(found.place[row]).tolist() == best.tolist()
        # They are encoded as they would be read.
        for column, (word, pick) in enumerate(zip(*np.divmod(best, 4), strict=True)):
            size = int(table.substitute_lengths[row, word, pick])
            ids = [list(x) for x in own]
            ids[word] = list(np.asarray(table.substitutes[row, word, pick, :size]))
            flat = np.concatenate([[1], *ids, [2]]).astype(int)[None]
            unit = embed_texts(toy, Tokens(jnp.asarray(flat), jnp.ones(flat.shape, bool)))
            np.testing.assert_allclose(found.units[row, 1 + column], unit[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("budget", [1, 2])
def test_a_list_of_all_is_every_word(budget):
    now, composed, images = clean()
    run = jax.jit(
        lambda now, few: best_of_all(Toy(), now, away_from(images), budget=budget, few=few),
        static_argnums=1,
    )
    every, listed, short = (run(now, few) for few in (None, 12, 2))
    np.testing.assert_array_equal(every.choice, listed.choice)
    np.testing.assert_allclose(every.unit, listed.unit, rtol=1e-6)
    format_ = Toy().text_format
    np.testing.assert_array_equal(
        every.tokens(composed, format_).ids, listed.tokens(composed, format_).ids
    )
    # No more words than the budget, none of them twice, none without substitutes.
    for found in (every, short):
        changed = np.asarray(found.choice >= 0)
        assert (changed.sum(-1) <= budget).all() and changed.any() and not changed[0, 1]

    def score(found):
        return -np.sum(np.asarray(found.unit) * np.asarray(images), axis=-1)

    assert (score(short) <= score(every) + 1e-6).all()
    assert (score(short) >= score(now) - 1e-6).all()


def test_on_a_tie_the_caption_stands():
    now, composed, _ = clean()
    table, passes = jax.jit(lambda now: variants(Toy(), now))(now)
    same = replaced(now, table, jnp.zeros(table.there.shape))
    assert (np.asarray(same.choice) == -1).all()
    np.testing.assert_array_equal(same.tokens(composed, Toy().text_format).ids, composed.ids)
    np.testing.assert_array_equal(
        passes, (np.asarray(captions()[0].substitute_lengths) > 0).sum((1, 2))
    )
