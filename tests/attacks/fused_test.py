"""Texts read with their images, by a small ALBEF and BLIP, are those of each pair by itself.

The attacks that stand on this are in `plain_test`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax.attacks.fused import first_token_and_text, pair_encoder, require_fusion
from mat_jax.types.arrays import Tokens, unit
from tests.attacks.toy import tiny, toy_batch

CAPTIONS = 3


@pytest.mark.parametrize("family", ["albef", "blip"])
def test_each_text_is_read_with_its_own_image(family):
    model, batch = tiny(family), jax.tree.map(jnp.asarray, toy_batch())
    flat = Tokens(*(x.reshape(-1, x.shape[-1]) for x in batch.tokens))
    # Two texts for each of these captions, of images 3, 0 and 2: their own, and caption 4's.
    rows = np.array([11, 1, 6])
    texts = np.stack([rows, [4, 4, 4]], axis=1).ravel()

    @jax.jit
    def pairs(model, images):
        embed = pair_encoder(model, images, CAPTIONS, read=first_token_and_text)
        some = Tokens(*(x[texts] for x in flat))
        return embed(flat, None), embed(some, jnp.asarray(rows))

    @jax.jit
    def alone(model, image, ids, mask):
        seen = model.encode_image(image[None])
        read = model.encode_text(Tokens(ids[None], mask[None]))
        return jnp.concatenate([model.fuse(seen, read)[0, 0], unit(read.embed)[0]])

    every, some = pairs(model, batch.images)
    for c in range(len(flat.ids)):
        expected = alone(model, batch.images[c // CAPTIONS], flat.ids[c], flat.mask[c])
        np.testing.assert_allclose(every[c], expected, atol=2e-6)
    for place, text in enumerate(texts):
        image = batch.images[rows[place // 2] // CAPTIONS]
        expected = alone(model, image, flat.ids[text], flat.mask[text])
        np.testing.assert_allclose(some[place], expected, atol=2e-6)
    # The images differ, and with them what is read of one text.
    others = alone(model, batch.images[0], flat.ids[4], flat.mask[4])
    assert np.abs(np.asarray(others - every[4])).max() > 1e-4


@pytest.mark.parametrize("family", ["albef", "blip"])
def test_the_score_moves_with_the_pixels_of_its_own_image_only(family):
    model, batch = tiny(family), jax.tree.map(jnp.asarray, toy_batch())
    flat = Tokens(*(x.reshape(-1, x.shape[-1]) for x in batch.tokens))

    @jax.jit
    @jax.grad
    def slope(images):
        fused = pair_encoder(model, images, CAPTIONS)(flat, None)
        logits = model.match_logits(fused[:, None])[:, 1]
        return jnp.sum(logits[:CAPTIONS])  # the captions of image 0

    size = np.abs(np.asarray(slope(batch.images))).max(axis=(1, 2, 3))
    assert size[0] > 0 and (size[1:] == 0).all()


def test_a_model_that_does_not_fuse_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="which CLIP does not do"):
        require_fusion(tiny("clip"))
