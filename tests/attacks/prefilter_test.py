"""The gradient's guess is the derivative it says it is, and what it leaves out costs little."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mat_jax import attacks
from mat_jax.attacks.encode import embed_images, embed_texts
from mat_jax.attacks.prefilter import agreement, place_of, shortlist
from mat_jax.attacks.text import away
from mat_jax.data.words import compose
from tests.attacks.toy import Toy, toy_batch


@functools.cache
def attacked(exact):
    attack = functools.partial(attacks.bert_attack, exact=exact)
    threat = attacks.ThreatModel(words=2)
    return attacks.compiled(attack, Toy(), threat=threat)(toy_batch(), jax.random.key(0))


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
    ids = compose(marked, words.lengths, form).ids
    found = place_of(words, jnp.array([0, 2, 3]), form)
    np.testing.assert_array_equal(found, ids == 99)


def test_agreement_is_complete_where_all_are_encoded():
    figures = jax.jit(lambda batch: agreement(Toy(), batch, few=3))(
        jax.tree.map(jnp.asarray, toy_batch())
    )
    assert float(figures["same"]) == 1 and abs(float(figures["gain"]) - 1) < 1e-6
    assert float(figures["captions"]) > 0
    one = agreement_of_one()
    assert 0 <= float(one["same"]) <= 1 and float(one["gain"]) <= 1 + 1e-6


def agreement_of_one():
    return jax.jit(lambda batch: agreement(Toy(), batch, few=1, objective="kl"))(
        jax.tree.map(jnp.asarray, toy_batch())
    )


def test_embedding_shift_of_zero_is_none():
    toy, batch = Toy(), toy_batch()
    tokens = jax.tree.map(lambda x: x[2], batch.tokens)
    zero = jnp.zeros((*tokens.ids.shape, toy.table[...].shape[1]))
    np.testing.assert_array_equal(embed_texts(toy, tokens), embed_texts(toy, tokens, zero))
