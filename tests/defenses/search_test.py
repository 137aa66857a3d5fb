"""Which words MAT tries: the most important, a random one, or every one."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import defenses
from mat_jax.attacks.optimizers.projected_gradient import example_keys
from mat_jax.defenses.inner.captions import TextObjective
from mat_jax.types.arrays import Tokens
from mat_jax.types.text_format import compose
from tests.attacks.toy import tiny, toy_batch
from tests.defenses.devices import on_one_and_on_eight
from tests.defenses.linear import batch, model

KEY = jax.random.key(7)
MODEL = model(0)
MANY = 40


@cache
def clean():
    """Forty copies of six examples, each an example of its own."""
    many = jax.tree.map(lambda x: jnp.tile(x, (MANY, *[1] * (x.ndim - 1))), batch())
    return many._replace(ids=jnp.arange(6 * MANY))


@cache
def attacked(search, objective: TextObjective = "away", words=1, seed=0) -> Tokens:
    mat = defenses.MAT(words=words, search=search, text_objective=objective, candidates=4)
    keys = example_keys(jax.random.key(seed), clean().ids)
    return jax.jit(mat.attack_texts)(MODEL, clean(), keys)


def unit(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def value(tokens: Tokens, objective="away", among=None) -> np.ndarray:
    """How far each caption is, from its image or from the clean caption."""
    first = jax.tree.map(lambda x: x[:, 0], tokens)
    own = unit(MODEL.encode_text(first).embed)
    rows = slice(None) if among is None else among
    if objective == "away":
        return -(own * unit(MODEL.encode_image(clean().images).embed)[rows]).sum(-1)
    plain = unit(MODEL.encode_text(jax.tree.map(lambda x: x[:, 0], clean().tokens)).embed)[rows]
    p, q = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (plain, own))
    return (p * np.log(p / q)).sum(-1)


def variants(example: int):
    """All captions that one replaced word makes of an example's, (word, tokens), one by one."""
    words = jax.tree.map(lambda x: x[example, 0], clean().words)
    for word, sizes in enumerate(np.asarray(words.substitute_lengths)):
        for pick in np.flatnonzero(sizes):
            parts = words.parts.at[word].set(words.substitutes[word, pick])
            lengths = words.lengths.at[word].set(sizes[pick])
            yield word, compose(parts[None, None], lengths[None, None], MODEL.text_format)


@pytest.mark.parametrize("objective", ["away", "kl"])
def test_of_every_word_the_best_substitute_is_taken(objective):
    """By trying them one at a time, the unchanged caption among them."""
    found = value(attacked("every", objective), objective)
    stands = value(clean().tokens, objective)
    for example in range(6):
        tried = [value(tokens, objective, [example])[0] for _, tokens in variants(example)]
        best = max([stands[example], *tried])
        np.testing.assert_allclose(found[example], best, rtol=1e-5, atol=1e-9)


def test_every_word_is_no_weaker_than_one_and_two_no_weaker_than_one_of_all():
    one = value(attacked("every"))
    for search in ("important", "random"):
        assert (one >= value(attacked(search)) - 1e-6).all()
    two = value(attacked("every", words=2))
    assert (two >= one - 1e-6).all() and (two > one + 1e-6).any()


def test_random_words_are_all_tried_and_of_each_the_best_substitute():
    """Each of its answers is the best of one word; over forty draws no word is left out."""
    found, stands = value(attacked("random")).reshape(MANY, 6), value(clean().tokens)
    for example in range(6):
        best = {}
        for word, tokens in variants(example):
            best[word] = max(best.get(word, -np.inf), value(tokens, among=[example])[0])
        # A word no substitute of which harms is passed over for the next.
        harmful = [v for v in best.values() if v > stands[example]]
        drawn = found[:, example]
        apart = np.abs(drawn[:, None] - np.asarray(harmful or [stands[example]])[None])
        assert (apart.min(axis=1) < 1e-5).all()
        assert (apart.min(axis=0) < 1e-5).all()


def test_random_words_come_from_the_key_and_the_example_alone():
    again = attacked("random", seed=1)
    assert np.any(again.ids != attacked("random").ids)
    mat = defenses.MAT(search="random", candidates=4)
    some = jnp.asarray([77, 5, 130])
    part = jax.tree.map(lambda x: x[some], clean())
    found = jax.jit(mat.attack_texts)(MODEL, part, example_keys(jax.random.key(1), part.ids))
    np.testing.assert_array_equal(found.ids, again.ids[some])


@pytest.mark.parametrize("search", ["random", pytest.param("promising", marks=pytest.mark.slow)])
def test_eight_devices_replace_the_words_that_one_does(search):
    defense = defenses.MAT(eps=0.1, steps=1, search=search, candidates=3)
    ends = on_one_and_on_eight(defense, tiny("clip"), toy_batch(8, captions=1))
    assert ends.apart < 1e-5 < ends.moved
    assert 0 < ends.metrics["captions_changed"] <= 1
