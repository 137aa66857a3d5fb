"""The gallery's own commands and snippets run: each attack's, each defence's and each task's."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mat_jax import defenses
from mat_jax.attacks import ATTACKS
from mat_jax.defenses.registry import DEFENSES
from mat_jax.evaluate.tasks.registry import TASKS
from tests.docs import promises, shortening
from tests.docs.blocks import DOCS, Block

sys.path.append(str(DOCS))

from building import attack_pages, defense_pages, task_pages  # noqa: E402


def run(line: str, folder: Path, patch: pytest.MonkeyPatch, capsys) -> None:
    """The one command of a page, shortened, in a folder with a photograph."""
    ((*words,),) = Block(DOCS, "", line, "").commands
    program, arguments = shortening.shortened(words)
    pixels = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.jpg")
    patch.chdir(folder)
    shortening.shorten(patch, program, arguments)
    status = shortening.main_of(program)(arguments)
    said = capsys.readouterr()
    assert status == 0, said.err[-2000:]
    promises.kept(program, arguments, said.out)


@pytest.mark.slow  # a few seconds each
@pytest.mark.parametrize("name", [name for name, one in ATTACKS.items() if not one.random])
def test_the_command_of_an_attack_runs(name: str, tmp_path: Path, monkeypatch, capsys) -> None:
    run(attack_pages.command(name), tmp_path, monkeypatch, capsys)


@pytest.mark.slow  # half a minute each
@pytest.mark.parametrize("name", attack_pages.CARRIED)
def test_the_command_that_carries_an_attack_over_runs(name, tmp_path, monkeypatch, capsys) -> None:
    run(attack_pages.transfer_command(name), tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("name", [name for name, one in ATTACKS.items() if one.random])
def test_an_attack_on_random_models_is_in_python_and_no_command(name: str) -> None:
    text = re.search(r"```python\n(.*?)```", attack_pages.attack_page(name), re.DOTALL)
    assert text is not None
    found: dict[str, object] = {}
    exec(text[1], found)
    assert found["attack"] is ATTACKS[name].function


@pytest.mark.slow  # half a minute each
@pytest.mark.parametrize("name", TASKS)
def test_the_command_of_a_task_runs(name: str, tmp_path: Path, monkeypatch, capsys) -> None:
    text = re.search(r"## Command\n\n```\n(.*?)```", task_pages.task_page(name), re.DOTALL)
    assert text is not None
    run(text[1], tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("name", DEFENSES)
def test_the_snippet_of_a_defence_is_that_defence(name: str) -> None:
    page = defense_pages.defense_page(name)
    text = re.search(r"## In an experiment\n\n```python\n(.*?)```", page, re.DOTALL)
    assert text is not None
    found: dict[str, object] = {}
    exec(text[1], found)
    made = found["defense"]
    kind = DEFENSES[name].kind
    assert isinstance(made, kind if isinstance(kind, type) else defenses.FARELEAF().__class__)
