"""Training in stages: the chain of trainings, its folder, its operations, and the comparison."""

import json
from pathlib import Path

import numpy as np
import optax
import pytest
import torch

from benchmarks import flops as products
from experiments.staged import __main__ as command
from experiments.staged import flops, stages, study, table
from mat_jax import Experiment, defenses, models
from mat_jax.evaluate.options import command_line as evaluating
from mat_jax.train import __main__ as training
from tests.toy_experiment import Blocks, Tiny

STAGE = '''
"""A toy, from nothing or from a model."""

import optax

from mat_jax import Experiment, defenses, models
from tests.toy_experiment import Blocks, Tiny


def experiment(
    model: str | None = None, size: int = 16, pgd_steps: int = 1, lr: float = 0.1
) -> Experiment:
    return Experiment(
        model=Tiny() if model is None else models.Pretrained(model, image_size=size),
        data=Blocks(),
        defense=defenses.TeCoAITR(eps=4 / 255, steps=pgd_steps),
        optimizer=optax.sgd(lr),
        steps=1,
        batch_size=4,
    )
'''


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "toy.py"
    file.write_text(STAGE)
    return str(file)


@pytest.fixture
def trained(monkeypatch):
    """The trainings that were asked for; each leaves an export, and fails where it is told to."""
    found: list[list[str]] = []

    def train(*arguments):
        found.append(list(arguments))
        folder = Path(arguments[arguments.index("--workdir") + 1]) / "export"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(stages, "train", train)
    return found


def test_a_stage_starts_from_the_one_before_at_another_size(file, tmp_path, monkeypatch):
    """The second stage learns nothing, so its weights are the first's, positions as torch has them.

    Two columns of patches become four.
    """

    def train(*arguments):
        assert training.main([*arguments, "--mesh", "1"]) == 0

    monkeypatch.setattr(stages, "train", train)
    line = ["--out", str(tmp_path / "out"), "--stage", file]
    assert command.main([*line, "--stage", file, "size=32", "pgd_steps=2", "lr=0"]) == 0
    first, _ = models.load(tmp_path / "out/1-toy/export")
    second, _ = models.load(tmp_path / "out/2-toy/export")
    assert (first.config.image_size, second.config.image_size) == (16, 32)
    old = torch.tensor(np.array(first.vision.pos[...]))
    square = old[1:].reshape(1, 2, 2, -1).permute(0, 3, 1, 2)
    wide = torch.nn.functional.interpolate(square, size=(4, 4), mode="bicubic")
    expected = torch.cat([old[:1], wide.permute(0, 2, 3, 1).reshape(16, -1)])
    np.testing.assert_allclose(second.vision.pos[...], expected, atol=1e-5)
    np.testing.assert_array_equal(first.text_proj.kernel[...], second.text_proj.kernel[...])
    start, _ = Tiny().build(0)
    assert not np.array_equal(start.text_proj.kernel[...], first.text_proj.kernel[...])


def test_stages_that_are_done_are_not_done_again(file, tmp_path, trained, capsys):
    line = ["--out", str(tmp_path / "out"), "--stage", file, "lr=0.2", "--stage", file]
    assert command.main([*line, "--", "--mesh", "1"]) == 0
    assert "2-toy/export" in capsys.readouterr().out
    assert [one[one.index("--mesh") + 1] for one in trained] == ["1", "1"]
    assert trained[0][-2:] == ["--set", "lr=0.2"]
    assert trained[1][-2:] == ["--set", f"model={tmp_path / 'out/1-toy/export'}"]
    assert command.main(line) == 0 and len(trained) == 2
    (tmp_path / "out/2-toy/export/config.json").unlink()
    (tmp_path / "out/2-toy/export").rmdir()
    assert command.main([*line, "--stage", file, "size=32"]) == 0  # the second anew, and a third
    folders = [Path(one[one.index("--workdir") + 1]).name for one in trained[2:]]
    assert folders == ["2-toy", "3-toy"]


def test_a_folder_of_other_stages_is_refused(file, tmp_path, trained, capsys):
    line = ["--out", str(tmp_path / "out"), "--stage", file]
    assert command.main([*line, "lr=0.2", "--stage", file]) == 0
    capsys.readouterr()
    for other, words in (
        ([*line, "lr=0.3", "--stage", file], f"{file} lr=0.3 is asked for"),
        ([*line, "lr=0.2"], "has 2 stages, and 1 are asked for"),
    ):
        assert command.main(other) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    assert len(trained) == 2


def test_what_a_later_stage_lacks_is_said_before_the_first(file, tmp_path, trained, capsys):
    alone = tmp_path / "alone.py"
    alone.write_text(STAGE.replace("model: str | None = None", "start: int = 0"))
    for stage, words in (
        ([file, "rate=1"], "no setting 'rate'"),
        ([file, "model=elsewhere"], "stage 2 starts from the one before"),
        ([str(tmp_path / "none.py")], "there is no experiment file"),
        ([str(alone)], "has no setting `model`"),
    ):
        assert command.main(["--out", str(tmp_path / "o"), "--stage", file, "--stage", *stage]) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1, said
    assert not trained


def test_a_training_that_fails_ends_all_with_its_own_sentence(file, tmp_path, capfd):
    broken = tmp_path / "broken.py"
    broken.write_text(STAGE.replace("steps=1,", "steps=0,"))
    line = ["--out", str(tmp_path / "out"), "--stage", str(broken), "--stage", file]
    assert command.main(line) == 2
    said = capfd.readouterr().err
    assert "steps is 0" in said and "ended with status 2" in said
    assert not (tmp_path / "out/2-toy").exists()


@pytest.mark.parametrize("steps", [1, 3])
def test_operations_are_those_of_the_matrix_products(steps):
    """Counted by hand from the shapes (`benchmarks.flops`), of a model that has little else."""
    config = models.CLIPConfig(
        image_size=32,
        patch_size=8,
        vision=models.ViTConfig(width=128, layers=2, heads=2),
        text=models.BertConfig(width=64, layers=1, heads=2),
        embed=32,
    )
    _, tokenizer = Tiny().build(0)
    experiment = Experiment(
        model=models.Fresh(config, tokenizer),
        data=Blocks(),
        defense=defenses.TeCoAITR(eps=4 / 255, steps=steps),
        optimizer=optax.sgd(0.1),
        steps=1,
        batch_size=16,
    )
    model, _ = experiment.model.build(0)
    count = {"image_forwards": steps + 1, "image_backwards": steps, "text_forwards": 1}
    expected = 16 * products.work(model.config, {**count, "updates": 1}, pooled=True)
    assert flops.step_flops(experiment) == pytest.approx(expected, rel=0.1)


def test_only_what_climbs_pixels_is_counted():
    experiment = Experiment(
        model=Tiny(),
        data=Blocks(),
        defense=defenses.FineTune(),
        optimizer=optax.sgd(0.1),
        steps=1,
        batch_size=4,
    )
    with pytest.raises(ValueError, match="FineTune has no PGD steps"):
        flops.step_flops(experiment)


def made_up(arm, seed, cost, sga):
    attacks = {name: {"tr@1": 90.0, "ir@1": 80.0} for name in ("none", "pgd", "sga_pixels")}
    return {
        "arm": arm,
        "seed": seed,
        "stages": [["image_size=64", "steps=5", f"seed={seed}"]],
        "updates": [5],
        "flops": cost,
        "protocol": {"data": "scenes/test", "images": 10, "eps": "4/255", "steps": 10},
        "attacks": attacks | {"sga": {"tr@1": sga, "ir@1": 20.0}},
        "machine": {"processor": "x", "device": "cpu"},
    }


@pytest.mark.parametrize(
    ("lower", "cost", "words"),
    [
        (0.0, 4e12, ("40.0 %, within the goal", "no lower than")),
        (3.0, 5e12, ("50.0 %, above the goal", "fall short of those without stages: SGA TR@1 by")),
    ],
)
def test_the_page_says_whether_the_goal_is_reached(lower, cost, words):
    results = [made_up("unstaged", seed, 1e13, 20.0 + seed) for seed in range(2)]
    results += [made_up("staged", seed, cost, 20.0 + seed - lower) for seed in range(2)]
    text = table.page(results, ["unstaged", "staged", "short"])
    for part in words:
        assert part in text
    assert "| unstaged | 2 | 90.0 ± 0.0 |" in text and "20.5 ± 0.7" in text
    assert "seed=" not in text and "| short" not in text


def test_the_comparison_measures_what_it_trained_and_saves_it(tmp_path, monkeypatch):
    """Trainings, the evaluation and the count are replaced; each figure says whose it is."""
    measured: list[tuple[int, list[str]]] = []

    def evaluate(*arguments):
        given = evaluating().parse_args(list(arguments))
        names = given.model.split(",")
        measured.append((given.words, names))
        models = [
            {
                "rows": [
                    {
                        "attack": attack,
                        "figures": {k: {"value": 10.0 * n + given.words} for k in table.KINDS},
                    }
                    for attack in given.attacks.split(",")
                ]
            }
            for n, name in enumerate(names)
        ]
        given_out = Path(given.out)
        given_out.mkdir(parents=True, exist_ok=True)
        (given_out / "results.json").write_text(json.dumps({"models": models}))

    monkeypatch.setattr(study, "carry_out", lambda recipe: recipe.out.mkdir(parents=True))
    monkeypatch.setattr(study, "evaluate", evaluate)
    monkeypatch.setattr(study, "per_update", lambda settings: 2.0 + ("image_size=32" in settings))
    line = ["--out", str(tmp_path / "runs"), "--results", str(tmp_path / "found")]
    assert study.main([*line, "--seeds", "1", "--arms", "unstaged,staged"]) == 0
    assert [words for words, _ in measured] == [0, 1] and measured[0][1] == measured[1][1]
    names = measured[0][1]
    assert [Path(name).parts[-3] for name in names] == ["unstaged-0", "staged-0"]
    assert Path(names[1]).parts[-2:] == ("2-scenes", "export")
    saved = json.loads((tmp_path / "found/staged-0.json").read_text())
    first, second = saved["updates"]
    assert saved["flops"] == 3 * first + 2 * second
    figures = {"none": 10.0, "pgd": 10.0, "sga_pixels": 10.0, "sga": 11.0}
    assert saved["attacks"] == {a: {"tr@1": x, "ir@1": x} for a, x in figures.items()}
    assert study.main([*line, "--seeds", "2", "--arms", "unstaged"]) == 0
    assert [Path(name).parts[-3] for name in measured[2][1]] == ["unstaged-1"]
    assert study.main([*line, "--redraw"]) == 0 and len(measured) == 4
    assert "| unstaged | 2 |" in (tmp_path / "found/README.md").read_text()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--arms", "stagd"], "no arm 'stagd'"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--redraw"], "there are no results"),
    ],
)
def test_a_wrong_line_is_one_sentence(line, words, tmp_path, capsys):
    places = ["--out", str(tmp_path / "runs"), "--results", str(tmp_path / "found")]
    assert study.main([*line, *places]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_the_committed_page_is_that_of_the_committed_results():
    files = sorted(study.RESULTS.glob("*-*.json"))
    results = [json.loads(file.read_text()) for file in files]
    assert table.page(results, list(study.ARMS)) == (study.RESULTS / "README.md").read_text()
