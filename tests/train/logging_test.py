"""The metrics file: whole lines, of steps that count."""

import contextlib
import json

import jax.numpy as jnp
import pytest

from mat_jax.train.logging import Recorder, duration, require_finite, truncate


def steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def record(path, start, stop, *, every=2, loss=1.0):
    recorder = Recorder(path, start=start, steps=10, batch_size=4, every=every, quiet=True)
    with contextlib.closing(recorder):
        for step in range(start + 1, stop + 1):
            recorder.record(step, {"loss": jnp.asarray(loss)})


def test_lines_come_at_the_first_every_nth_and_last_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    record(path, 0, 10, every=4)
    assert steps(path) == [1, 4, 8, 10]


def test_a_resumed_run_drops_what_it_will_do_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    record(path, 0, 9)
    with path.open("a") as file:
        file.write('{"step": 9, "lo')  # killed in the middle of a line
    record(path, 4, 10)
    assert steps(path) == [1, 2, 4, 6, 8, 10]


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(ArithmeticError, match="the loss is nan at step 1: try a lower lr"):
        record(path, 0, 2, loss=float("nan"))
    assert path.read_text() == ""


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_broken_weights_are_noticed_before_they_are_saved(name):
    with pytest.raises(ArithmeticError, match="is inf at step 7: try a lower lr"):
        require_finite(7, {"loss": jnp.asarray(1.0), name: jnp.asarray(jnp.inf)})


def test_truncate_of_no_file(tmp_path):
    truncate(tmp_path / "metrics.jsonl", 3)
    assert not list(tmp_path.iterdir())


def test_durations_read_well():
    assert [duration(s) for s in (5.0, 600.0, 11100.0)] == ["5 s", "10 min", "3 h 05 min"]


def test_the_progress_line_says_loss_rate_and_time_left(tmp_path, capsys):
    recorder = Recorder(tmp_path / "m", start=0, steps=4, batch_size=4, every=1)
    for step in range(1, 5):
        recorder.record(step, {"loss": jnp.asarray(2.5)})
    recorder.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "step 2/4  loss 2.5000" in lines[1]
    assert "images/s" in lines[1] and "left" in lines[1]
