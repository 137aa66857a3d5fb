"""Captions under attack: the shipped captioner, what it says, and what is kept of a run."""

import dataclasses
import json

import numpy as np
import pytest

from experiments.study import captioned, saved, studies
from experiments.study.carry import carry_out
from experiments.study.claims import Side
from experiments.study.plan import Run
from mat_jax import Evaluation, data, models
from mat_jax.data.scenes import is_true
from mat_jax.data.scenes.oracle import agreement
from tests.tools.narrow import some

ASKED = Evaluation(
    data=data.load_scenes("val", limit=12),
    attacks=("none", "pgd"),
    eps=6 / 255,
    steps=4,
    batch_size=8,  # of two batches, the second is filled up
    checks=0,
)


@pytest.fixture(scope="module")
def captioner():
    return models.load("scenes-captioner")


@pytest.fixture(scope="module")
def found(captioner):
    return captioned.caption(ASKED, *captioner, name="BLIP", quiet=True)


def test_what_is_said_is_of_the_scene_until_it_is_attacked(found):
    assert list(found.captions) == ["none", *captioned.WHITE_BOX, "pgd"]
    mean = {attack: each.mean() for attack, each in found.agreement.items()}
    # Far more than captions of another scene, and far less after an attack on the captioner.
    assert mean["none"] > found.protocol["chance"] / 100 + 0.3
    assert mean["none"] > mean["pgd"] > mean["away_from_own"]
    assert mean["none"] - mean["away_from_own"] > 0.3


def test_it_is_the_world_that_judges(found):
    for attack, captions in found.captions.items():
        for i, text in enumerate(captions):
            scene = ASKED.data.scene(i)
            assert found.agreement[attack][i] == agreement(text, scene)
            assert found.true[attack][i] == is_true(text, scene)


def test_an_attack_towards_another_picture_makes_its_caption_truer(found):
    others = [ASKED.data.scene((i + 1) % 12) for i in range(12)]

    def agrees(attack):
        pairs = zip(found.captions[attack], others, strict=True)
        return np.mean([agreement(*pair) for pair in pairs])

    assert 100 * agrees("none") == pytest.approx(found.protocol["chance"], abs=1e-3)
    assert agrees("towards_another") > agrees("none") + 0.1


def test_a_run_of_the_study_is_measured_and_kept(tmp_path):
    config = tmp_path / "captioning.py"
    config.write_text(
        "from dataclasses import replace\n"
        "from experiments.study.runs import captioning\n"
        "def experiment(limit: int = 2, seed: int = 0):\n"
        "    found = captioning.experiment(split='val', limit=limit, seed=seed)\n"
        "    asked = replace(found.evaluation, attacks=('none',), steps=1)\n"
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


def test_what_cannot_caption_or_be_captioned_is_refused(captioner):
    with pytest.raises(ValueError, match="cannot use the model 'CLIP', which has no caption_logi"):
        captioned.caption(ASKED, *models.load("scenes-clip"), name="x", quiet=True)
    phrases = dataclasses.replace(ASKED, data=data.Phrases(data.load_scenes("val", limit=2)))
    with pytest.raises(ValueError, match="cannot use the data 'scenes/val/phrases', which has no"):
        captioned.caption(phrases, *captioner, name="x", quiet=True)
    several = dataclasses.replace(ASKED, eps=(1 / 255, 2 / 255))
    with pytest.raises(ValueError, match="at one eps, 2 were given"):
        captioned.caption(several, *captioner, name="x", quiet=True)
