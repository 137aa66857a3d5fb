"""Several processes are one run: the losses of one process, one stop, one end, one gallery.

They meet over the loopback and compute on virtual CPU devices, through gloo.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mat_jax.train import __main__ as command

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "toy_experiment.py"
SETTINGS = ["batch_size=16", "checkpoint_every=3"]


def address() -> str:
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def start(module: str, arguments: list, cache: Path, count: int, devices: int) -> list:
    """All processes of one command."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_NUM_CPU_DEVICES": str(devices),
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    where = address()
    return [
        subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)]
            + (["--hosts", str(count), "--coordinator", where, "--process", str(index)]),
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for index in range(count)
    ]


def train(workdir: Path, cache: Path, count: int, devices: int, *more: str) -> list:
    arguments = ["--config", TOY, "--workdir", workdir, "--set", *SETTINGS, *more]
    return start("mat_jax.train", arguments, cache, count, devices)


def ended(processes: list, seconds: float = 400) -> tuple[list[int], list[str]]:
    """Exit codes, and what was said without gloo's own lines."""
    try:
        # All at once: one whose pipe is full waits, and the others wait for it.
        with ThreadPoolExecutor(len(processes)) as pool:
            said = list(pool.map(lambda one: one.communicate(timeout=seconds)[1], processes))
    finally:
        for process in processes:
            process.kill()
    lines = [[line for line in text.splitlines() if "[Gloo]" not in line] for text in said]
    return [process.returncode for process in processes], ["\n".join(one) for one in lines]


def metrics(workdir: Path) -> list[dict]:
    path = workdir / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def reach(processes: list, workdir: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while not any(line["step"] >= step for line in metrics(workdir)):
        for process in processes:
            assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alone(workdir: Path, devices: int, *more: str) -> list[float]:
    """The losses of one process."""
    arguments = ["--config", TOY, "--workdir", workdir, "--mesh", devices, "--set", *SETTINGS]
    assert command.main([*map(str, arguments), *more]) == 0
    return [line["loss"] for line in metrics(workdir)]


def test_two_processes_have_the_losses_of_one_and_stop_as_one(tmp_path):
    """The second is asked to stop: both save the same step, and say it with the same code."""
    running = train(tmp_path / "two", tmp_path / "cache", 2, 2, "steps=100000")
    wanted = alone(tmp_path / "one", 4, "steps=4")  # lr differs only after the first steps
    reach(running, tmp_path / "two", 3)
    running[1].send_signal(signal.SIGTERM)
    codes, said = ended(running)
    assert codes == [143, 143], said
    found = metrics(tmp_path / "two")
    assert [line["step"] for line in found] == list(range(1, len(found) + 1))
    np.testing.assert_allclose([line["loss"] for line in found[:2]], wanted[:2], rtol=1e-6)
    assert f"stopped by SIGTERM at step {len(found)}, saved in" in said[0]
    saved = [int(one.name) for one in (tmp_path / "two" / "checkpoints").iterdir()]
    assert max(saved) == len(found)
    assert not (tmp_path / "two" / "export").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "count, devices, mesh", [(2, 2, "data=2,fsdp=2"), (4, 1, "4"), (2, 4, "8")]
)
def test_killed_and_started_again_they_end_as_one_process(tmp_path, count, devices, mesh):
    more = ("defense=mat", "steps=40", "sgd=true", "lr=1e-4")
    wanted = alone(tmp_path / "one", count * devices, *more)
    folder, cache = tmp_path / "several", tmp_path / "cache"

    def begun() -> list:
        arguments = ["--config", TOY, "--workdir", folder, "--mesh", mesh, "--set", *SETTINGS]
        return start("mat_jax.train", [*arguments, *more], cache, count, devices)

    running = begun()
    reach(running, folder, 8)
    running[-1].kill()
    codes, said = ended(running)
    assert codes[:-1] == [1] * (count - 1), said
    assert "has not been heard of" in said[0] and "Traceback" not in said[0]
    codes, said = ended(begun())
    assert codes == [0] * count, "\n".join(said)
    assert "going on from step" in said[0]
    found = [line["loss"] for line in metrics(folder)]
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
    np.testing.assert_allclose(found, wanted, rtol=1e-3)
    assert (folder / "export" / "model.safetensors").exists()


@pytest.mark.slow
def test_what_one_process_cannot_do_ends_all_with_one_sentence(tmp_path):
    arguments = ["--config", TOY, "--workdir", tmp_path / "run", "--set", "steps=40"]
    cache, where = tmp_path / "cache", address()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "2"}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "mat_jax.train", *map(str, arguments), f"lr={lr}"]
            + ["--hosts", "2", "--coordinator", where, "--process", str(index)],
            env=environment | {"JAX_COMPILATION_CACHE_DIR": str(cache)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for index, lr in enumerate(("1e-3", "1e-2"))
    ]
    codes, said = ended(running)
    assert codes == [2, 2], said
    sentence = "the setting lr of process 1 and of process 0 differ (0.01 and 0.001)"
    assert said[1].startswith(f"error: {sentence}")
    assert said[0].startswith(f"error: process 1 ended: {sentence}")
    assert all(text.count("\n") == 0 for text in said)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.slow
def test_a_gallery_cut_over_processes_has_the_ranks_of_one(tmp_path):
    line = "--model scenes-clip --data scenes --limit 20 --batch-size 4 --steps 2 --checks 0"
    line += " --attacks pgd,bert_attack --mlm scenes-bert --suite quick"
    for name, count in (("one", 1), ("three", 3)):
        arguments = [*line.split(), "--out", tmp_path / name]
        if count == 1:
            done = subprocess.run(
                [sys.executable, "-m", "mat_jax.evaluate", *map(str, arguments)],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
            assert done.returncode == 0
        else:
            codes, said = ended(
                start("mat_jax.evaluate", arguments, tmp_path / "cache", count, 1), 400
            )
            assert codes == [0] * count, "\n".join(said)
    one, three = (np.load(tmp_path / name / "ranks.npz") for name in ("one", "three"))
    assert set(one.files) == set(three.files)
    for name in one.files:
        np.testing.assert_array_equal(one[name], three[name], err_msg=name)
    # Pictures of failures lie with the process that attacked them; the page has all of them.
    pages = ((tmp_path / name / "index.html").read_text() for name in ("one", "three"))
    alone, together = (re.findall(r'<image id="p\d+"[^>]*href="([^"]*)"', page) for page in pages)
    assert len(alone) > 20 and together == alone


MESHES = """
import json, shutil, sys
from pathlib import Path
from mat_jax.train import __main__ as command

folder, toy = Path(sys.argv[1]), sys.argv[2]

def went(name, mesh, steps):
    arguments = ["--config", toy, "--workdir", str(folder / name), "--mesh", mesh, "--resume",
                 "anyway", "--set", f"steps={steps}", "sgd=true", "lr=1e-3", "defense=mat",
                 "batch_size=16"]
    assert command.main(arguments) == 0
    return [json.loads(x)["loss"] for x in (folder / name / "metrics.jsonl").open()]

went("sixteen", "16", 1)
went("begun", "8", 3)
for mesh in sys.argv[3:]:
    shutil.copytree(folder / "begun", folder / mesh)
print(json.dumps({mesh: went(mesh, mesh, 5) for mesh in sys.argv[3:]}))
"""


@pytest.mark.slow
def test_a_run_of_eight_devices_goes_on_with_other_numbers_of_them(tmp_path):
    meshes = ["8", "4", "16", "data=4,fsdp=2"]
    done = subprocess.run(
        [sys.executable, "-c", MESHES, tmp_path, TOY, *meshes],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    losses = json.loads(done.stdout.splitlines()[-1])
    for mesh in meshes[1:]:
        np.testing.assert_allclose(losses[mesh][3], losses["8"][3], rtol=1e-5, err_msg=mesh)


def test_a_run_of_eight_devices_goes_on_with_four(tmp_path):
    more = ["sgd=true", "lr=1e-3", "batch_size=8"]

    def went(name: str, mesh: str, steps: int) -> list[float]:
        arguments = ["--config", TOY, "--workdir", tmp_path / name, "--mesh", mesh]
        arguments += ["--resume", "anyway", "--set", f"steps={steps}", *more]
        assert command.main([*map(str, arguments)]) == 0
        return [line["loss"] for line in metrics(tmp_path / name)]

    went("eight", "8", 2)
    shutil.copytree(tmp_path / "eight", tmp_path / "four")
    whole, fewer = went("eight", "8", 3), went("four", "data=2,fsdp=2", 3)
    assert whole[:2] == fewer[:2]
    np.testing.assert_allclose(fewer[2], whole[2], rtol=1e-5)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ("--process 1", "--coordinator and --process go with --hosts N"),
        ("--hosts two", "--hosts is a number of processes, or auto, got 'two'"),
        ("--hosts 2", "go together"),
        ("--hosts 2 --coordinator here --process 0", "--coordinator is HOST:PORT"),
        ("--hosts 2 --coordinator a:1 --process 2", "--process 2 is not one of 2: 0 to 1"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capsys, options, sentence):
    arguments = ["--config", str(TOY), "--workdir", str(tmp_path / "run"), *options.split()]
    assert command.main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error and error.count("\n") == 0


def test_a_laptop_is_one_process_and_asks_nobody(monkeypatch):
    from mat_jax.utils import processes

    for name in (*processes.LAUNCHERS, "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)
    called = []
    monkeypatch.setattr("jax.distributed.initialize", lambda **given: called.append(given))
    processes.begin(None)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")  # an interactive shell of a cluster
    monkeypatch.setenv("SLURM_NTASKS", "8")
    processes.begin(None)
    assert not called and processes.count() == 1 and processes.first()
