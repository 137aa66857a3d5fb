"""The papers' tables: their commands exist, and a miniature trains, measures and goes on."""

import json
import re
from pathlib import Path

import pytest

from experiments import tables
from experiments.tables import TABLES, across
from experiments.tables import __main__ as command
from experiments.tables.table import Table
from mat_jax.attacks import ATTACKS
from mat_jax.evaluate.options import command_line as evaluate_parser
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.train.__main__ import parser as train_parser
from tests.tools.narrow import some

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(tables.__file__).parent / "README.md"


def test_the_page_is_what_the_tables_say():
    assert PAGE.read_text() == command.page()


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_commands_name_what_there_is(table):
    text = "\n".join(table.commands).replace("\\\n", " ")
    for config in re.findall(r"--config (\S+)", text):
        assert (ROOT / config).is_file(), config
    for name, line in (("train", train_parser()), ("evaluate", evaluate_parser())):
        known = {option for action in line._actions for option in action.option_strings}
        for arguments in re.findall(rf"mat_jax\.{name} ([^\n]*)", text):
            assert set(re.findall(r"--[a-z-]+", arguments)) <= known
    for attacks in re.findall(r"--attacks (\S+)", text):
        assert set(attacks.split(",")) <= set(ATTACKS)


def evaluations(table):
    """The arguments of `mat_jax.evaluate` that a table's miniature has."""
    if table.tasks:
        return [f"--task {task} {asked}" for task, asked in table.tasks.items()]
    return [table.miniature] if table.module == "mat_jax.evaluate" and table.miniature else []


@pytest.mark.parametrize(
    "table", [t for t in TABLES.values() if evaluations(t)], ids=lambda t: t.name
)
def test_miniatures_ask_what_the_task_allows(table):
    models = set()
    for arguments in evaluations(table):
        given = evaluate_parser().parse_args([*arguments.split(), "--out", "x"])
        task = task_named(given.task)
        assert all(task.allows(attack) for attack in given.attacks.split(","))
        models |= set(given.model.split(","))
    trained = {one.model for one in table.trainings}
    assert {name for name in models if "/" in name} == trained
    assert all((ROOT / one.config).is_file() for one in table.trainings)


def test_published_figures_have_a_cell_for_each_head():
    for table in TABLES.values():
        assert all(len(row) == len(table.heads) for row in table.rows), table.name
    # Copied from the paper by hand here, to hold the file to it.
    clean = {row[0]: row[1] for row in TABLES["mava_1"].rows}
    assert clean["Origin"] == "81.5 / 62.1" and clean["FARE²"] == "81.0 / 62.6"
    assert TABLES["mava_8"].rows[2][5] == "116.0"


def test_the_column_of_real_weights_is_empty():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert rows
    assert all(
        line.endswith(("|  |", "| measured with the real weights |", "| --- |")) for line in rows
    )


def test_a_miniature_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    ran = []

    def run(module, arguments):
        ran.append(module)
        if module == "mat_jax.train":
            folder = Path(arguments[arguments.index("--workdir") + 1])
            (folder / "export").mkdir(parents=True)
        elif len(ran) == 2:
            raise ValueError("stopped")
        else:
            (tmp_path / one.name).mkdir(exist_ok=True)
            (tmp_path / one.name / "index.html").touch()
        return "a table\n"

    one = TABLES["mat_figure_5"]
    monkeypatch.setattr(command, "_run", run)
    few = Table(one.name, one.title, (), miniature=one.miniature, trainings=one.trainings[:1])
    with pytest.raises(ValueError, match="stopped"):
        command.miniature(few, tmp_path)
    command.miniature(few, tmp_path)
    command.miniature(few, tmp_path)
    assert ran == ["mat_jax.train", "mat_jax.evaluate", "mat_jax.evaluate"]
    command.write_index([few], tmp_path)
    index = (tmp_path / "index.md").read_text()
    assert "a table" in index and some(re.search(r"\[report\]\((.*?)\)", index))[1]
    assert command.main(["--only", "nothing"]) == 2
    assert "unknown table 'nothing'; choose from mat_main" in capsys.readouterr().err


def results_of(folder, task, model, surrogate, values):
    """A file as `mat_jax.evaluate` writes it, with some figures."""
    crafted = "a surrogate" if surrogate else "the model itself"
    rows = [
        {
            "attack": attack,
            "protocol": {"eps": eps},
            "figures": {
                **{f"{kind}@1": {"value": value} for kind, value in figures.items()},
                "tr_lost@1": {"value": 1.0},
            },
        }
        for (attack, eps), figures in values.items()
    ]
    folder.mkdir()
    content = {
        "task": task,
        "models": [{"model": model, "protocol": {"crafted_on": crafted}, "rows": rows}],
    }
    (folder / "results.json").write_text(json.dumps(content))
    return folder


def test_a_table_across_tasks_has_what_each_attack_leaves(tmp_path):
    clean, sga = ("none", None), ("sga", 2 / 255)
    one = {clean: {"agreement": 60.0}, sga: {"agreement": 50.5}, ("worst_case", 2 / 255): {}}
    other = {clean: {"verdict": 70.0}, ("pgd", 4 / 255): {"verdict": 41.0}}
    own = {clean: {"answer": 99.0}}
    lines = across.across_tasks(
        [
            results_of(tmp_path / "a", "captioning", "blip", "albef", one),
            results_of(tmp_path / "b", "entailment", "ve", "albef", other),
            results_of(tmp_path / "c", "vqa", "vqa", None, own),
        ]
    ).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["captioning", "entailment"],
        ["blip", "ve"],
        ["agreement", "verdict"],
    ]
    assert [line.split()[-2:] for line in lines[3:]] == [
        ["60.0", "70.0"],
        ["50.5", "-"],
        ["-", "41.0"],
    ]
    assert "2/255" in lines[4] and "4/255" in lines[5]


def test_a_folder_without_results_is_refused(tmp_path, capsys):
    assert across.main([str(tmp_path)]) == 2
    assert (
        "has no results.json: give folders that mat_jax.evaluate wrote" in capsys.readouterr().err
    )


def test_a_table_across_tasks_is_measured_task_by_task_and_goes_on(tmp_path, monkeypatch):
    ran = []

    def run(module, arguments):
        task, folder = arguments[1], Path(arguments[-1])
        ran.append(task)
        if len(ran) == 2:
            raise ValueError("stopped")
        results_of(folder, task, "m", "s", {("none", None): {"x": 10.0 * len(ran)}})
        return ""

    monkeypatch.setattr(command, "_run", run)
    few = Table("few", "a table", (), tasks={"vqa": "", "entailment": ""})
    (tmp_path / "few").mkdir()
    with pytest.raises(ValueError, match="stopped"):
        command.miniature(few, tmp_path)
    command.miniature(few, tmp_path)
    assert ran == ["vqa", "entailment", "entailment"]
    assert "10.0" in (told := (tmp_path / "few" / "table.txt").read_text()) and "30.0" in told
