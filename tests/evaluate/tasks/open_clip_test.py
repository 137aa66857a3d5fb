"""Zero-shot classification beside open_clip's own model and classifier, on the same weights.

open_clip is no dependency: `pip install open_clip_torch` runs these tests, else they are skipped.
"""

import json

import numpy as np
import pytest
import torch

from mat_jax import evaluate, models
from mat_jax.evaluate.tasks.class_prompts import AsWritten
from mat_jax.evaluate.tasks.classified_images import Classified
from tests.evaluate.tasks.zero_shot_test import CLASSES, COUNT, TEMPLATES, Noise, asked

open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed")

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
VISION = {"image_size": 32, "patch_size": 8, "width": 128, "head_width": 32, "layers": 2}
TEXT = {"context_length": 20, "width": 64, "heads": 2, "layers": 2}


@pytest.fixture(scope="module", params=[False, True], ids=["gelu", "quick_gelu"])
def both(request, clip_tokenizer, tmp_path_factory):
    """open_clip's model, and ours from the folder as open_clip publishes models."""
    torch.manual_seed(0)
    words = TEXT | {"vocab_size": clip_tokenizer.vocab_size}
    theirs = open_clip.CLIP(64, VISION, words, quick_gelu=request.param).eval()
    with torch.no_grad():
        for one in theirs.parameters():  # as spread out as trained weights, biases not 0
            one.add_(0.05 * torch.randn_like(one))
    folder = tmp_path_factory.mktemp("open_clip")
    torch.save(theirs.state_dict(), folder / "open_clip_pytorch_model.bin")
    config = {"embed_dim": 64, "vision_cfg": VISION, "text_cfg": words}
    config |= {"quick_gelu": True} if request.param else {}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    clip_tokenizer.save(folder)
    return theirs, *models.load(folder)


def test_class_weights_and_predictions_are_those_of_open_clip(both):
    theirs, model, tokenizer = both
    source = Noise(model.config.image_size)
    settings = asked(source)
    victim = evaluate.prepare(settings, model, tokenizer, quiet=True)
    weights = open_clip.build_zero_shot_classifier(
        theirs,
        lambda texts: torch.tensor(np.asarray(AsWritten(tokenizer)(texts).ids)).long(),
        CLASSES,
        TEMPLATES,
    ).T.numpy()
    assert isinstance(victim.examples, Classified)
    np.testing.assert_allclose(victim.examples.weights, weights, atol=2e-6)
    pixels = torch.tensor(source.images).permute(0, 3, 1, 2).float() / 255
    pixels = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        cosines = (theirs.encode_image(pixels, normalize=True) @ torch.tensor(weights.T)).numpy()
    result = evaluate.evaluate(settings, model, tokenizer, victim=victim, quiet=True)
    found = result.clean.ranks
    assert (found.answers["top"] == cosines.argmax(1)).sum() == COUNT
    own = cosines[np.arange(COUNT), source.labels]
    np.testing.assert_array_equal(found["top"], (cosines >= own[:, None]).sum(1))
    assert len(np.unique(cosines.argmax(1))) > 1  # so that the agreement says something
