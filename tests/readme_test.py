"""What the README and the documents promise, the package can do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERYTHING = "\n".join(page.read_text() for page in PAGES)
MAKEFILE = (ROOT / "Makefile").read_text()


def test_make_commands_exist() -> None:
    for command in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{command}:", MAKEFILE, flags=re.MULTILINE), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        if target.startswith("made/"):  # by `make docs`; tests/docs follows these
            continue
        assert (page.parent / target).exists(), target


def test_the_readme_is_one_screen() -> None:
    assert len(README.split()) <= 500


def test_what_defences_are_worth_is_what_the_study_found() -> None:
    page = (ROOT / "experiments/study/results/README.md").read_text().replace("**", "")
    told = (ROOT / "docs/results.md").read_text()
    table = told[told.index("| mean of TR@1 and IR@1 |") :].partition("\n\n")[0]
    rows = table.replace("**", "").splitlines()
    assert len(rows) > 8
    for row in rows:
        assert row in page, row


@pytest.mark.parametrize(
    "name", ["train", "evaluate", "evaluate.captions", "models.convert", "augment"]
)
def test_options_exist(name: str) -> None:
    """Every `--option` shown in a command is one the program has."""
    path = ROOT / "mat_jax" / name.replace(".", "/")
    files = path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    source = "".join(file.read_text() for file in files)
    commands = re.findall(rf"python -m mat_jax\.{name}(?![.\w])((?:\\\n|[^\n])*)", EVERYTHING)
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
