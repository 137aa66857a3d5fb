"""Pairs scored image by image against pairs scored one at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import models
from mat_jax.models.features import encode_images, encode_texts, match_scores, matches_pairs

CAPTIONS = ["a red ball on sand", "two blue boxes", "a cat", "one man rides a brown horse"]
VIT = models.ViTConfig(width=16, layers=1, heads=2)


@pytest.mark.parametrize("family", ["albef", "blip"])
def test_pairs_get_the_score_their_family_ranks_by(family):
    text = models.BertConfig(width=16, layers=2, heads=2, segments=2 if family == "albef" else 0)
    config = {
        "albef": models.ALBEFConfig(16, 8, VIT, text, first_fusion=1, embed=8),
        "blip": models.BLIPConfig(16, 8, VIT, text, embed=8),
    }[family]
    tokenizer = models.Tokenizer.train_bert(CAPTIONS, 120, 12)
    model, tokenizer = models.Fresh(config, tokenizer).build(0)
    assert matches_pairs(model)
    pixels = np.random.default_rng(0).uniform(size=(3, 16, 16, 3)).astype(np.float32)
    images, texts = encode_images(model, pixels), encode_texts(model, tokenizer, CAPTIONS)
    pairs = np.array([[2, 1], [0, 3], [2, 0], [1, 1], [0, 0]])
    found = match_scores(model, images, texts, pairs)
    tokens = tokenizer(CAPTIONS)

    @jax.jit
    def alone(model, pixels, tokens):
        image, text = model.encode_image(pixels), model.encode_text(tokens)
        match = model.match_logits(model.fuse(image, text))[0, 1]
        return match + image.unit[0] @ text.unit[0] if family == "blip" else match

    for score, (i, t) in zip(found, pairs, strict=True):
        text = jax.tree.map(lambda x, t=t: x[t : t + 1], tokens)
        expected = float(alone(model, jnp.asarray(pixels[i : i + 1]), text))
        assert score == pytest.approx(expected, abs=1e-5)
