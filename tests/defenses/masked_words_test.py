"""Masked language modelling: what is hidden, and what the loss is."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from mat_jax.defenses import MaskedWords
from mat_jax.types.arrays import Batch, Tokens
from tests.tools.narrow import host

WORDS = MaskedWords(mask=4, first=5, vocabulary=50)


def batch(captions=2_000, length=20):
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 50, (captions, 1, length)).astype(np.int32)
    ids[..., 0], ids[..., -2], ids[..., -1] = 2, 3, 0  # [CLS] ... [SEP] [PAD]
    mask = np.ones(ids.shape, bool)
    mask[..., -1] = False
    images = np.zeros((captions, 1, 1, 3), np.float32)
    present = np.ones((captions, 1), bool)
    return jax.tree.map(
        jnp.asarray,
        Batch(
            host(np.arange(captions)), host(images), Tokens(host(ids), host(mask)), host(present)
        ),
    )


UNASKED = SimpleNamespace(logits=None)  # a model


def test_shares_are_those_of_the_paper():
    clean = batch()
    hidden, chosen = WORDS.perturb(UNASKED, None, clean, jax.random.key(0)).tokens
    ids = clean.tokens.ids
    special = ids < 5
    assert not np.any(chosen & special) and np.array_equal(hidden[~chosen], ids[~chosen])
    assert abs(np.mean(chosen[~special]) - 0.15) < 0.01
    masked, same = hidden[chosen] == 4, hidden[chosen] == ids[chosen]
    # Of the random tenth, one in 45 is the token itself.
    assert abs(np.mean(masked) - 0.8) < 0.02
    assert abs(np.mean(same) - 0.1 - 0.1 / 45) < 0.02


def test_loss_is_the_mean_surprise_of_the_hidden_tokens():
    clean = batch(captions=7)
    adversarial = WORDS.perturb(UNASKED, None, clean, jax.random.key(1))
    table = jax.random.normal(jax.random.key(2), (7, 20, 50))
    model = SimpleNamespace(logits=lambda tokens: table)
    losses, metrics = WORDS.loss(model, None, clean, adversarial, jax.random.key(3))
    truth, chosen = np.asarray(clean.tokens.ids)[:, 0], np.asarray(adversarial.tokens.mask)[:, 0]
    scores = np.asarray(table, np.float64)
    surprise = (
        np.log(np.exp(scores).sum(-1)) - np.take_along_axis(scores, truth[..., None], -1)[..., 0]
    )
    np.testing.assert_allclose(losses.mean(), surprise[chosen].mean(), rtol=1e-5)
    right = scores.argmax(-1) == truth
    np.testing.assert_allclose(metrics["accuracy"], right[chosen].mean(), rtol=1e-5, atol=1e-6)
