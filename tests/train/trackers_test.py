"""Trackers: each in its offline form with the real library, where it is installed."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import mat_jax
from mat_jax.train.trackers import Calls, open_trackers, require_trackers

# What these libraries warn of is theirs.
foreign = pytest.mark.filterwarnings("ignore")
LINES = [(1, {"loss": 2.0, "lr": 0.5}), (2, {"loss": 1.0, "lr": 0.25})]


def told(tmp_path, *given):
    """A run of two lines, through some trackers."""
    (tmp_path / "run").mkdir()
    trackers = open_trackers(given, tmp_path / "run", {"lr": 0.5, "model": "scenes-clip"})
    for tracker in trackers:
        for step, figures in LINES:
            tracker.log(step, figures)
        tracker.close()
    return tmp_path / "run"


def test_a_function_is_a_tracker(tmp_path):
    found = []
    told(tmp_path, lambda step, figures: found.append((step, dict(figures))))
    assert found == LINES


def test_a_tracker_of_ones_own_is_taken_as_it_is(tmp_path):
    own = Calls(print)
    assert open_trackers([own], tmp_path, {}) == [own]


def test_what_is_not_there_is_refused_in_one_sentence(monkeypatch):
    with pytest.raises(ValueError, match="no tracker 'aim': choose from tensorboard, wandb"):
        require_trackers(["aim"])
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)  # as if it were not installed
    with pytest.raises(ValueError, match=r"wandb needs .* pip install 'mat-jax\[trackers\]'"):
        require_trackers(["wandb"])


@foreign
def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    from tensorboardX.proto.event_pb2 import Event

    folder = told(tmp_path, "tensorboard") / "tensorboard"
    (file,) = folder.iterdir()
    data, place, found = file.read_bytes(), 0, {}
    while place < len(data):  # length, its check sum, the event, its check sum
        size = int.from_bytes(data[place : place + 8], "little")
        event = Event.FromString(data[place + 12 : place + 12 + size])
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found[event.step, value.tag] = value.simple_value
        place += size + 16
    assert found == {(step, name): v for step, own in LINES for name, v in own.items()}


def apart(tmp_path, kind, **environment):
    """The same in a process of its own: these read their settings once, and work in threads."""
    code = f"""
from pathlib import Path
from mat_jax.train.trackers import open_trackers
(tracker,) = open_trackers(["{kind}"], Path("run"), {{"lr": 0.5, "model": "scenes-clip"}})
for step, figures in {LINES}:
    tracker.log(step, figures)
tracker.close()
"""
    (tmp_path / "run").mkdir()
    path = os.pathsep.join([str(Path(mat_jax.__file__).parents[1]), *sys.path])
    told = os.environ | environment | {"PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=told, timeout=120)


def test_wandb_offline_writes_into_the_run(tmp_path):
    pytest.importorskip("wandb", reason="wandb is not installed")
    apart(tmp_path, "wandb", WANDB_MODE="offline", WANDB_SILENT="true")
    (file,) = (tmp_path / "run").glob("wandb/offline-run-*/*.wandb")
    assert b"scenes-clip" in file.read_bytes()


def test_trackio_keeps_the_lines(tmp_path):
    pytest.importorskip("trackio", reason="trackio is not installed")
    apart(tmp_path, "trackio", TRACKIO_DIR=str(tmp_path / "trackio"))
    (file,) = (tmp_path / "trackio").glob("*.db")
    with sqlite3.connect(file) as kept:
        rows = kept.execute("select step, metrics from metrics order by step").fetchall()
    assert [(step, json.loads(text)) for step, text in rows] == LINES


@foreign
def test_mlflow_keeps_the_lines_in_the_run(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="mlflow needs sqlalchemy for a file of its own")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    file = told(tmp_path, "mlflow") / "mlflow.db"
    with sqlite3.connect(file) as kept:
        rows = kept.execute("select step, key, value from metrics").fetchall()
    assert sorted(rows) == sorted((s, n, v) for s, own in LINES for n, v in own.items())
