"""Commands of several processes, as pages have them: all their processes run here, over loopback.

A command of which the page has one process alone gets its partner. `shortening.py` cuts them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import shortening
from tests.docs.blocks import DOCS, ROOT, blocks
from tests.train.processes_test import address, ended

MACHINES = DOCS / "machines.md"


def commands() -> dict[str, list[list[str]]]:
    """By page and folder, the commands of a run of two processes, with all else that they say."""
    found: dict[str, list[list[str]]] = {}
    for page in (DOCS / "guide.md", MACHINES):
        lines = [words for block in blocks(page) for words in block.commands]
        for words in (one for one in lines if "--coordinator" in one):
            own = [word for word in words if word != "&"]
            key = f"{page.stem}-{shortening.asks(own, '--workdir')}".replace("/", "-")
            found.setdefault(key, []).append(own)
    return found


def environment() -> dict[str, str]:
    """What the page exports before its rehearsal."""
    lines = [words for block in blocks(MACHINES) for words in block.commands]
    (exported,) = (words[1:] for words in lines if words[0] == "export")
    return dict(one.split("=", 1) for one in exported)


def test_pages_have_runs_of_two_processes() -> None:
    assert set(commands()) == {"guide-DIR", "machines--shared-run", "machines--tmp-run"}
    assert set(environment()) == {"JAX_NUM_CPU_DEVICES", "NPROC"}
    for lines in commands().values():
        assert all(shortening.asks(words, "--hosts") == "2" for words in lines)


@pytest.mark.slow  # a minute each
@pytest.mark.parametrize("name", commands())
def test_two_processes_are_one_run(name: str, tmp_path: Path) -> None:
    lines = commands()[name]
    if len(lines) == 1:
        lines = [lines[0], [*lines[0][:-1], "1"]]
    assert sorted(str(shortening.asks(words, "--process")) for words in lines) == ["0", "1"]
    for one in ("experiments", "tests"):
        (tmp_path / one).symlink_to(ROOT / one)
    given = os.environ | environment() | {"PYTHONPATH": str(ROOT)}
    where, running = address(), []
    for words in lines:
        program, arguments = shortening.shortened(words)
        place = arguments.index("--coordinator") + 1
        arguments[place] = where
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.docs.shortening", program, *arguments],
                cwd=tmp_path,
                env=given,
                text=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )
    codes, said = ended(running)
    assert codes == [0, 0], "\n".join(said)[-3000:]
    named = str(shortening.asks(lines[0], "--workdir"))
    workdir = tmp_path / shortening.CHANGED.get(named, named)
    metrics = (workdir / "metrics.jsonl").read_text().splitlines()
    assert metrics and all(json.loads(line)["loss"] > 0 for line in metrics)
    assert (workdir / "export/model.safetensors").is_file()
    if name.endswith("tmp-run"):  # the quickstart, which is measured before and after
        results = json.loads((workdir / "report/results.json").read_text())
        assert len(results["models"]) == 2
