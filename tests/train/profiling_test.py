"""What looks at a run from outside: a trace, trackers, and the page of curves."""

import gzip
import json

import pytest

import mat_jax
from mat_jax.train.profiling import Profiler
from tests.toy_experiment import experiment


def test_a_run_is_traced_and_told_to_trackers(tmp_path, capsys):
    told = []
    mat_jax.fit(
        experiment(steps=6),
        tmp_path,
        trackers=[lambda step, figures: told.append((step, figures["loss"]))],
        profile=2,
    )
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert told == [(line["step"], line["loss"]) for line in lines]
    assert "<svg" in (tmp_path / "curves.html").read_text()
    (trace,) = (tmp_path / "profile").rglob("perfetto_trace.json.gz")
    names = [event.get("name", "") for event in json.loads(gzip.open(trace).read())["traceEvents"]]
    assert names.count("waiting for a batch") == 2  # one a step
    assert "traced 2 steps of" in capsys.readouterr().err


def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="profile is -1: give the number of steps, or 0"):
        mat_jax.fit(experiment(steps=1), tmp_path / "run", profile=-1)
    with pytest.raises(ValueError, match="no tracker 'aim': choose from"):
        mat_jax.fit(experiment(steps=1), tmp_path / "run", trackers=["aim"])
    assert not (tmp_path / "run").exists()


def test_a_run_that_ends_early_ends_its_trace(tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr("jax.profiler.start_trace", lambda *_, **__: found.append("start"))
    monkeypatch.setattr("jax.profiler.stop_trace", lambda: found.append("stop"))
    profiler = Profiler(tmp_path, 5, start=10, quiet=True)
    for step in (11, 12, 13, 14):
        with profiler.waiting(step):
            pass
        profiler.after(step, None)
    assert found == ["start"]  # at the third step of this start
    profiler.close()
    profiler.close()
    assert found == ["start", "stop"]
