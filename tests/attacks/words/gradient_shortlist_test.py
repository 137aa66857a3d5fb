"""The gradient's guess is the derivative it says it is, and what it leaves out costs little."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import attacks
from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.words.gradient_shortlist import agreement, place_of, shortlist
from mat_jax.attacks.words.substitution import away
from mat_jax.types.arrays import Tokens
from tests.attacks.toy import Toy, framed, tiny, toy_batch


@functools.cache
def attacked(exact):
    attack = functools.partial(attacks.bert_attack, exact=exact)
    threat = attacks.ThreatModel(words=2)
    return attacks.compile_attack(attack, Toy(), threat=threat)(toy_batch(), jax.random.key(0))


def test_a_list_of_all_substitutes_changes_nothing():
    everything, sieved = attacked(None), attacked(3)
    np.testing.assert_array_equal(everything.choice, sieved.choice)
    np.testing.assert_array_equal(everything.tokens.ids, sieved.tokens.ids)
    visited = np.asarray(sieved.stats["visited"])
    np.testing.assert_array_equal(sieved.stats["text_backwards"], visited)


def test_the_order_is_that_of_the_directional_derivatives():
    """d/dt of the objective from the substitutes' mean c towards each substitute, at t = 0."""
    toy, batch = Toy(), toy_batch()
    words = jax.tree.map(lambda x: jnp.asarray(x[2]), batch.words)  # three captions of one image
    image = embed_images(toy, jnp.asarray(batch.images[2:3]))
    reference = jnp.repeat(image, 3, axis=0)
    table, target = (np.asarray(x, np.float64) for x in (toy.table[...], image[0]))
    sizes, subs = np.asarray(words.substitute_lengths), np.asarray(words.substitutes)[..., 0]
    slot = np.argmax((sizes > 0).sum(-1), axis=1)
    few = jax.jit(lambda words, slot: shortlist(toy, away, reference, 3)(words, slot, None))
    order = np.asarray(few(words, jnp.asarray(slot)))
    for row, at in enumerate(slot):
        real = np.flatnonzero(sizes[row, at])
        centre = table[subs[row, at, real]].mean(0)
        others = [int(w) for w in np.delete(np.asarray(words.parts)[row, :, 0], at)]
        rest = table[[1, *others, 2]].sum(0)

        def value(word, rest=rest):
            e = np.tanh(rest + word)
            return -target @ e / np.linalg.norm(e)

        step = 1e-5
        slopes = [
            (value(centre + step * (table[s] - centre)) - value(centre)) / step
            for s in subs[row, at, real]
        ]
        assert order[row][: len(real)].tolist() == real[np.argsort(-np.array(slopes))].tolist()


def test_the_place_of_a_word_is_where_compose_puts_it():
    words = jax.tree.map(lambda x: jnp.asarray(x[2]), toy_batch().words)
    marked = words.parts.at[jnp.arange(3), jnp.array([0, 2, 3])].set(99)
    form = Toy().text_format
    ids = framed(marked, words.lengths).ids
    found = jax.jit(lambda a, b: place_of(a, b, form))(words, jnp.array([0, 2, 3]))
    np.testing.assert_array_equal(found, ids == 99)


def test_agreement_is_that_of_the_attack_itself():
    """`same` and `gain` counted from two runs of the attack, the divergence in float64."""
    batch = toy_batch()
    few = jax.jit(lambda batch: agreement(Toy(), batch, few=1, objective="kl", budget=2))
    figures = few(jax.tree.map(jnp.asarray, batch))
    exact, fast = (np.asarray(attacked(n).choice) for n in (None, 1))
    changed = (exact >= 0).any(-1) & batch.present
    assert 0 < changed.sum() == float(figures["captions"])
    alike = (exact == fast).all(-1)[changed]
    assert not alike.all(), "a list of one must cost something, or nothing is compared"
    np.testing.assert_allclose(float(figures["same"]), alike.mean(), rtol=1e-6)
    clean = np.asarray(embed_texts(Toy(), batch.tokens), np.float64)
    gains = []
    for run in (attacked(1), attacked(None)):
        after = np.asarray(embed_texts(Toy(), run.tokens), np.float64)
        p, q = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (clean, after))
        gains.append((p * np.log(p / q)).sum(-1)[changed].sum())
    np.testing.assert_allclose(float(figures["gain"]), gains[0] / gains[1], rtol=1e-3)


@pytest.mark.parametrize("family", ["clip", "albef", "blip"])
def test_a_shift_from_one_word_to_another_is_the_other_word(family):
    model = tiny(family)
    ids = jnp.asarray([[1, 7, 8, 2], [1, 9, 2, 0]])
    other = ids.at[0, 1].set(5).at[1, 1].set(6)
    table = model.text.tok[...]
    embed = jax.jit(lambda model, ids, shift: embed_texts(model, Tokens(ids, ids > 0), shift))
    moved = embed(model, ids, table[other] - table[ids])
    plain = embed(model, other, jnp.zeros_like(table[ids]))
    np.testing.assert_allclose(moved, plain, atol=1e-6)
    assert np.abs(np.asarray(moved - embed(model, ids, jnp.zeros_like(table[ids])))).max() > 1e-4
