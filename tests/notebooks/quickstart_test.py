"""The notebook's cells run, in a small setting and without a notebook."""

import json
import sys
import types
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text())
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def test_cells_are_clean_python() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
    for source in cells()[1:]:  # the first one calls pip the notebook's way
        compile(source, "cell", "exec")


@pytest.mark.slow
def test_cells_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    display = types.ModuleType("IPython.display")
    monkeypatch.setattr(display, "HTML", lambda page: page, raising=False)
    monkeypatch.setattr(display, "display", shown.append, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "notebook"}
    for source in cells()[1:]:
        exec(compile(source.replace("steps=20", "steps=2"), "cell", "exec"), namespace)
    assert namespace["change"] <= 2 / 255 + 1e-6
    assert shown and "<html" in shown[0]
