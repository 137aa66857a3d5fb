"""Phrases grounded: the shipped ALBEF, the boxes it chooses, and what is kept of a run."""

import dataclasses
import json

import numpy as np
import pytest

from experiments.study import grounded, ours, saved, studies
from experiments.study.carry import carry_out
from experiments.study.claims import Side
from experiments.study.plan import Run
from mat_jax import Evaluation, data, models
from tests.tools.narrow import some

ASKED = Evaluation(
    data=data.Phrases(data.load_scenes("val", limit=6)),
    attacks=("none", "pgd"),
    eps=6 / 255,
    steps=2,
    batch_size=10,
    checks=0,
)


@pytest.fixture(scope="module")
def albef():
    return models.load("scenes-albef")


@pytest.fixture(scope="module")
def found(albef):
    return grounded.ground(ASKED, *albef, name="ALBEF", quiet=True)


def test_the_right_objects_are_chosen_far_beyond_chance(found):
    # By chance a quarter of 24 would be right; more than 16, less than once in 100,000 times.
    assert found.right["none"].shape == (24,) and found.right["none"].sum() > 16
    assert found.changed == {"none": 0.0, "pgd": 0.0}
    assert found.picture.tolist() == [i // 4 for i in range(24)]


def test_a_choice_follows_its_box_and_its_phrase(albef):
    model, tokenizer = albef
    source = ASKED.data
    pictures = np.stack([source[i].image for i in range(8)]).astype(np.float32) / 255
    captions = [source.captions(i)[0] for i in range(8)]
    boxes = np.stack([source.boxes(i) for i in range(8)])
    first = grounded.chosen(model, tokenizer, pictures, captions, boxes)
    turned = grounded.chosen(model, tokenizer, pictures, captions, boxes[:, [2, 0, 3, 1]])
    np.testing.assert_array_equal(np.array([2, 0, 3, 1])[turned], first)
    others = np.roll(np.arange(8).reshape(2, 4), 1, axis=1).ravel()  # phrases of the same scene
    swapped = grounded.chosen(model, tokenizer, pictures, [captions[i] for i in others], boxes)
    np.testing.assert_array_equal(swapped, first[others])


def test_what_is_kept_counts_by_picture(found):
    kept = grounded.summary(found)
    assert kept["protocol"]["images"] == 6 and kept["protocol"]["captions"] == 24
    share = 100 * found.right["pgd"].mean()
    one = saved.Saved({**kept, "study": "grounding", "name": "x", "seed": 0})
    assert one.value("pgd") == one.value("pgd", "accuracy") == pytest.approx(share, abs=1e-3)
    each = some(one.each("pgd"))
    np.testing.assert_allclose(each, 100 * found.right["pgd"].reshape(6, 4).mean(1))
    assert each.mean() == pytest.approx(one.value("pgd"), abs=1e-3)


def test_a_run_of_the_study_is_measured_and_kept(tmp_path, monkeypatch):
    config = tmp_path / "grounding.py"
    config.write_text(
        "from dataclasses import replace\n"
        "from mat_jax import data\n"
        "from experiments.study.runs import grounding\n"
        "def experiment(limit: int = 2, seed: int = 0):\n"
        "    found = grounding.experiment(split='val', limit=limit, seed=seed)\n"
        "    asked = replace(found.evaluation, attacks=('none', 'pgd'), steps=1)\n"
        "    return replace(found, evaluation=asked)\n"
    )
    run = Run(
        study="grounding",
        name="any-none",
        title="none",
        config=config,
        trained=False,
        task="grounding",
    )
    file = carry_out(run, tmp_path / "runs", tmp_path / "kept", quiet=True)
    content = json.loads(file.read_text())
    assert content["protocol"]["images"] == 2 and content["attacks"].keys() == {"none", "pgd"}
    side = Side("none", ("grounding/any-none",), ("none",)).found(saved.read(tmp_path / "kept"))
    assert side.spread.mean == content["attacks"]["none"]["accuracy"]
    assert side.each is not None and side.each.shape == (2,)


def test_of_every_model_that_is_compared_the_studies_train_one():
    trained = {run.key for run in studies.every()["main"]} | {ours.on_albef("truthful").key}
    for run in studies.grounding():
        assert run.task == "grounding" and run.trained == bool(run.ingredients)
        assert all(one.key in trained for one in run.ingredients)


def test_what_cannot_ground_or_be_grounded_is_refused(albef):
    scenes = dataclasses.replace(ASKED, data=data.load_scenes("val", limit=2))
    with pytest.raises(ValueError, match="cannot use the data 'scenes/val', which has no boxes"):
        grounded.ground(scenes, *albef, name="x", quiet=True)
    with pytest.raises(ValueError, match="cannot use the model 'CLIP', which has no match_logits"):
        grounded.ground(ASKED, *models.load("scenes-clip"), name="x", quiet=True)
    several = dataclasses.replace(ASKED, eps=(1 / 255, 2 / 255))
    with pytest.raises(ValueError, match="at one eps, 2 were given"):
        grounded.ground(several, *albef, name="x", quiet=True)
