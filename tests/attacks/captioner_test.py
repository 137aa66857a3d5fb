"""The attack on a captioner: its loss is torch's, and it does what it says to every picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax import data, models
from mat_jax.attacks import ThreatModel, example_keys
from mat_jax.attacks.captioner import attack_captioner, surprise
from mat_jax.types.arrays import Tokens

COUNT, THREAT = 3, ThreatModel(eps=6 / 255, steps=4)
# As programs: each operation alone would be compiled for every call anew.
attack = jax.jit(attack_captioner, static_argnames=("threat", "towards"))
surprise_of = jax.jit(surprise)
encode = jax.jit(lambda model, images: model.encode_image(images))


@pytest.fixture(scope="module")
def captioner():
    return models.load("scenes-captioner")


@pytest.fixture(scope="module")
def pictures():
    world = data.load_scenes("val", limit=COUNT)
    return jnp.stack([jnp.asarray(world[i].image, jnp.float32) / 255 for i in range(COUNT)])


@pytest.fixture(scope="module")
def captions(captioner):
    world = data.load_scenes("val", limit=COUNT)
    ids, mask = captioner[1]([text for i in range(COUNT) for text in world.captions(i)[:2]])
    return Tokens(ids.reshape(COUNT, 2, -1), mask.reshape(COUNT, 2, -1))


def surprises(model, images, captions):
    image = encode(model, images)
    texts = [Tokens(captions.ids[:, m], captions.mask[:, m]) for m in range(2)]
    return np.mean([surprise_of(model, image, text) for text in texts], axis=0)


def test_surprise_is_torchs_cross_entropy_of_the_ids_that_follow(captioner, pictures, captions):
    model, _ = captioner
    image, text = encode(model, pictures), Tokens(captions.ids[:, 0], captions.mask[:, 0])
    logits = jax.jit(lambda model, *told: model.caption_logits(*told))(model, image, text)
    logits, ours = torch.tensor(np.asarray(logits)), surprise_of(model, image, text)
    for row in range(COUNT):
        real = int(text.mask[row].sum())
        want = torch.nn.functional.cross_entropy(
            logits[row, : real - 1], torch.tensor(text.ids[row, 1:real]).long()
        )
        np.testing.assert_allclose(ours[row], want, rtol=1e-5)


@pytest.mark.parametrize("towards", [False, True])
def test_every_picture_is_moved_as_asked_and_in_its_ball(captioner, pictures, captions, towards):
    model, _ = captioner
    aims = jax.tree.map(lambda x: np.roll(x, 1, axis=0), captions) if towards else captions
    keys = example_keys(jax.random.key(0), jnp.arange(COUNT))
    adv = attack(model, pictures, aims, keys, threat=THREAT, towards=towards)
    assert np.max(np.abs(adv - pictures)) <= THREAT.eps + 1e-6
    assert np.min(adv) >= 0 and np.max(adv) <= 1
    gain = surprises(model, adv, aims) - surprises(model, pictures, aims)
    assert ((-gain if towards else gain) > 0.2).all(), gain


def test_a_picture_does_not_depend_on_the_others(captioner, pictures, captions):
    model, _ = captioner
    keys = example_keys(jax.random.key(0), jnp.arange(COUNT))
    both = attack(model, pictures, captions, keys, threat=THREAT, towards=False)
    one = jax.tree.map(lambda x: x[1:2], captions)
    alone = attack(model, pictures[1:2], one, keys[1:2], threat=THREAT, towards=False)
    np.testing.assert_allclose(both[1:2], alone, atol=1e-6)
