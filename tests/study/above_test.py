"""The aerial study on a world of a few sites: what is trained on, what it starts from."""

from dataclasses import replace

import pytest

from experiments.study import above, carry, saved, sections
from experiments.study.plan import Run
from mat_jax import augment, data, models
from mat_jax.augment.recipe import Recipe
from mat_jax.train import experiment as experiments
from mat_jax.types.sources import HasClasses
from tests.tools.narrow import some


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Forty training sites, and a picture drawn for a caption of each."""
    root = tmp_path_factory.mktemp("world")
    data.write_aerial(root / "aerial", train=40, val=1, test=12)
    recipe = Recipe(
        data=root / "aerial/dataset_rsicd.json",
        images=root / "aerial/RSICD_images",
        split="train",
        how="t2i",
        count=1,
        originals=1,
        file=root / "aerial/drawn",
    )
    augment.make(recipe, root / "t2i", quiet=True)
    return root


def built(run: Run, world, **settings):
    function = experiments.load(run.config)
    asked = {"root": world / "aerial", "folder": world / "t2i", "start": world, **settings}
    more = [f"{name}={value}" for name, value in asked.items()]
    return function(**experiments.bind(function, (*run.settings, *more)))


def test_a_share_of_the_pictures_is_drawn_and_the_captions_are_the_same(world):
    real, mixed, drawn = (
        built(run, world).data
        for run in above.aerial()
        if run.name in ("real-plain", "mixed-plain", "drawn-plain")
    )
    captions = [[source.captions(i) for i in range(40)] for source in (real, mixed, drawn)]
    assert captions[0] == captions[1] == captions[2]
    assert all(len(own) == 1 for own in captions[0])
    ways = [
        sum((source[i].image != real[i].image).any() for i in range(40))
        for source in (real, mixed, drawn)
    ]
    assert ways == [0, 20, 40]


def test_a_share_that_no_model_was_trained_with_is_refused(world):
    with pytest.raises(ValueError, match=r"share=0.25 has no model to start from: choose 0.0, 0.5"):
        built(above.aerial()[0], world, share=0.25)


def test_every_defence_starts_from_the_plain_model_of_its_own_pairs_and_seed(world):
    for run in above.aerial():
        pairs, training = run.name.split("-")[:2]
        one = built(run, world, seed=2)
        assert run.workdir == f"aerial/{pairs}-{training}-0"
        if training == "plain":
            assert isinstance(one.model, models.Fresh)
        else:
            assert one.model.name == str(world / f"{pairs}-plain-2" / "export")
            assert one.steps == 200


def test_both_tasks_measure_real_pictures_of_the_test_split(world):
    for run in above.aerial():
        asked = some(built(run, world).evaluation)
        assert isinstance(asked.data, HasClasses) and len(asked.data) == 12
        assert asked.task == run.task and asked.eps == 4 / 255
        assert asked.words == (0 if run.task == "zero_shot" else 1)


def test_a_training_is_carried_out_once_and_measured_twice(world, tmp_path):
    """And what is kept of classes counts images, of captions queries."""
    asked = ("steps=2", "batch_size=8", "mlm=scenes-bert", "limit=6", "start=" + str(tmp_path))
    asked += (f"root={world / 'aerial'}", f"folder={world / 't2i'}")
    names = ("real-plain", "real-plain-classes")
    runs = [
        replace(run, settings=(*run.settings, *asked))
        for run in above.aerial()
        if run.name in names
    ]
    results = tmp_path / "results"
    for run in runs:
        carry.carry_out(run, tmp_path / "runs", results, quiet=True)
    pairs, classes = (saved.known(results, run) for run in runs)
    assert pairs is not None and classes is not None
    assert [path.name for path in (tmp_path / "runs/aerial").iterdir()] == ["real-plain-0"]
    folder = tmp_path / "runs/aerial/real-plain-0"
    assert (folder / "report/index.html").is_file()
    assert (folder / "report-real-plain-classes/index.html").is_file()
    found = classes.each("none")
    assert found is not None and len(found) == 12
    assert found.mean() == pytest.approx(classes.value("none"), abs=1e-3)
    assert classes.value("worst_case") <= min(map(classes.value, ("apgd_ce", "apgd_targeted")))
    assert pairs.content["protocol"]["images"] == 6
    page = sections.above(saved.read(results), results)
    assert "12 images" in page and "| right in % |" in page and "| TR@1 |" in page
