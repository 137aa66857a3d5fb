"""MMCoA's study: what it trains, measures and draws, with the commands themselves replaced."""

import json
from pathlib import Path

import pytest

from experiments.few_shot import __main__ as command
from experiments.few_shot import sets, study, tables
from experiments.few_shot.train import experiment
from mat_jax import defenses
from mat_jax.evaluate.options import command_line as evaluate_parser
from mat_jax.train import experiment as experiments

SMALL = ["--miniature", "--shots", "1,full", "--defenses", "tecoa,mmcoa", "--seeds", "2"]


def accuracy(model, data, attack):
    """A figure that says whose it is: the seed, the shots, the set and the attack."""
    folder = Path(model).parent.name
    seed = int(folder[-1]) if folder[-1:].isdigit() else 0
    return (
        10 * ["scenes", "scenes:colour", "scenes:ground"].index(data)
        + 2 * seed
        + (attack == "none") * 50
    )


@pytest.fixture
def ran(monkeypatch):
    """The commands that were called; trainings leave an export, measurements their figures."""
    found = []

    def run(module, *arguments):
        found.append((module, arguments))
        if module == "mat_jax.train":
            folder = Path(arguments[arguments.index("--workdir") + 1]) / "export"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.json").write_text("{}")
            return
        given = evaluate_parser().parse_args(list(arguments))
        models = [
            {
                "rows": [
                    {
                        "attack": attack,
                        "figures": {"top@1": {"value": accuracy(name, given.data, attack)}},
                    }
                    for attack in tables.COLUMNS
                ]
            }
            for name in given.model.split(",")
        ]
        Path(given.out).mkdir(parents=True, exist_ok=True)
        (Path(given.out) / "results.json").write_text(json.dumps({"models": models}))

    monkeypatch.setattr(study, "run", run)
    return found


def test_every_training_is_carried_out_once_and_measured_on_every_set(ran, tmp_path, capsys):
    line = [*SMALL, "--out", str(tmp_path)]
    assert command.main(line) == 0
    modules = [module for module, _ in ran]
    assert modules == ["mat_jax.train"] * 8 + ["mat_jax.evaluate"] * 3
    for _, arguments in ran[:8]:
        config = arguments[arguments.index("--config") + 1]
        settings = arguments[arguments.index("--set") + 1 :]
        assert experiments.bind(experiments.load(Path(config)), settings)  # all are known
    again = capsys.readouterr().out
    assert command.main(line) == 0
    assert len(ran) == 11 and capsys.readouterr().out == again
    assert command.main([*line, "--seeds", "3"]) == 0  # more seeds: four trainings, all sets anew
    assert [module for module, _ in ran[11:]] == ["mat_jax.train"] * 4 + ["mat_jax.evaluate"] * 3


@pytest.mark.parametrize(
    ("changed", "trained", "measured"),
    [
        (["--defenses", "tecoa,fare"], 4, 3),  # as many models, and others
        (["--eps", "4/255"], 0, 3),
        (["--limit", "50"], 0, 3),
        (["--set", "lr=1e-3"], 8, 3),  # `mat_jax.train` refuses these: the runs have other settings
    ],
)
def test_what_was_done_for_another_command_is_not_taken(ran, tmp_path, changed, trained, measured):
    line = [*SMALL, "--out", str(tmp_path)]
    assert command.main(line) == 0
    ran.clear()
    assert command.main([*line, *changed]) == 0
    modules = [module for module, _ in ran]
    assert modules == ["mat_jax.train"] * trained + ["mat_jax.evaluate"] * measured


def test_the_table_has_means_over_seeds_and_over_the_other_sets(ran, tmp_path):
    command.main([*SMALL, "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text()
    parts = {part.splitlines()[0]: part for part in text.split("## ")[1:]}
    assert list(parts) == [
        "In distribution: scenes",
        "scenes:colour",
        "scenes:ground",
        "Mean over the other sets",
    ]
    # Seeds 0 and 1 give 0 and 2, so 1 and a deviation of sqrt(2); the other sets add 10 and 20.
    assert "| mmcoa | all | 51.0 ± 1.4 | 1.0 ± 1.4 |" in parts["In distribution: scenes"]
    assert "| mmcoa | all | 66.0 ± 1.4 | 16.0 ± 1.4 |" in parts["Mean over the other sets"]
    # Two lines of heads, none, and two defences at two sizes.
    assert all(part.count("\n|") == 2 + 5 for part in parts.values())
    assert "<svg" in (tmp_path / "shots-none.svg").read_text()


def test_the_settings_are_those_of_the_program_and_reach_the_defence():
    found = experiment(source="scenes", shots=2, model="scenes-clip", batch_size=10_000)
    assert isinstance(found.defense, defenses.MMCoA)
    assert found.defense.pgd == defenses.PGD(1 / 255, 10, 1 / 255, "linf")
    assert found.batch_size == 2 * 40  # no more than there are
    assert experiment(source="scenes", model="scenes-clip").batch_size == 256


def test_sets_are_named_alike_in_training_and_in_measuring():
    assert sets.training_set("scenes:ground").prompts[0] == "this is a photo of things on sand"
    assert sets.tested("scenes:ground") == "scenes:ground"
    assert sets.tested("dtd=FOLDER") == "set:dtd=FOLDER" and sets.short("dtd=FOLDER") == "dtd"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["--train", "mnist"], "no set 'mnist': choose from scenes, cifar10"),
        (["--defenses", "hope"], "no defence 'hope': choose from fine_tune, tecoa"),
        (["--shots", "few"], "--shots 'few': give numbers from 1 on, and full for all images"),
        (["--seeds", "0"], "--seeds is 0: give at least 1"),
    ],
)
def test_bad_input_is_one_sentence(line, sentence, ran, tmp_path, capsys):
    assert command.main([*line, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1 and not ran
    assert not (tmp_path / "out").exists()
