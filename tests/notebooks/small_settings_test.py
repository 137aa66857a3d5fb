"""Notebooks run from their first cell to their last, with small settings after their parameters.

Each runs in a process of its own, as in a notebook: one of them sets the number of devices, which
JAX asks for once.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLAB = "https://colab.research.google.com/github/mat-jax/mat_jax/blob/main/notebooks"
# Name -> its settings here, and files that it must leave.
SMALL: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "many_devices": (
        {
            "cpu_devices": 2,
            "meshes": ("data=1", "data=2"),
            "steps": 2,
            "batch_size": 4,
            "topologies": (),
        },
        ("runs/devices/data=1/metrics.jsonl", "runs/devices/data=2/metrics.jsonl"),
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
            "pictures": 8,
            "radii": (1 / 255,),
            "attack_steps": 2,
            "scenes": 16,
            "train_steps": 2,
            "batch_size": 4,
        },
        ("runs/zero_shot/export/model.safetensors",),
    ),
}
QUICK = ("many_devices",)  # half a minute on a busy core, the others up to a whole one
# What IPython gives a notebook; a frame is shown as it would be, and a picture by its size.
DISPLAY = """
def HTML(text):
    assert "<iframe" in text
    return text

def display(one):
    print("shown", getattr(one, "size", None) or len(one))
"""


def cells(name: str) -> list[dict]:
    return json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def program(name: str, settings: dict[str, object]) -> str:
    """The code of a notebook, without its installation, with these settings in force.

    IPython is not installed for tests, so its two functions are put in.
    """
    parts = []
    for cell in cells(name):
        if cell["cell_type"] == "code" and "install" not in tags(cell):
            parts.append("".join(cell["source"]))
            if "parameters" in tags(cell):
                parts += [f"{setting} = {value!r}" for setting, value in settings.items()]
    return re.sub(r"(?m)^from IPython\.display import .*$", DISPLAY, "\n".join(parts))


@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_is_clean_and_opens_in_colab(name: str) -> None:
    found = cells(name)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in found)
    assert f"({COLAB}/{name}.ipynb)" in "".join(found[0]["source"])
    assert [tags(cell) for cell in found[1:3]] == [["install"], ["parameters"]]
    given = re.findall(r"^(\w+)(?:: [^=]+)? = ", "".join(found[2]["source"]), flags=re.M)
    assert SMALL[name][0].keys() <= set(given)  # a small setting of another name sets nothing


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in SMALL]
)
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    settings, files = SMALL[name]
    (tmp_path / "notebook.py").write_text(program(name, settings))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "notebook.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert all((tmp_path / file).stat().st_size for file in files)
