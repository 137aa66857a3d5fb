"""What the README promises, it can do."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def test_make_commands_exist() -> None:
    for command in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{command}:", MAKEFILE, flags=re.MULTILINE), command


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("name", ["train", "evaluate", "convert"])
def test_options_exist(name: str) -> None:
    """Every `--option` shown in a command is one the program has."""
    source = (ROOT / "mat_jax" / f"{name}.py").read_text()
    commands = re.findall(rf"python -m mat_jax\.{name}((?:\\\n|[^\n])*)", README)
    assert commands
    for option in {o for command in commands for o in re.findall(r"--[a-z-]+", command)}:
        assert f'"{option}"' in source, option


@pytest.mark.slow
def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(import jax.*?)```", README, flags=re.DOTALL)
    assert example is not None
    exec(example.group(1), {})
    before, after = capsys.readouterr().out.strip().splitlines()[-1].split(" -> ")
    assert before and after
