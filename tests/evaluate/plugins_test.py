"""Attacks and tasks of one's own, given to a command as a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mat_jax import cli, evaluate
from mat_jax.attacks import ATTACKS
from mat_jax.evaluate import plugins
from mat_jax.evaluate.options import command_line
from mat_jax.evaluate.tasks.registry import TASKS
from tests.tools.registries import registries_stay

EXTENDING = Path(__file__).parents[1] / "extending"


@pytest.fixture(autouse=True)
def _registries_stay() -> Iterator[None]:
    with registries_stay():
        yield


def test_what_the_documents_show_is_a_plugin() -> None:
    assert plugins.register(EXTENDING / "attack.py") == ["mi_fgsm_swap"]
    assert ATTACKS["mi_fgsm_swap"].title == "MI-FGSM with swapped words"
    (name,) = plugins.register(EXTENDING / "task.py")
    assert isinstance(TASKS[name], evaluate.Task)


def test_a_command_knows_what_its_plugins_bring() -> None:
    line = ["--model", "m", "--plugin", str(EXTENDING / "task.py"), "--out", "d"]
    rest = plugins.with_plugins([*line, f"--plugin={EXTENDING / 'attack.py'}"])
    assert rest == ["--model", "m", "--out", "d"]
    assert "mi_fgsm_swap" in ATTACKS
    name = next(name for name in TASKS if type(TASKS[name]).__module__.startswith("mat_jax_plugin"))
    assert command_line().parse_args([*rest, "--task", name]).task == name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1\n", "brings no attack and no task"),
        ("from mat_jax.attacks import ATTACKS\nours = ATTACKS['sga']\n", "brings no attack"),
        ("import no_such_module\n", "breaks down: ModuleNotFoundError: No module named"),
        (
            "from mat_jax import attacks\ndef sga(model, batch, key, *, threat, preset): ...\n"
            "mine = attacks.Attack(sga, 'Mine')\n",
            "brings 'sga', which is there already",
        ),
    ],
)
def test_what_is_no_plugin_is_said_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    known = dict(ATTACKS)
    with pytest.raises(ValueError, match=sentence):
        plugins.register(file)
    assert ATTACKS == known


@pytest.mark.parametrize(
    ("line", "sentence"),
    [(["--plugin"], "wants a Python file"), (["--plugin", "nowhere.py"], "there is no such file")],
)
def test_a_mistake_ends_the_command(line: list[str], sentence: str, capsys) -> None:
    assert cli.main(["attack", "scenes", *line]) == 2
    assert sentence in capsys.readouterr().err
