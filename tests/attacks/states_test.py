"""What the released attacks compare of models that fuse, against a plain reading in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from mat_jax import attacks, models
from mat_jax.attacks.states import compared_images, compared_texts
from mat_jax.types.arrays import Tokens
from tests.attacks.toy import framed, tiny, toy_batch

families = pytest.mark.parametrize("family", ["albef", "blip"])


def kl(reference, other):
    p, q = log_softmax(np.float64(reference), -1), log_softmax(np.float64(other), -1)
    return (np.exp(p) * (p - q)).sum(-1)


def batched():
    return jax.tree.map(jnp.asarray, toy_batch())


@families
def test_raw_states_are_the_first_tokens_before_projection(family):
    """`image_embed[:, 0]` and `text_embed[:, 0]` of the released ALBEF."""
    model, batch = tiny(family), batched()
    images = compared_images(model, batch.images, "official")
    np.testing.assert_allclose(images, model.encode_image(batch.images).tokens[:, 0], atol=1e-6)
    texts = compared_texts(model, batch.tokens, "official")
    row = model.encode_text(Tokens(*(x[1] for x in batch.tokens)))
    np.testing.assert_allclose(texts[1], row.tokens[:, 0], atol=1e-5)
    assert np.abs(np.linalg.norm(texts, axis=-1) - 1).min() > 1e-2
    strict = compared_texts(model, batch.tokens, "strict")
    np.testing.assert_allclose(np.linalg.norm(strict, axis=-1), 1, atol=1e-5)
    clip = tiny("clip")
    np.testing.assert_array_equal(
        compared_images(clip, batch.images, "official"),
        compared_images(clip, batch.images, "strict"),
    )


@families
def test_bert_attack_takes_the_best_substitute_by_raw_states(family):
    """Of the one word that it changes, no other substitute has a larger KL of raw states."""
    model, batch = tiny(family), batched()
    threat = attacks.ThreatModel(candidates=3)
    run = attacks.compile_attack(attacks.bert_attack, model, threat=threat, preset="official")
    choice = np.asarray(run(batch, jax.random.key(0)).choice)
    read = jax.jit(lambda tokens: compared_texts(model, tokens, "official"))
    clean, words = np.asarray(read(batch.tokens)), batch.words
    tested = 0
    for i, m, w in np.argwhere(choice >= 0):
        values = []
        for option in np.flatnonzero(np.asarray(words.substitute_lengths[i, m, w])):
            parts = words.parts[i, m].at[w].set(words.substitutes[i, m, w, option])
            state = np.asarray(read(framed(parts[None, None], words.lengths[i, m][None, None])))
            values.append((kl(clean[i, m], state[0, 0]), option))
        assert max(values)[1] == choice[i, m, w]
        tested += len(values) > 1
    assert tested > 3


def unequal():
    """An ALBEF whose towers are not of one width, as that of `scenes`."""
    vit = models.ViTConfig(width=8, layers=1, heads=2)
    own = tiny("albef")
    text = models.BertConfig(
        own.config.text.vocab_size, own.config.text.length, width=12, layers=2, heads=2
    )
    found = models.files.build(
        models.ALBEFConfig(own.config.image_size, 4, vit, text, first_fusion=1, embed=8), 0
    )
    found.text_format = own.text_format
    return found


@pytest.mark.parametrize("family", ["albef", "blip", "unequal"])
@pytest.mark.parametrize("name", ["pgd", "co_attack"])
def test_the_first_step_climbs_the_released_objective(family, name):
    """One step from the known start: the sign of the gradient of KL written out once more.

    PGD: KL(softmax c || softmax c'), of raw states. Co-Attack adds 3 KL(softmax t' || softmax e'),
    of unit length, for the last caption; of projected ones where the towers' widths differ.
    """
    model, batch = unequal() if family == "unequal" else tiny(family), batched()
    batch = batch._replace(images=0.9 * batch.images)  # the released start may leave the unit cube
    eps = 4 / 255
    threat = attacks.ThreatModel(eps=eps, steps=1, step_size=eps / 4, candidates=3)
    function = attacks.ATTACKS[name].function
    run = attacks.compile_attack(function, model, threat=threat, preset="official")
    found = run(batch, jax.random.key(0))
    still = attacks.compile_attack(
        function,
        model,
        threat=attacks.ThreatModel(eps=eps, steps=0, candidates=3),
        preset="official",
    )
    start = still(batch, jax.random.key(0)).images
    clean = model.encode_image(batch.images).tokens[:, 0]
    last = batch.present.sum(axis=1) - 1
    tokens = Tokens(*(x[jnp.arange(len(last)), last] for x in found.tokens))
    texts = model.encode_text(tokens)
    states = texts.tokens[:, 0]
    widths = (states.shape[-1], clean.shape[-1])
    assert (widths[0] != widths[1]) == (family == "unequal")

    def divergence(reference, other):
        p, q = jax.nn.log_softmax(reference), jax.nn.log_softmax(other)
        return jnp.sum(jnp.exp(p) * (p - q))

    def objective(images):
        seen = model.encode_image(images)
        total = divergence(clean, seen.tokens[:, 0])
        if name == "co_attack" and widths[0] == widths[1]:
            near = seen.tokens[:, 0] / jnp.linalg.norm(seen.tokens[:, 0], axis=-1, keepdims=True)
            other = states / jnp.linalg.norm(states, axis=-1, keepdims=True)
            total += 3 * divergence(other, near)
        elif name == "co_attack":
            total += 3 * divergence(texts.unit, seen.unit)
        return total

    slope = np.asarray(jax.jit(jax.grad(objective))(start))
    moved = np.clip(start + eps / 4 * np.sign(slope), batch.images - eps, batch.images + eps)
    apart = np.abs(np.clip(moved, 0, 1) - np.asarray(found.images)) > 1e-6
    assert np.mean(apart) < 5e-3
