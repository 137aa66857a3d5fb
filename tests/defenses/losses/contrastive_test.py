"""InfoNCE and the sigmoid loss against torch, their symmetries, and devices that share a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax import defenses
from mat_jax.attacks.objectives import info_nce
from mat_jax.defenses.losses.contrastive import Sigmoid, recall
from tests.attacks.toy import tiny, toy_batch
from tests.defenses import linear
from tests.defenses.devices import on_one_and_on_eight
from tests.tools.narrow import some


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 6, 5)).astype(np.float32)
    return jnp.asarray(image), jnp.asarray(text)


SCALE = jnp.float32(10.0)


def test_equals_torch(pairs):
    image, text = (torch.nn.functional.normalize(torch.tensor(np.array(x))) for x in pairs)
    logits, target = 10.0 * image @ text.T, torch.arange(6)
    losses = [
        torch.nn.functional.cross_entropy(rows, target, reduction="none")
        for rows in (logits, logits.T)
    ]
    expected = (losses[0] + losses[1]) / 2
    np.testing.assert_allclose(info_nce(pairs[0], pairs[1], SCALE), expected, rtol=1e-5)


def test_modalities_may_be_exchanged_and_pairs_permuted(pairs):
    image, text = pairs
    losses = info_nce(image, text, SCALE)
    np.testing.assert_allclose(info_nce(text, image, SCALE), losses, rtol=1e-5)
    order = jnp.array([3, 1, 5, 0, 2, 4])
    np.testing.assert_allclose(info_nce(image[order], text[order], SCALE), losses[order], rtol=1e-5)


def test_length_of_the_vectors_does_not_matter(pairs):
    image, text = pairs
    losses = info_nce(image * 7.0, text * 0.1, SCALE)
    np.testing.assert_allclose(losses, info_nce(image, text, SCALE), rtol=1e-5)


def test_equal_vectors_cost_log_of_the_batch():
    same = jnp.ones((8, 3))
    np.testing.assert_allclose(info_nce(same, same, SCALE), np.log(8.0), rtol=1e-6)


def test_the_same_image_twice_is_no_negative_of_itself(pairs):
    """Pair 0 and its double 5: the loss of pair 0 is that of the batch without pair 5."""
    image, text = pairs
    image = image.at[5].set(image[0])
    losses = info_nce(image, text, SCALE, jnp.array([0, 1, 2, 3, 4, 0]))
    alone = info_nce(image[:5], text[:5], SCALE)
    np.testing.assert_allclose(losses[0], alone[0], rtol=1e-5)
    np.testing.assert_allclose(
        info_nce(image, text, SCALE, jnp.arange(6)), info_nce(image, text, SCALE), rtol=1e-6
    )


def test_recall_counts_own_captions():
    axes = jnp.eye(4)
    turned, ids = axes[jnp.array([0, 1, 3, 2])], jnp.arange(4)
    assert float(recall(axes, axes, ids)) == 1.0
    assert float(recall(axes, turned, ids)) == 0.5
    # Any caption of the image will do.
    assert float(recall(axes, turned, jnp.array([4, 5, 7, 7]))) == 1.0


@pytest.mark.parametrize("bias", [-10.0, -2.5])
def test_sigmoid_is_equation_1_of_siglip(pairs, bias):
    """Its mean, and its gradients, against torch's log-sigmoid of every pair by itself."""
    image, text = (torch.tensor(np.array(x), requires_grad=True) for x in pairs)
    unit = torch.nn.functional.normalize
    logits = 10.0 * unit(image) @ unit(text).T + bias
    expected = -torch.nn.functional.logsigmoid((2 * torch.eye(6) - 1) * logits).sum() / 6
    expected.backward()

    def ours(image, text):
        return jnp.mean(Sigmoid(bias)(image, text, SCALE, jnp.arange(6)))

    np.testing.assert_allclose(ours(*pairs), expected.item(), rtol=1e-6)
    for found, tensor in zip(jax.grad(ours, (0, 1))(*pairs), (image, text), strict=True):
        np.testing.assert_allclose(found, some(tensor.grad), rtol=1e-4, atol=1e-6)


def test_sigmoid_leaves_out_another_pair_of_the_same_image(pairs):
    """Pair 0 and its double 5: the loss of pair 0 is that of the batch without pair 5."""
    image, text = pairs
    ids = jnp.array([0, 1, 2, 3, 4, 0])
    alone = Sigmoid()(image[:5], text[:5], SCALE, jnp.arange(5))
    np.testing.assert_allclose(Sigmoid()(image, text, SCALE, ids)[0], alone[0], rtol=1e-6)


def test_a_bias_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="-10 is SigLIP's"):
        Sigmoid(float("nan"))


@pytest.mark.parametrize("kind", [defenses.FineTune, defenses.TeCoAITR, defenses.MAT])
def test_defences_minimise_the_contrast_they_are_given(kind):
    model, batch = linear.model(0), linear.batch()
    attacked = batch._replace(images=batch.images[::-1])
    seen = batch if kind is defenses.FineTune else attacked
    own = jax.tree.map(lambda x: x[:, 0], batch.tokens)
    image, text = model.encode_image(seen.images).embed, model.encode_text(own).embed
    found, _ = kind(contrast=Sigmoid(-3.0)).loss(model, None, batch, attacked, jax.random.key(0))
    expected = Sigmoid(-3.0)(image, text, model.scale, batch.ids)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    usual, _ = kind().loss(model, None, batch, attacked, jax.random.key(0))
    np.testing.assert_allclose(usual, info_nce(image, text, model.scale, batch.ids), rtol=1e-5)


def test_sigmoid_on_one_and_on_eight_devices():
    defense = defenses.TeCoAITR(eps=8 / 255, steps=1, contrast=Sigmoid())
    ends = on_one_and_on_eight(defense, tiny("clip"), toy_batch(8, captions=1))
    assert ends.apart < 1e-5 < ends.moved
    assert np.isfinite(ends.metrics["loss"])
