"""The command line: what it makes, and what it refuses, each in one sentence."""

import json
import shutil
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from mat_jax import Experiment, LoRA, defenses, models
from mat_jax.train import __main__ as command
from mat_jax.train import folder, optimizers, quickstart
from mat_jax.utils import processes

TOY = str(Path(__file__).parents[1] / "toy_experiment.py")


def started(workdir, *more):
    return command.main(["--config", TOY, "--workdir", str(workdir), "--mesh", "1", *more])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    assert started(workdir, "--steps", "3", "--set", "lr=1e-2") == 0
    return workdir


def test_a_run_leaves_its_files(finished):
    settings = json.loads((finished / "settings.json").read_text())
    assert settings["settings"]["lr"] == 1e-2
    assert settings["settings"]["steps"] == 3
    assert settings["versions"]["jax"]
    assert (finished / "experiment.py").read_text() == Path(TOY).read_text()
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert {"loss", "lr", "images_per_second", "time"} <= set(lines[0])


def test_the_export_loads(finished):
    model, tokenizer = models.load(finished / "export")
    tokens = jax.tree.map(jnp.asarray, tokenizer(["red beside blue"]))
    assert np.isfinite(model.encode_text(tokens).embed).all()


def test_a_finished_run_is_not_trained_again(finished, capsys):
    before = (finished / "metrics.jsonl").read_bytes()
    assert started(finished, "--steps", "3", "--set", "lr=1e-2") == 0
    assert (finished / "metrics.jsonl").read_bytes() == before


def test_other_settings_in_the_same_folder_are_refused(finished, capsys):
    assert started(finished, "--steps", "3", "--set", "lr=1e-3") == 2
    error = capsys.readouterr().err
    assert "lr was 0.01 and is now 0.001" in error
    assert "--resume never" in error


def test_a_checkpoint_of_another_model_is_refused(finished, capsys):
    arguments = ("--steps", "3", "--set", "lr=1e-2", "width=48", "--resume", "anyway")
    saved = (finished / "settings.json").read_bytes()
    assert started(finished, *arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "is of another model" in error
    assert "float32[" in error and "--workdir" in error
    assert (finished / "settings.json").read_bytes() == saved


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--set", "stepz=3"], "did you mean 'steps'?"),
        (["--set", "eps=9", "defense=mat"], "outside [0, 1]"),
        (["--steps", "12.5"], "steps must be a whole number"),
        (["--steps", "0"], "steps is 0"),
        (["--mesh", "nine"], "--mesh does not understand 'nine'"),
        (["--mesh", "99"], "--mesh wants 99 devices"),
        (["--mesh", "8", "--set", "batch_size=12"], "batch_size 12 does not divide over 8"),
        (["--set", "batch_size=500"], "batch_size=500"),
        (["--config", "nowhere.py"], "there is no experiment file nowhere.py"),
        (["--resume", "sometimes"], "sometimes"),
        (["--stepz", "3"], "--stepz"),
        (["--workdir", "/dev/null/run"], "cannot write in /dev/null/run"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(tmp_path, capsys, arguments, sentence):
    assert started(tmp_path / "run", *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error
    assert error.count("\n") == 0
    assert error.startswith("error: ")
    assert not (tmp_path / "run").exists()


def test_a_run_that_began_meanwhile_is_not_overrun(finished, tmp_path, capsys, monkeypatch):
    """Two start at once in a new folder; the later one waits, and finds the other's run there."""

    @contextmanager
    def waited(folder):
        shutil.copytree(finished, folder)
        yield

    monkeypatch.setattr(processes, "alone", waited)
    before = (finished / "metrics.jsonl").read_bytes()
    assert started(tmp_path / "run", "--steps", "3", "--set", "lr=1e-3") == 2
    assert "lr was 0.01 and is now 0.001" in capsys.readouterr().err
    assert (tmp_path / "run/metrics.jsonl").read_bytes() == before


def test_another_optimizer_s_checkpoint_is_refused(finished, capsys):
    arguments = ("--steps", "3", "--set", "lr=1e-2", "sgd=true", "--resume", "anyway")
    assert started(finished, *arguments) == 2
    assert "was made by another optimizer" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("policy", ["auto", "never"])
def test_a_start_that_fails_changes_nothing(finished, capsys, policy):
    before = {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    arguments = ("--steps", "3", "--set", "lr=1e-2", "width=33", "--resume", policy)
    assert started(finished, *arguments) == 2
    assert {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()} == before


BROKEN = """
import optax
from pathlib import Path
from mat_jax import Experiment, data, defenses
from tests.toy_experiment import Tiny

def experiment(fault: str = "") -> Experiment:
    folder = Path(__file__).parent
    return Experiment(
        model=Tiny(), data=data.retrieval_json(folder / f"{fault}.json", images=folder),
        defense=defenses.FineTune(), optimizer=optax.sgd(1e-3), steps=2, batch_size=4,
    )
"""


@pytest.mark.parametrize(
    "fault, sentence",
    [
        ("unreadable", "cut.png"),
        ("missing_image", "gone.png"),
        ("empty_caption", "caption"),
        ("no_such_file", "no annotation file"),
    ],
)
def test_broken_data_is_one_sentence(tmp_path, capsys, fault, sentence):
    image = Image.new("RGB", (16, 16))
    rows = []
    for i in range(4):
        image.save(tmp_path / f"{i}.png")
        rows.append({"image": f"{i}.png", "caption": ["red beside blue"]})
    image.save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:40])
    changes = {
        "unreadable": {"image": "cut.png"},
        "missing_image": {"image": "gone.png"},
        "empty_caption": {"caption": [" "]},
    }
    if fault in changes:
        rows[2] |= changes[fault]
        (tmp_path / f"{fault}.json").write_text(json.dumps(rows))
    config = tmp_path / "broken.py"
    config.write_text(BROKEN)
    arguments = ["--config", str(config), "--set", f"fault={fault}", "--mesh", "1"]
    assert command.main([*arguments, "--workdir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and sentence in error
    assert not (tmp_path / "run" / "export").exists()


def test_a_disk_too_small_is_said_before_anything_is_trained(tmp_path, capsys, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 0))
    assert started(tmp_path / "run") == 2
    assert "MB free and the run needs about" in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("optimizer", "lora", "copies"),
    [
        (optax.sgd(0.1), None, 1.0),
        (optax.adamw(0.1), None, 3.0),  # weights and two moments
        (optimizers.averaged(optax.adamw(0.1)), None, 4.0),
        # An adapter is a tenth of its matrix, which stays in the checkpoint, without moments.
        (optax.adamw(0.1), LoRA(rank=50), 1.0 + 3 * 0.1),
    ],
)
def test_the_room_of_a_checkpoint_is_that_of_its_state(
    tmp_path, monkeypatch, optimizer, lora, copies
):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 0))
    asked = Experiment(
        model=None,
        data=None,
        defense=defenses.FineTune(),
        optimizer=optimizer,
        steps=1,
        batch_size=1,
        lora=lora,
        keep=2,
    )
    model: Any = {"q": {"kernel": jnp.zeros((1000, 1000))}}  # 4 MB
    need = 4 * (copies * 3 + 1)  # one is written while two are kept; and the export
    with pytest.raises(OSError, match=f"needs about {need:.0f} MB"):
        folder.require_room(tmp_path, asked, model)


def test_help_prints_the_docstring_and_the_settings(capsys):
    assert command.main(["--help", "--config", TOY]) == 0
    text = capsys.readouterr().out
    assert "two blocks of colour" in text and "--mesh" in text
    assert "eps: float = 8/255" in text


def test_no_config_is_the_quickstart():
    assert quickstart().name == "quickstart.py"
