"""Each command of each page runs, shortened, in a folder with a stand-in for what it names.

What cannot run here is listed with its reason. `stand_ins.py` has what stands for what,
`shortening.py` what makes a command short, `promises.py` what its page says that it leaves.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mat_jax.utils import processes
from tests.docs import promises, shortening, stand_ins
from tests.docs.blocks import HANDMADE, ROOT, blocks
from tests.tools.registries import registries_stay

PAGES = [
    *HANDMADE,
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "experiments").rglob("README.md")),
]
# The beginning of a command, or what is in it -> why it is not run.
NOT_HERE = {
    "pip install": "it changes the environment that runs the tests",
    "git clone": "it wants the network",
    "srun": "SLURM's launcher is not installed",
    "--hosts auto": "it asks SLURM, Open MPI or a TPU slice, and there is none",
    "make quickstart": "its two commands run here, and it makes an environment",
    "make test": "it would run all tests inside a test",
    "make docs": "tests/docs/build_test.py builds the site",
    "make wheel": "tests/wheel_test.py builds the wheel",
    "make format": "it changes the files that are tested",
    "pytest -m slow": "it is what runs this test",
    "export JAX_NUM_CPU_DEVICES": "tests/docs/rehearsal_test.py sets the two variables",
    "--coordinator": "tests/docs/rehearsal_test.py runs both processes of a page",
}
NEEDED = {"--topology v": "libtpu", "--track": "tensorboardX"}  # what is in it -> a package


def every() -> dict[str, list[str]]:
    """All commands by page and number, each once."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        name = page.relative_to(ROOT).with_suffix("").as_posix().removeprefix("docs/")
        lines = [words for block in blocks(page) if not block.mark for words in block.commands]
        for number, words in enumerate(lines):
            if words not in found.values():
                found[f"{name}-{number}".replace("/", "-")] = words
    return found


EVERY = every()


def why_not(words: list[str]) -> str | None:
    """The entry of `NOT_HERE` that a command has."""
    line = " ".join(words)
    return next((start for start in NOT_HERE if start in line), None)


RUN = {name: words for name, words in EVERY.items() if why_not(words) is None}


def test_what_is_not_run_and_what_is_stood_for_is_on_the_pages() -> None:
    lines = [" ".join(words) for words in EVERY.values()]
    for start in (*NOT_HERE, *NEEDED):
        assert any(start in line for line in lines), f"{start}: no page has it any more"
    text = "\n".join([*(page.read_text() for page in PAGES), *_experiments()])
    for name in (*stand_ins.NAMES, *shortening.CHANGED, *shortening.LEFT_OUT):
        assert name in text, f"{name}: nothing names it any more"
    assert len(RUN) > 100 and len(EVERY) - len(RUN) < 25


def _experiments() -> Iterator[str]:
    for folder in ("experiments", "experiments/papers"):
        yield from (file.read_text() for file in (ROOT / folder).glob("*.py"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the pages name."""
    return stand_ins.prepared(tmp_path_factory.mktemp("machine"))


@pytest.mark.slow  # ten minutes in all
@pytest.mark.parametrize("name", RUN)
def test_a_command_does_what_its_page_says(
    name: str, machine: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    words = RUN[name]
    for part, package in NEEDED.items():
        if part in " ".join(words) and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if words[0].endswith("python") and words[1] != "-m":
        script(words)
        return
    program, arguments = shortening.shortened(words)
    stand_ins.own(machine, tmp_path, shortening.needs(program, arguments))
    if "--plan" in arguments:  # which has the sizes of published models by their names
        (tmp_path / "openai").unlink()
    monkeypatch.chdir(tmp_path)
    shortening.shorten(monkeypatch, program, arguments)
    with registries_stay():
        status = shortening.main_of(program)(arguments)
        said = capsys.readouterr()
        assert status == 0, f"{' '.join([program, *arguments])}\n{said.err[-2000:]}"
        promises.kept(program, arguments, said.out)
    assert processes.first()


def script(words: list[str]) -> None:
    """A file that is run by Python, from the checkout."""
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and done.stdout, done.stderr[-2000:]
