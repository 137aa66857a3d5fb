"""Captions under attack in the study: what is kept of a run."""

import json

import numpy as np
import pytest

from experiments.study import captioned, saved, studies
from experiments.study.carry import carry_out
from experiments.study.claims import Side
from experiments.study.plan import Run
from mat_jax.data import load_scenes
from mat_jax.data.scenes.oracle import agreement
from tests.tools.narrow import some


def test_a_run_of_the_study_is_measured_and_kept(tmp_path):
    config = tmp_path / "captioning.py"
    config.write_text(
        "from dataclasses import replace\n"
        "from experiments.study.runs import captioning\n"
        "def experiment(limit: int = 2, seed: int = 0):\n"
        "    found = captioning.experiment(split='val', limit=limit, seed=seed)\n"
        "    asked = replace(found.evaluation, attacks=('none',), steps=1, checks=0)\n"
        "    return replace(found, evaluation=asked)\n"
    )
    run = Run(
        study="captioning",
        name="none",
        title="none",
        config=config,
        trained=False,
        task="captioning",
    )
    file = carry_out(run, tmp_path / "runs", tmp_path / "kept", quiet=True)
    content = json.loads(file.read_text())
    assert content["attacks"].keys() == {"none", *captioned.WHITE_BOX}
    shelf = saved.read(tmp_path / "kept")
    # Chance is what captions say rightly of the next scene.
    said = content["written"]["none"]
    others = [agreement(text, load_scenes("val").scene((i + 1) % 2)) for i, text in enumerate(said)]
    assert content["protocol"]["chance"] == pytest.approx(100 * np.mean(others), abs=1e-3)
    side = Side("none", ("captioning/none",), ("none",)).found(shelf)
    assert side.spread.mean == content["attacks"]["none"]["agreement"]
    assert some(side.each).mean() == pytest.approx(side.spread.mean, abs=0.01)
    assert (
        shelf.spread("captioning/none", "none", "true").mean == content["attacks"]["none"]["true"]
    )


def test_what_trains_a_captioner_is_carried_out_by_the_study_alone():
    for run in studies.captioning():
        assert run.task == "captioning"
        assert "experiments.study --only captioning/" in run.command
