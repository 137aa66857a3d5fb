"""The papers' tables: their commands exist, and a miniature trains, measures and goes on."""

import re
from pathlib import Path

import pytest

from experiments import tables
from experiments.tables import TABLES
from experiments.tables import __main__ as command
from experiments.tables.table import Table
from mat_jax.attacks import ATTACKS
from mat_jax.evaluate.__main__ import _parser as evaluate_parser
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


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.miniature], ids=lambda t: t.name)
def test_miniatures_ask_what_the_task_allows(table):
    given = evaluate_parser().parse_args([*table.miniature.split(), "--out", "x"])
    task = task_named(given.task)
    assert all(task.allows(attack) for attack in given.attacks.split(","))
    trained = {one.model for one in table.trainings}
    assert {name for name in given.model.split(",") if "/" in name} == trained
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
        return "a table\n"

    monkeypatch.setattr(command, "_run", run)
    one = TABLES["mat_figure_5"]
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
