"""The outer loss: its captioning term against torch, and which terms a family gets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax import models
from mat_jax.attacks.objectives import info_nce
from mat_jax.defenses.inner.images import against_texts
from mat_jax.defenses.losses.matching import matching_loss
from mat_jax.defenses.losses.pair_loss import captioning, mixed_losses, pair_losses
from mat_jax.types.arrays import Batch, Tokens
from tests.defenses.linear import model as linear
from tests.tools.narrow import some

KEY = jax.random.key(0)
VIT, BERT = models.ViTConfig(width=8, layers=1, heads=2), dict(width=8, layers=2, heads=2)


def batch(count=4, length=6):
    ids = jax.random.randint(KEY, (count, 1, length), 5, 40)
    mask = jnp.arange(length)[None, None] < jnp.array([6, 4, 5, 3])[:count, None, None]
    images = jax.random.uniform(KEY, (count, 16, 16, 3))
    present = jnp.ones((count, 1), bool)
    return Batch(jnp.arange(count), images, Tokens(jnp.where(mask, ids, 0), mask), present)


def built(config):
    return models.files.build(config, 0)


def test_captioning_and_its_gradient_are_torchs_smoothed_cross_entropy():
    logits = np.random.default_rng(0).normal(size=(4, 6, 40)).astype(np.float32)
    tokens = jax.tree.map(lambda x: x[:, 0], batch().tokens)
    truth = np.where(tokens.mask, tokens.ids, -100)[:, 1:]
    theirs = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        theirs[:, :-1].flatten(0, 1), torch.tensor(truth).flatten().long(), label_smoothing=0.1
    )
    expected.backward()
    assert captioning(jnp.asarray(logits), tokens).shape == (4,)
    value, slope = jax.jit(jax.value_and_grad(lambda x: captioning(x, tokens).mean()))(logits)
    assert float(value) == pytest.approx(expected.item(), rel=1e-5)
    grad = some(theirs.grad).numpy()
    np.testing.assert_allclose(slope, grad, atol=1e-5 * np.abs(grad).max())


def test_albef_learns_to_compare_and_to_match():
    text = models.BertConfig(vocab_size=40, length=6, **BERT)
    model = built(models.ALBEFConfig(16, 8, VIT, text, first_fusion=1, embed=8))

    @jax.jit
    def terms(model, one):
        tokens = jax.tree.map(lambda x: x[:, 0], one.tokens)
        image, caption = model.encode_image(one.images), model.encode_text(tokens)
        compared = info_nce(image.embed, caption.embed, model.scale, one.ids)
        matched = matching_loss(model, image, caption, KEY, one.ids)
        again = matching_loss(model, image, caption, jax.random.fold_in(KEY, 1), one.ids)
        both, _ = mixed_losses(model, twice(one), twice(one), KEY)
        return both - (matched + again) / 2, compared, matched, *pair_losses(model, one, KEY)

    rest, compared, matched, losses, metrics = terms(model, batch())
    # Of two captions the mean, each with negatives of its own.
    np.testing.assert_allclose(rest, compared, rtol=1e-5)
    np.testing.assert_allclose(losses, compared + matched, rtol=1e-5)
    assert float(metrics["matching"]) == pytest.approx(float(matched.mean()), rel=1e-5)


def test_a_captioner_learns_to_write():
    text = models.BertConfig(vocab_size=40, length=6, segments=0, **BERT)
    model = built(models.BLIPConfig(16, 8, VIT, text, task="captioning"))
    one = batch()
    tokens = jax.tree.map(lambda x: x[:, 0], one.tokens)
    logits = model.caption_logits(model.encode_image(one.images), tokens)
    np.testing.assert_allclose(pair_losses(model, one, KEY)[0], captioning(logits, tokens))
    # MAT's images climb the same.
    climbed = against_texts(model, one, one.tokens)(model.encode_image(one.images))
    np.testing.assert_allclose(climbed, captioning(logits, tokens))


def twice(one):
    """Each caption twice."""
    return one._replace(tokens=jax.tree.map(lambda x: jnp.repeat(x, 2, 1), one.tokens))


def test_two_captions_an_image_are_refused():
    with pytest.raises(ValueError, match="one caption an image, got 2"):
        pair_losses(linear(0), twice(batch()), KEY)
