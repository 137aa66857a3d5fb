"""Zero-shot classification beside transformers' CLIP on the same weights and 500 images."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from mat_jax import evaluate, models
from mat_jax.evaluate import Evaluation
from mat_jax.evaluate.__main__ import main
from mat_jax.evaluate.tasks.class_prompts import AsWritten, prompts_of
from mat_jax.types.arrays import Example

CLASSES = ("apple", "dog", "red car", "tree", "house", "child", "ball")
TEMPLATES = ("a photo of a {}.", "a drawing of the {}", "many {}s")
COUNT, SEED = 500, 7


class Noise:
    """Images of noise of the model's size, so that nothing is resized, each with a class."""

    name, template = "noise", "a photo of a {}."
    classes: tuple[str, ...] = CLASSES

    def __init__(self, size: int, count: int = COUNT) -> None:
        draw = np.random.default_rng(SEED)
        # Noise about colours of its own, so that images differ in more than detail.
        colours = draw.integers(0, 256, (count, 1, 1, 3))
        noise = draw.integers(-60, 60, (count, size, size, 3))
        self.images = np.clip(colours + noise, 0, 255).astype(np.uint8)
        self.labels = draw.integers(0, len(CLASSES), count).astype(np.int32)

    def __len__(self) -> int:
        return len(self.images)

    def label(self, index: int) -> int:
        return int(self.labels[index])

    def __getitem__(self, index: int, /) -> Example:
        return Example(self.images[index], (CLASSES[self.labels[index]],), index)


@pytest.fixture(scope="module")
def both(clip_folder):
    reference, folder = clip_folder()
    model, tokenizer = models.load(folder)
    return reference, model, tokenizer


def theirs(reference, source, prompts):
    """Cosines [images, classes] as CLIP's paper takes them: the mean of each class's prompts."""
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    pixels = torch.tensor(source.images).permute(0, 3, 1, 2).float() / 255
    ids, mask = (torch.tensor(np.asarray(x)).long() for x in (prompts.ids, prompts.mask))
    with torch.no_grad():
        vision = reference.vision_model((pixels - mean) / std).pooler_output
        image = reference.visual_projection(vision)
        spoken = reference.text_model(input_ids=ids, attention_mask=mask).pooler_output
        text = reference.text_projection(spoken)
    text = torch.nn.functional.normalize(text, dim=-1)
    text = text.reshape(len(CLASSES), len(TEMPLATES), -1).mean(1)
    weights = torch.nn.functional.normalize(text, dim=-1)
    return (torch.nn.functional.normalize(image, dim=-1) @ weights.T).numpy()


def asked(source, **changes: Any):
    settings: dict[str, Any] = {"attacks": ("none",), "checks": 0, "batch_size": 100, **changes}
    return Evaluation(task="zero_shot", data=source, templates=TEMPLATES, **settings)


def test_top_1_and_top_5_are_those_of_transformers(both):
    reference, model, tokenizer = both
    source = Noise(model.config.image_size)
    result = evaluate.evaluate(asked(source), model, tokenizer, quiet=True)
    prompts = AsWritten(tokenizer)(prompts_of(CLASSES, TEMPLATES))
    cosines = theirs(reference, source, prompts)
    above = cosines - cosines[np.arange(COUNT), source.labels][:, None]
    # Two libraries round differently, so a class this close may stand on either side.
    first, last = (above > 1e-5).sum(1) + 1, (above >= -1e-5).sum(1)
    found = result.row("none").ranks["top"]
    assert np.all((first <= found) & (found <= last))
    assert np.mean(first == last) > 0.95
    # More than one class wins, so that the agreement says something.
    assert len(np.unique(cosines.argmax(1))) > 1


def test_an_attack_moves_answers_and_stays_in_its_ball(both):
    _, model, tokenizer = both
    source = Noise(model.config.image_size, 40)
    result = evaluate.evaluate(
        asked(source, attacks=("none", "pgd_ce"), eps=8 / 255, steps=5, checks=4, batch_size=20),
        model,
        tokenizer,
        quiet=True,
    )
    clean, attacked = (result.row(name).ranks["top"] for name in ("none", "pgd_ce"))
    assert np.mean(attacked <= 1) < np.mean(clean <= 1)
    assert np.mean(attacked) > np.mean(clean)


def test_retrieval_attacks_are_refused(both):
    _, model, tokenizer = both
    source = Noise(model.config.image_size, 4)
    with pytest.raises(ValueError, match="'co_attack' is not made for zero_shot"):
        evaluate.evaluate(asked(source, attacks=("co_attack",)), model, tokenizer, quiet=True)


def test_attacks_on_random_models_are_refused_where_nothing_is_drawn(both):
    _, model, tokenizer = both
    source = Noise(model.config.image_size, 4)
    with pytest.raises(ValueError, match="answers at random, and this one does not"):
        evaluate.evaluate(asked(source, attacks=("apgd_ce_rand",)), model, tokenizer, quiet=True)


def test_labels_without_a_name_are_refused(both):
    _, model, tokenizer = both
    source = Noise(model.config.image_size, 4)
    source.classes, source.labels = CLASSES[:2], np.array([0, 1, 2, 3], np.int32)
    with pytest.raises(ValueError, match="labels of 'noise' run to 3, and there are 2 class names"):
        evaluate.evaluate(asked(source), model, tokenizer, quiet=True)


def test_the_command_attacks_prompts_without_asking_for_a_suite(tmp_path):
    """The cheap suite of words has no attack on classes, so there is none."""
    told = "--task zero_shot --model scenes-clip --data scenes --attacks mmcoa --limit 4 --steps 2"
    assert main([*told.split(), "--checks", "0", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert "mmcoa" in json.dumps(found) and '"quick"' not in json.dumps(found)
