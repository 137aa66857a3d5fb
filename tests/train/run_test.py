"""A run that is killed, told to stop and started again is the same run, bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

TOY = Path(__file__).parents[1] / "toy_experiment.py"
STEPS = 40


def start(workdir: Path, cache: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "mat_jax.train", "--config", TOY, "--workdir", workdir]
    settings = [f"steps={STEPS}", "defense=mat", "batch_size=32", "checkpoint_every=7"]
    environment = os.environ | {
        "PYTHONPATH": str(TOY.parents[1]),
        # Bit for bit, as users run it.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
        "XLA_FLAGS": "",
        # One compilation serves the four processes of the test.
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    # Not a pipe: nobody reads it while the run goes on, and XLA can say more than one holds.
    with log_of(workdir).open("w") as log:
        return subprocess.Popen(
            [*map(str, command), "--set", *settings], env=environment, stderr=log
        )


def log_of(workdir: Path) -> Path:
    return workdir.with_suffix(".txt")


def ended(process: subprocess.Popen, workdir: Path) -> str:
    """What the run said, once it has ended."""
    process.wait(900)
    return log_of(workdir).read_text()


def lines(workdir: Path) -> list[dict]:
    """The metrics, without what depends on the clock."""
    path = workdir / "metrics.jsonl"
    found = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        found.append({k: v for k, v in line.items() if k not in ("time", "images_per_second")})
    return found


def signal_after(process: subprocess.Popen, workdir: Path, step: int, number: int) -> str:
    """Send a signal once the run has passed a step; returns what the run said."""
    deadline = time.monotonic() + 900
    while not any(line["step"] >= step for line in lines(workdir)):
        assert process.poll() is None, ended(process, workdir)
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    return ended(process, workdir)


def saved_steps(workdir: Path) -> list[int]:
    """The steps whose checkpoint is whole; Orbax renames it to its number only then."""
    folder = workdir / "checkpoints"
    return [int(p.name) for p in folder.iterdir() if p.name.isdigit()] if folder.exists() else []


def test_killed_and_stopped_runs_end_as_an_unbroken_one(tmp_path):
    cache, whole, broken = tmp_path / "cache", tmp_path / "whole", tmp_path / "broken"
    process = start(whole, cache)
    said = ended(process, whole)
    assert process.returncode == 0, said

    first = random.randint(8, 18)
    process = start(broken, cache)
    signal_after(process, broken, first, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (broken / "export").exists()
    # Checkpoints are written beside the steps: a kill may come before the first is whole.
    saved = saved_steps(broken)

    process = start(broken, cache)
    said = signal_after(process, broken, first + random.randint(5, 10), signal.SIGTERM)
    assert process.returncode == 143, said
    assert ("going on from step" in said) == bool(saved)
    assert "stopped by SIGTERM at step" in said and "the same command goes on" in said

    stopped = max(saved_steps(broken))

    process = start(broken, cache)
    said = ended(process, broken)
    assert process.returncode == 0, said
    assert f"going on from step {stopped}" in said

    assert [line["step"] for line in lines(whole)] == list(range(1, STEPS + 1))
    assert lines(broken) == lines(whole), f"killed at step {first}"
    one, other = (load_file(d / "export" / "model.safetensors") for d in (whole, broken))
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert len(saved_steps(broken)) <= 2
