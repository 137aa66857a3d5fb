"""The matching loss against its equation, its negatives against the distribution they come from."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from mat_jax.defenses.losses.matching import draw, matching_loss
from mat_jax.types.arrays import ImageFeatures, TextFeatures
from tests.tools.narrow import some


def world(table):
    """A model whose match logits are `table[image, text]`, the features carrying their numbers."""
    count = len(table)

    def fuse(image, text, keys):
        each = len(text.mask) // len(keys)
        return jnp.asarray(table)[jnp.repeat(keys, each), text.mask[:, 0]][:, None]

    model = SimpleNamespace(
        scale=jnp.float32(2.0),
        image_keys=lambda image: image.tokens,
        fuse=fuse,
        match_logits=lambda fused: fused[:, 0],
    )
    embed = jax.random.normal(jax.random.key(0), (2, count, 3))
    # Stand-ins: what the model of this test reads of a feature is its number, and no more.
    number = jnp.arange(count)
    image = ImageFeatures._make((number, embed[0]))
    return model, image, TextFeatures._make((embed[1], embed[1], number[:, None], None))


def surprise(logits, label):
    return np.log(np.exp(logits).sum()) - logits[label]


def test_two_pairs_are_each_others_negatives():
    table = np.random.default_rng(0).normal(size=(2, 2, 2)).astype(np.float32)
    losses = matching_loss(*world(table), jax.random.key(1), jnp.array([7, 9]))
    for i, other in ((0, 1), (1, 0)):
        terms = (table[i, i], 1), (table[i, other], 0), (table[other, i], 0)
        expected = np.mean([surprise(*term) for term in terms])
        assert float(losses[i]) == pytest.approx(expected, rel=1e-5)


def test_one_image_twice_is_no_negative_of_itself():
    table = np.random.default_rng(0).normal(size=(2, 2, 2)).astype(np.float32)
    losses = matching_loss(*world(table), jax.random.key(1), jnp.array([7, 7]))
    expected = [surprise(table[i, i], 1) / 3 for i in (0, 1)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_hard_negatives_and_gradients_are_torchs():
    """So sharp a scale draws the nearest one of another image, which torch finds by itself."""
    ids = np.array([7, 9, 7, 3, 5, 8])
    rng = np.random.default_rng(0)
    shapes = {"image": (6, 5), "text": (6, 5), "keys": (5, 4), "values": (5, 4), "head": (4, 2)}
    arrays = {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}

    def ours(arrays):
        def fuse(image, text, keys):
            each = len(text.embed) // len(keys)
            return (jnp.repeat(keys, each, axis=0) * (text.embed @ arrays["values"]))[:, None]

        model = SimpleNamespace(
            scale=jnp.float32(1e6),
            image_keys=lambda image: image.embed @ arrays["keys"],
            fuse=fuse,
            match_logits=lambda fused: fused[:, 0] @ arrays["head"],
        )
        image, text = arrays["image"], arrays["text"]
        found = (
            model,
            ImageFeatures(image[:, None], image),
            TextFeatures(text[:, None], text, jnp.ones((6, 1), bool)),
        )
        return jnp.mean(matching_loss(*found, jax.random.key(1), jnp.asarray(ids)))

    theirs = {name: torch.tensor(x, requires_grad=True) for name, x in arrays.items()}
    alike = normalize(theirs["image"]) @ normalize(theirs["text"]).T
    alike = alike.masked_fill(torch.tensor(ids[:, None] == ids), -torch.inf)
    own = torch.arange(6)
    pairs = (own, own, 1), (own, alike.argmax(1), 0), (alike.argmax(0), own, 0)
    read, said = theirs["image"] @ theirs["keys"], theirs["text"] @ theirs["values"]
    terms = (
        cross_entropy((read[image] * said[text]) @ theirs["head"], torch.full((6,), label)) / 3
        for image, text, label in pairs
    )
    expected = sum(terms, torch.zeros(()))
    expected.backward()
    value, slopes = jax.jit(jax.value_and_grad(ours))(arrays)
    assert float(value) == pytest.approx(expected.item(), rel=1e-5)
    for name, slope in slopes.items():
        grad = some(theirs[name].grad).numpy()
        np.testing.assert_allclose(slope, grad, atol=1e-5 * np.abs(grad).max(), err_msg=name)


def test_negatives_are_drawn_as_the_similarities_say():
    similarity = jnp.array([[0.3, 1.0, -1.0, 2.0]])
    allowed = jnp.array([[False, True, True, True]])
    keys = jax.random.split(jax.random.key(2), 20_000)
    drawn = jax.vmap(lambda key: draw(key, similarity, allowed))(keys)
    expected = np.exp([1.0, -1.0, 2.0]) / np.exp([1.0, -1.0, 2.0]).sum()
    found = np.bincount(np.asarray(drawn)[:, 0], minlength=4) / len(keys)
    np.testing.assert_allclose(found, [0, *expected], atol=4 * (0.25 / len(keys)) ** 0.5)
