"""The notebooks are clean, of one shape, and run: here in a small setting, in the site as given."""

import json
import os
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from flax import nnx  # noqa: F401 - first, as it asks more of IPython than a stand-in has

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
ADDRESS = "https://colab.research.google.com/github/mat-jax/mat_jax/blob/main/notebooks"
# The settings under which each is tried, in the place of its own, and files that it must leave.
SMALL: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "quickstart": (
        {"attacked": 4, "shown": 1, "steps": 2, "limit": 8},
        ("runs/notebook/report/index.html",),
    ),
    "swap_a_schedule": (
        {"scenes": 16, "steps": 3, "batch_size": 4, "words": 0, "held_out": 4},
        ("runs/schedules/curves.html", "runs/schedules/report/index.html"),
    ),
    "your_own_data": (
        {"pictures": 16, "shown": 1, "steps": 2, "batch_size": 4, "words": 0, "attacked": 4},
        ("runs/own_data/check.html", "runs/own_data/run/report/index.html"),
    ),
    "zero_shot_autoattack": (
        {
            "pictures": 8, "radii": (1 / 255,), "attack_steps": 2, "scenes": 16, "train_steps": 2,
            "batch_size": 4,
        },
        ("runs/zero_shot/export/model.safetensors",),
    ),
    "attack_gallery": ({"scenes": 3, "names": ("fgsm", "bert_attack"), "shown": 1, "steps": 2}, ()),
    "what_a_number_hides": (
        {
            "pictures": 6, "gallery": 48, "several": ("pgd", "bert_attack"),
            "on_images": ("pgd", "square"), "checked": 2,
        },
        (),
    ),
    "transfer_matrix": (
        {"names": ("scenes-clip",), "pictures": 4, "captions": 1, "steps": 2},
        ("runs/transfer/index.html",),
    ),
    "captions_and_grounding": (
        {
            "pictures": 3, "writes_under": ("caption_away",), "phrases": 3,
            "looks_under": ("pgd",), "steps": 2, "shown": 1,
        },
        (),
    ),
    "many_devices": (
        {"meshes": ("data=1", "data=2"), "steps": 2, "batch_size": 4, "topologies": ()},
        ("runs/devices/data=1/metrics.jsonl", "runs/devices/data=2/metrics.jsonl"),
    ),
}  # fmt: skip
CHECKOUT = ("captions_and_grounding",)  # whose models are not in the wheel
ALWAYS = ("many_devices",)  # the others take a quarter of a minute to a minute


def cells(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def tagged(name: str, tag: str) -> list[str]:
    return [source(cell) for cell in cells(name) if tag in cell["metadata"].get("tags", [])]


def test_all_notebooks_are_tried_and_shown() -> None:
    assert set(SMALL) == {file.stem for file in FOLDER.glob("*.ipynb")}
    index = (ROOT / "docs/index.md").read_text()
    assert set(re.findall(r"(?m)^made/notebooks/(\w+)$", index)) == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_each_is_clean_and_of_one_shape(name: str) -> None:
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    first, *rest = notebook["cells"]
    assert source(first).startswith("# ") and f"({ADDRESS}/{name}.ipynb)" in source(first)
    assert rest[0]["metadata"]["tags"] == ["install"]
    if name not in CHECKOUT:
        assert tagged(name, "install") == tagged("quickstart", "install")
    assert len(tagged(name, "parameters")) == 1
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        assert not cell.get("outputs") and not cell.get("execution_count")
        if cell["cell_type"] == "code" and "install" not in cell["metadata"].get("tags", []):
            compile(source(cell), name, "exec")


@pytest.mark.parametrize(
    "name",
    [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in SMALL],
)
def test_each_runs_small(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, files = SMALL[name]
    shown: list[Any] = []
    display: Any = types.ModuleType("IPython.display")
    display.HTML, display.Markdown, display.display = str, str, shown.append
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # one that is left alone by what follows
    namespace: dict[str, Any] = {"__name__": "notebook"}
    for cell in cells(name):
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "code" and "install" not in tags:
            exec(compile(source(cell), f"{name}.ipynb", "exec"), namespace)
        if "parameters" in tags:
            unknown = set(settings) - set(namespace)
            assert not unknown, f"{name} has no such settings: {unknown}"
            namespace.update(settings)
    assert all((tmp_path / file).stat().st_size for file in files)
    assert bool(shown) == any("display(" in source(cell) for cell in cells(name))
    everything = " ".join(one for one in shown if isinstance(one, str))
    assert "<html" not in everything  # pages stand in frames, whose text is escaped
