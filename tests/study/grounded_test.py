"""Phrases grounded in the study: what is kept of a run."""

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
    data=data.Phrases(data.load_scenes("val", limit=3)),
    attacks=("none", "pgd"),
    eps=6 / 255,
    steps=1,
    batch_size=12,
    checks=0,
)


def test_what_is_kept_counts_by_picture():
    found = grounded.ground(ASKED, *models.load("scenes-albef"), name="ALBEF", quiet=True)
    kept = grounded.summary(found)
    assert kept["protocol"]["images"] == 3 and kept["protocol"]["captions"] == 12
    assert kept["attacks"].keys() == {"none", "pgd"}
    right = found.row("pgd").ranks["box"] <= 1
    one = saved.Saved({**kept, "study": "grounding", "name": "x", "seed": 0})
    share = pytest.approx(100 * right.mean(), abs=1e-3)
    assert one.value("pgd") == one.value("pgd", "accuracy") == share
    each = some(one.each("pgd"))
    np.testing.assert_allclose(each, 100 * right.reshape(3, 4).mean(1))
    assert each.mean() == pytest.approx(one.value("pgd"), abs=1e-3)


def test_a_run_of_the_study_is_measured_and_kept(tmp_path, monkeypatch):
    config = tmp_path / "grounding.py"
    config.write_text(
        "from dataclasses import replace\n"
        "from mat_jax import data\n"
        "from experiments.study.runs import grounding\n"
        "def experiment(limit: int = 2, seed: int = 0):\n"
        "    found = grounding.experiment(split='val', limit=limit, seed=seed)\n"
        "    asked = replace(found.evaluation, attacks=('none', 'pgd'), steps=1, checks=0)\n"
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
