"""The commands and snippets of the documents: Python runs, command lines are read by the parsers.

`commands_test.py` runs the command lines too.
"""

import contextlib
import io
import re
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mat_jax.attacks import ATTACKS
from mat_jax.attacks.ensembles import ENSEMBLES
from mat_jax.cli.commands import COMMANDS, subcommand
from mat_jax.evaluate.plugins import with_plugins
from mat_jax.evaluate.tasks.registry import TASKS
from mat_jax.models.files import SHIPPED
from mat_jax.train import experiment
from tests.docs.blocks import DOCS, HANDMADE, ROOT, Block, blocks
from tests.tools.registries import registries_stay

sys.path.append(str(DOCS))

from building import attack_pages, task_pages  # noqa: E402

# Pages whose Python and commands were written to be run as they stand.
RUN = [page for page in HANDMADE if page.name not in ("guide.md", "machines.md", "extending.md")]
OTHER = {"git", "pip", "python3", "cd", "srun", "mpirun", "export", "eval", "sbatch", "#SBATCH"}
NAMES = {
    "--attack": ATTACKS,
    "--attacks": ATTACKS,
    "--suite": [*ENSEMBLES, "none"],
    "--task": TASKS,
}


def every_block() -> list[Block]:
    return [block for page in HANDMADE for block in blocks(page) if block.mark != "theirs"]


def read(words: list[str]) -> None:
    """A command line as its program would read it; names are those of the registries."""
    if words[:2] == ["python", "-m"]:
        module = words[2]
        if module.startswith("experiments."):
            package = ROOT / module.replace(".", "/")
            source = "".join(one.read_text() for one in package.glob("*.py"))
            for option in (one for one in words if one.startswith("--")):
                assert f'"{option}"' in source, option
            return
        name = module.removeprefix("mat_jax.").removeprefix("cli").strip(".")
        if name not in COMMANDS:
            return  # tests/readme_test.py looks at these
        rest = words[3:]
    elif words[0] == "mat-jax":
        name, rest = words[1], words[2:]
    elif words[0] == "make":
        assert re.search(rf"(?m)^{words[1]}:", (ROOT / "Makefile").read_text()), words
        return
    else:
        assert words[0] in OTHER, words
        return
    with registries_stay():
        rest = with_plugins(rest)
        _read(words, rest, subcommand(name).parser().options)


def _read(words: list[str], rest: list[str], options: Mapping[str, object]) -> None:
    for one, value in zip(rest, [*rest[1:], ""], strict=False):
        if one.startswith("--") and one != "--help":
            assert one in options, f"{' '.join(words)}: {one}"
        if one in NAMES and value.islower():
            for part in value.split(","):
                assert part in NAMES[one], part
        if one in ("--model", "--surrogate"):
            for part in re.split(r"[,+]", value):
                assert not part.startswith("scenes-") or (SHIPPED / part).is_dir(), part
        if one == "--config" and value.startswith("experiments/"):
            assert experiment.load(str(ROOT / value))


def test_every_command_is_one_that_the_programs_read() -> None:
    lines = [words for block in every_block() for words in block.commands]
    assert len(lines) > 60
    for words in lines:
        read(words)
    with pytest.raises(AssertionError, match="--atack"):
        read(["mat-jax", "attack", "photo.jpg", "hello", "--atack", "sga"])
    with pytest.raises(AssertionError, match="sgaa"):
        read(["mat-jax", "evaluate", "--attacks", "none,sgaa"])


@pytest.mark.parametrize("name", [name for name, one in ATTACKS.items() if not one.random])
def test_the_command_of_an_attack_is_read(name: str) -> None:
    block = Block(DOCS, "", attack_pages.command(name), "")
    ((*words,),) = block.commands
    read(words)
    assert any(name in word.split(",") for word in words)


@pytest.mark.parametrize("name", TASKS)
def test_the_command_of_a_task_is_read(name: str) -> None:
    text = re.search(r"## Command\n\n```\n(.*?)```", task_pages.task_page(name), re.DOTALL)
    assert text is not None
    for words in Block(DOCS, "", text[1], "").commands:
        read(words)


def snippets() -> list[tuple[str, Block]]:
    return [
        (f"{page.stem}-{n}", block)
        for page in RUN
        for n, block in enumerate(blocks(page))
        if block.language == "python" and not block.mark
    ]


# What it is said to print.
SAYS = {
    "start-1": "a patterned green apple a flower beside a grey machine and an orange snail",
    "source-0": "8 ('a square of shade 3', 'a plain square')",
    "schedule-0": "['1.0e-07', '5.0e-06', '1.0e-05']",
    "coming-1": r"(8\.0|7\.9)",
}


@pytest.mark.parametrize(("name", "block"), snippets(), ids=[name for name, _ in snippets()])
def test_a_snippet_runs(name: str, block: Block, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "snippet.py"
    script.write_text(block.text)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        runpy.run_path(str(script), run_name="__main__")
    if name in SAYS:
        found = said.getvalue()
        assert SAYS[name] in found or re.search(SAYS[name], found), found
