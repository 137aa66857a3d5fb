"""The wheel: what a user installs holds the package and its small models, and no results."""

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from mat_jax.models.formats import folders

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    assert Path(path).stat().st_size < 12e6
    with zipfile.ZipFile(path) as wheel:
        return wheel.namelist()


def test_it_holds_no_results_and_no_study(names: list[str]) -> None:
    assert not [name for name in names if "study" in name or "results/" in name]
    assert not [name for name in names if name.endswith(".json") and "shipped" not in name]


def test_models_left_out_are_named(names: list[str]) -> None:
    """A user of the wheel is told where they are."""
    folder = ROOT / "mat_jax/models/shipped"
    inside = {name.split("/")[3] for name in names if name.startswith("mat_jax/models/shipped/")}
    left_out = {path.name for path in folder.iterdir() if path.is_dir()} - inside
    assert left_out == set(folders.IN_CHECKOUT)


def test_it_holds_what_the_commands_need(names: list[str]) -> None:
    for name in (
        "mat_jax/__init__.py",
        "mat_jax/train/__main__.py",
        "mat_jax/evaluate/__main__.py",
        "mat_jax/augment/__main__.py",
        "mat_jax/experiments/quickstart.py",
        "mat_jax/experiments/papers/mat_clip_flickr30k.py",
        "mat_jax/models/shipped/scenes-clip/model.safetensors",
    ):
        assert name in names
