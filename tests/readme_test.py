"""What the README promises, it can do."""

import os
import re
import subprocess
import sys
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


def test_what_defences_are_worth_is_what_the_study_found() -> None:
    page = (ROOT / "experiments/study/results/README.md").read_text().replace("**", "")
    table = README[README.index("| mean of TR@1 and IR@1 |") :].partition("\n\n")[0]
    rows = table.replace("**", "").splitlines()
    assert len(rows) > 8
    for row in rows:
        assert row in page, row


@pytest.mark.parametrize("name", ["train", "evaluate", "convert", "augment"])
def test_options_exist(name: str) -> None:
    """Every `--option` shown in a command is one the program has."""
    package = ROOT / "mat_jax" / name / "__main__.py"
    source = (package if package.is_file() else ROOT / "mat_jax" / f"{name}.py").read_text()
    commands = re.findall(rf"python -m mat_jax\.{name}((?:\\\n|[^\n])*)", README)
    assert commands
    for option in {o for command in commands for o in re.findall(r"--[a-z-]+", command)}:
        assert f'"{option}"' in source, option


def test_the_example_runs_as_a_script(tmp_path: Path) -> None:
    example = re.search(r"```python\n(import jax.*?)```", README, flags=re.DOTALL)
    assert example is not None
    script = tmp_path / "example.py"
    script.write_text(example.group(1))
    run = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": str(ROOT), "MAT_JAX_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    before, after = run.stdout.strip().splitlines()[-1].split(" -> ")
    assert before and after
