"""The attack on answers: what it climbs, by hand and by trying every substitute."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from mat_jax import attacks
from mat_jax.attacks.answers import answer_surprise
from mat_jax.types.arrays import Tokens
from mat_jax.types.text_format import compose
from tests.attacks.toy import Answerer, Toy, assert_within, toy_answers, toy_batch
from tests.tools.narrow import host, some


def surprise(model, images, tokens, answers):
    """Of questions [batch, length] at what people answered, id by id."""
    fused = model.fuse(model.encode_image(images), model.encode_text(tokens))
    found = np.zeros(len(images))
    for row, which in itertools.product(range(len(images)), range(2)):
        ids = answers.tokens.ids[row, which][answers.tokens.mask[row, which]]
        one = Tokens(host(ids[None]), host(np.ones((1, len(ids)), bool)))
        logits = np.asarray(model.answer_logits(fused[row : row + 1], None, one))[0]
        log_p = log_softmax(logits.astype(np.float64), axis=-1)
        loss = -sum(log_p[n, ids[n + 1]] for n in range(len(ids) - 1))
        found[row] += answers.weights[row, which] * loss
    return found


@pytest.fixture(scope="module")
def batch():
    return toy_batch(captions=1)._replace(answers=toy_answers())


def test_the_surprise_is_that_of_each_answer_by_its_share(batch):
    model = Answerer()
    text = model.encode_text(batch.first)
    fused = model.fuse(model.encode_image(batch.images), text)
    found = answer_surprise(model, fused, jnp.asarray(text.mask), batch.answers)
    expected = surprise(model, batch.images, batch.first, batch.answers)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_stays_within_the_threat_and_raises_the_surprise(batch, norm):
    threat = attacks.ThreatModel(eps=0.1, norm=norm, steps=4)
    run = attacks.compile_attack(attacks.answer_attack, Answerer(), threat=threat)
    adv = run(batch, jax.random.key(0))
    assert_within(threat, batch, adv)
    model = Answerer()
    before = surprise(model, batch.images, batch.first, batch.answers)
    tokens = jax.tree.map(lambda x: np.asarray(x)[:, 0], adv.tokens)
    assert (surprise(model, adv.images, tokens, batch.answers) > before + 1e-3).all()


def test_without_steps_the_word_taken_is_the_worst_of_its_word(batch):
    """One word, no image attack: the best substitute at the most important word, by trial."""
    threat = attacks.ThreatModel(eps=0.0, steps=0, words=1, candidates=3)
    model = Answerer()
    run = attacks.compile_attack(attacks.answer_attack, model, threat=threat)
    adv = run(batch, jax.random.key(0))
    words = some(batch.words)
    choice = np.asarray(adv.choice)[:, 0]

    def tried(row, slot, parts, length):
        ids, lengths = words.parts[row, 0].copy(), words.lengths[row, 0].copy()
        ids[slot], lengths[slot] = parts, length
        tokens = compose(jnp.asarray(ids), jnp.asarray(lengths), model.text_format)
        one = jax.tree.map(lambda x: np.asarray(x)[row : row + 1], batch.answers)
        question = jax.tree.map(lambda x: np.asarray(x)[None], tokens)
        return surprise(model, batch.images[row : row + 1], question, one)[0]

    for row in range(len(choice)):
        may = [s for s in range(4) if (words.substitute_lengths[row, 0, s] > 0).any()]
        if not may:
            assert (choice[row] == -1).all()
            continue
        left_out = {s: tried(row, s, words.parts[row, 0, s], 0) for s in may}
        slot = max(may, key=lambda s: left_out[s])
        values = {
            c: tried(row, slot, words.substitutes[row, 0, slot, c], 1)
            for c in range(3)
            if words.substitute_lengths[row, 0, slot, c] > 0
        }
        best = max(values, key=lambda c: values[c])
        clean = tried(row, slot, words.parts[row, 0, slot], 1)
        if values[best] > clean:
            assert choice[row, slot] == best
            assert (np.delete(choice[row], slot) == -1).all()


def test_who_answers_nothing_and_what_has_no_answers_is_refused(batch):
    threat = attacks.ThreatModel(words=0)
    with pytest.raises(ValueError, match="Toy answers no questions, which this attack is after"):
        attacks.answer_attack(Toy(), batch, jax.random.key(0), threat=threat)
    with pytest.raises(ValueError, match="the batch has no answers: give questions"):
        attacks.answer_attack(
            Answerer(), batch._replace(answers=None), jax.random.key(0), threat=threat
        )
