"""What training exports is what transformers computes: one MAT step, then both side by side."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import torch
import transformers
from flax import nnx

import mat_jax
from mat_jax import models
from mat_jax.experiment import load

toy = load(Path(__file__).parent / "toy_experiment.py")
CAPTIONS = ["red beside green", "left blue right white"]
PIXELS = np.random.default_rng(0).random((2, 16, 16, 3), dtype=np.float32)


def trained(workdir, **changes):
    """A model after one step, what stands in its export, and what it began as."""
    experiment = dataclasses.replace(toy(defense="mat", steps=1, sgd=True, lr=0.01), **changes)
    before, tokenizer = experiment.model.build(0)
    after = mat_jax.fit(experiment, workdir, mesh=1, quiet=True)
    moved = jax.tree.map(lambda x, y: bool((x != y).any()), nnx.state(before), nnx.state(after))
    assert np.mean(jax.tree.leaves(moved)) > 0.9
    loaded, _ = models.load(workdir / "export")
    for one, other in zip(*(jax.tree.leaves(nnx.state(m)) for m in (after, loaded)), strict=True):
        np.testing.assert_array_equal(one, other)
    return after, tokenizer(CAPTIONS)


def as_torch(tokens, mean, std):
    pixels = (PIXELS - np.asarray(mean)) / np.asarray(std)
    return {
        "pixel_values": torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=torch.float32),
        "input_ids": torch.tensor(tokens.ids, dtype=torch.long),
        "attention_mask": torch.tensor(tokens.mask, dtype=torch.long),
    }


def test_clip(tmp_path):
    model, tokens = trained(tmp_path)
    theirs = transformers.CLIPModel.from_pretrained(tmp_path / "export").eval()
    with torch.no_grad():
        logits = theirs(**as_torch(tokens, *PIXEL)).logits_per_image
    ours = model.scale * model.encode_image(PIXELS).unit @ model.encode_text(tokens).unit.T
    np.testing.assert_allclose(ours, logits.numpy(), atol=1e-4)


def test_blip(tmp_path):
    captions = [text for i in range(36) for text in toy().data[i].captions]
    config = models.BLIPConfig(
        image_size=16,
        patch_size=8,
        vision=models.ViTConfig(width=32, layers=1, heads=2),
        text=models.BertConfig(width=32, layers=1, heads=2, segments=0),
        embed=16,
        match_start="cls",  # as transformers does
    )
    spec = models.Fresh(config, models.Tokenizer.train_bert(captions, 120, 12))
    model, tokens = trained(tmp_path, model=spec)
    theirs = transformers.BlipForImageTextRetrieval.from_pretrained(tmp_path / "export").eval()
    image, text = model.encode_image(PIXELS), model.encode_text(tokens)
    with torch.no_grad():
        inputs = as_torch(tokens, *PIXEL)
        matches, cosines = theirs(**inputs)[0], theirs(**inputs, use_itm_head=False)[0]
    np.testing.assert_allclose(
        model.match_logits(model.fuse(image, text)), matches.numpy(), atol=1e-5
    )
    np.testing.assert_allclose(image.unit @ text.unit.T, cosines.numpy(), atol=1e-5)


PIXEL = models.CLIP.pixels.mean, models.CLIP.pixels.std
