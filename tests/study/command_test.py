"""Runs of a study on the toy: carried out once, gone on with, listed; one that fails."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import jax
import numpy as np
import pytest

from experiments.study import carry, command, saved, studies
from experiments.study.plan import Run
from mat_jax import evaluate, models
from mat_jax.augment.__main__ import main as augment
from mat_jax.evaluate.gallery import Bench
from mat_jax.train import loop
from tests.tools.narrow import some

TOY = Path(__file__).parent / "toy_study.py"
NONE = Run(study="main", name="toy-none", title="none", config=TOY, trained=False, minutes=1.0)
PLAIN = Run(study="main", name="toy-plain", title="plain", config=TOY, minutes=2.0)
WRONG = replace(PLAIN, name="toy-wrong", title="wrong", settings=("steps=0",))


class Counted:
    """How often training and measuring were begun."""

    def __init__(self, monkeypatch):
        self.steps, self.measured = [], []
        self.killed_at: int | None = None
        train, measure = loop.train, evaluate.evaluate

        def counting_train(experiment, *args, **kwargs):
            self.steps.append(experiment.steps)
            return train(experiment, *args, **kwargs)

        def counting_measure(evaluation, *args, **kwargs):
            self.measured.append(kwargs["name"])
            if len(self.measured) == self.killed_at:
                raise KeyboardInterrupt
            return measure(evaluation, *args, **kwargs)

        monkeypatch.setattr("mat_jax.train.run.loop.train", counting_train)
        monkeypatch.setattr(evaluate, "evaluate", counting_measure)


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setattr(studies, "every", lambda: {"main": (NONE, PLAIN)})


def test_a_study_is_carried_out_once_and_goes_on_where_it_stopped(
    toys, tmp_path, monkeypatch, capsys
):
    counted = Counted(monkeypatch)
    line = f"--seeds 2 --quiet --out {tmp_path / 'runs'} --results {tmp_path / 'kept'}".split()
    # Stopped while the second run, of seed 0, is measured: its training is kept.
    counted.killed_at = 2
    assert command.main(line) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert counted.measured == ["none", "plain"]
    trained = (tmp_path / "runs/main/toy-plain-0/metrics.jsonl").read_bytes()
    assert command.main([*line, "--list"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [text.split()[1:3] for text in told[:3]] == [["done", *told[0].split()[2:3]]] + [
        ["to", "do"]
    ] * 2
    assert told[-1].startswith("3 runs: 1 done, 2 to do")

    assert command.main(line) == 0
    assert counted.measured == ["none", "plain", "plain", "plain"]
    # Nothing was trained again: not a line of the run that had been trained changed.
    assert (tmp_path / "runs/main/toy-plain-0/metrics.jsonl").read_bytes() == trained
    assert counted.steps == [4, 4, 4]

    # All done: nothing is trained or measured.
    assert command.main(line) == 0
    assert len(counted.steps) == 3 and len(counted.measured) == 4

    shelf = saved.read(tmp_path / "kept")
    assert [one.seed for one in shelf.of("main/toy-plain")] == [0, 1]
    assert [one.seed for one in shelf.of("main/toy-none")] == [0]
    one = shelf.of("main/toy-plain")[1].content
    report = tmp_path / "runs/main/toy-plain-1/report"
    rows = json.loads((report / "results.json").read_text())["models"][0]["rows"]
    for row in rows:
        for name in ("tr@1", "ir@5"):
            assert one["attacks"][row["attack"]][name] == pytest.approx(
                row["figures"][name]["value"], abs=1e-3
            )
    assert set(one["attacks"]) == {"none", "pgd", "worst_case"}
    for attack in one["attacks"]:
        each, mean = some(saved.Saved(one).each(attack)), saved.Saved(one).value(attack)
        assert each.shape == (6,) and each.mean() == pytest.approx(mean, abs=1e-3)
    assert one["settings"]["seed"] == 1 and one["minutes"]["training"] > 0
    assert one["command"].endswith("toy_study.py --set seed=1")
    assert one["threat"]["pgd"]["eps"] == pytest.approx(8 / 255)
    assert one["machine"]["processor"] and one["protocol"]["images"] == 6

    # Another size of the gallery: measured again, not trained again.
    assert command.main([*line, "--only", "main/toy-plain", "--limit", "4", "--seeds", "1"]) == 0
    assert (tmp_path / "runs/main/toy-plain-0/metrics.jsonl").read_bytes() == trained
    again = saved.read(tmp_path / "kept").of("main/toy-plain")[0].content
    assert again["protocol"]["images"] == 4 and again["settings"]["limit"] == 4


@pytest.mark.slow
def test_a_soup_is_the_mean_of_what_its_ingredients_trained(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(evaluate, "evaluate", lambda asked, model, *_, **__: seen.append(model))
    monkeypatch.setattr(evaluate, "compare", Mock())
    monkeypatch.setattr(saved, "summary", lambda result: {"attacks": {}})
    other = replace(PLAIN, name="toy-mat", settings=("defense=mat",))
    folders = [tmp_path / f"runs/main/{name}-1" for name in ("toy-plain", "toy-mat")]
    trained = []
    for ingredients in ((PLAIN, other), (PLAIN,)):
        soup = replace(PLAIN, name="soup", ingredients=ingredients, seed=1)
        carry.carry_out(soup, tmp_path / "runs", tmp_path / "kept", quiet=True)
        trained.append([(folder / "metrics.jsonl").read_bytes() for folder in folders])
    weights = [
        [np.asarray(leaf) for leaf in jax.tree.leaves(model)]
        for model in (*seen, *(models.load(folder / "export")[0] for folder in folders))
    ]
    for mean, alone, one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(mean, (one + two) / 2, atol=1e-6)
        np.testing.assert_array_equal(alone, one)
    assert any(np.any(one != two) for one, two in zip(*weights[2:], strict=True))
    # Each was trained once, with the seed of the soup, which trained nothing itself.
    assert trained[0] == trained[1] and not (tmp_path / "runs/main/soup-1/export").exists()
    kept = saved.read(tmp_path / "kept").of("main/soup")[0].content
    assert kept["ingredients"] == ["main/toy-plain"] and kept["minutes"]["training"] > 0
    assert saved.known(tmp_path / "kept", soup)
    assert not saved.known(tmp_path / "kept", replace(soup, ingredients=(PLAIN, other)))
    assert not saved.known(tmp_path / "kept", replace(soup, ingredients=()))
    # What was kept of the ingredient itself says that it was another training, or that it was not.
    for settings, same in ((("steps=99",), False), ((), True)):
        own = {"settings": replace(PLAIN, settings=(*PLAIN.settings, *settings), seed=1).bound()}
        content = {"study": "main", "name": "toy-plain", "seed": 1, "attacks": {}, **own}
        saved.write(tmp_path / "kept", replace(PLAIN, seed=1), content)
        assert bool(saved.known(tmp_path / "kept", soup)) is same
        _, others = saved.matching(saved.read(tmp_path / "kept"), [PLAIN, soup])
        assert ("main/soup-1" in others) is not same


def test_an_evaluation_is_kept_until_what_it_measures_is_another(tmp_path, monkeypatch):
    attacks, measure, found = Mock(), Bench.measure, []

    def counting(bench, attack, threat):
        attacks()
        return measure(bench, attack, threat)

    monkeypatch.setattr(Bench, "measure", counting)
    for run, more in ((NONE, True), (NONE, False), (replace(NONE, settings=("limit=4",)), True)):
        before = attacks.call_count
        file = carry.carry_out(run, tmp_path / "runs", tmp_path / "kept", quiet=True)
        found.append(json.loads(file.read_text())["attacks"])
        assert (attacks.call_count > before) is more
    assert found[0] == found[1] != found[2]


def test_a_run_that_fails_does_not_keep_the_others(tmp_path, monkeypatch, capsys):
    carried = []

    def pretend(run, out, results, *, quiet):
        carried.append(run.name)
        if run.name == "toy-wrong":
            raise ValueError("steps is 0: it must be at least 1")

    monkeypatch.setattr(command, "carry_out", pretend)
    monkeypatch.setattr(studies, "every", lambda: {"main": (WRONG, PLAIN)})
    line = f"--seeds 1 --quiet --out {tmp_path / 'runs'} --results {tmp_path / 'kept'}".split()
    assert command.main(line) == 2
    assert carried == ["toy-wrong", "toy-plain"]
    assert "error: main/toy-wrong-0: steps is 0" in capsys.readouterr().err


def test_data_of_another_recipe_are_neither_used_nor_their_measures(tmp_path, monkeypatch):
    measured = []

    def here(command, check):
        return SimpleNamespace(returncode=augment(command[3:]))

    monkeypatch.setattr(carry, "subprocess", SimpleNamespace(run=here))
    monkeypatch.setattr(carry, "properties_of", lambda folder: measured.append(folder) or {})

    def make(alpha):
        line = f"--data scenes --limit 2 --originals 1 --count 1 --how eda --alpha {alpha}"
        run = replace(PLAIN, manifest=tuple(line.split()), folder=tmp_path / "eda")
        carry.make_data(run, tmp_path / "kept")
        made = json.loads(saved.measures_file(tmp_path / "kept", "eda").read_text())["made"]
        assert made == line

    make("0.1"), make("0.1")
    assert len(measured) == 1
    with pytest.raises(ValueError, match="could not make"):
        make("0.2")
    shutil.rmtree(tmp_path / "eda")
    make("0.2")
    assert len(measured) == 2


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("--only nothing", "no study or run 'nothing'"),
        ("--seeds 0", "--seeds is 0"),
        ("--limit 4", "--limit 4 would replace the results in"),
        ("--redraw --results {0}/empty", "there are no results in"),
        ("--sedes 3", "--sedes"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(toys, tmp_path, capsys, line, sentence):
    assert command.main(line.format(tmp_path).split()) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error and error.startswith("error: ") and "\n" not in error
