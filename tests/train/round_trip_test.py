"""What training exports is what transformers computes: one MAT step on a CLIP, both side by side.

`models/specs_test.py` does the same for ALBEF and BLIP.
"""

from pathlib import Path

import jax
import numpy as np
import torch
import transformers
from flax import nnx

import mat_jax
from mat_jax import models
from mat_jax.train.experiment import load

toy = load(Path(__file__).parents[1] / "toy_experiment.py")
CAPTIONS = ["red beside green", "left blue right white"]
PIXELS = np.random.default_rng(0).random((2, 16, 16, 3), dtype=np.float32)


def test_a_clip_after_a_step_of_mat(tmp_path):
    experiment = toy(defense="mat", steps=1, sgd=True, lr=0.01)
    before, tokenizer = experiment.model.build(0)
    model = mat_jax.fit(experiment, tmp_path, mesh=1, quiet=True)
    moved = jax.tree.map(lambda x, y: bool((x != y).any()), nnx.state(before), nnx.state(model))
    assert np.mean(jax.tree.leaves(moved)) > 0.9
    loaded, _ = models.load(tmp_path / "export")
    for one, other in zip(*(jax.tree.leaves(nnx.state(m)) for m in (model, loaded)), strict=True):
        np.testing.assert_array_equal(one, other)
    theirs = transformers.CLIPModel.from_pretrained(tmp_path / "export").eval()
    tokens, told = tokenizer(CAPTIONS), model.pixels
    pixels = (PIXELS - np.asarray(told.mean)) / np.asarray(told.std)
    with torch.no_grad():
        logits = theirs(
            pixel_values=torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=torch.float32),
            input_ids=torch.tensor(tokens.ids, dtype=torch.long),
            attention_mask=torch.tensor(tokens.mask, dtype=torch.long),
        ).logits_per_image
    ours = model.scale * model.encode_image(PIXELS).unit @ model.encode_text(tokens).unit.T
    np.testing.assert_allclose(ours, logits.numpy(), atol=1e-4)
