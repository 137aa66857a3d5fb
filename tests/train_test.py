"""The command line: what it makes, and what it refuses, each in one sentence."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import models, train

TOY = str(Path(__file__).parent / "toy_experiment.py")


def command(workdir, *more):
    return train.main(["--config", TOY, "--workdir", str(workdir), "--mesh", "1", *more])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    assert command(workdir, "--steps", "3", "--set", "lr=1e-2") == 0
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
    assert command(finished, "--steps", "3", "--set", "lr=1e-2") == 0
    assert (finished / "metrics.jsonl").read_bytes() == before


def test_other_settings_in_the_same_folder_are_refused(finished, capsys):
    assert command(finished, "--steps", "3", "--set", "lr=1e-3") == 2
    error = capsys.readouterr().err
    assert "lr was 0.01 and is now 0.001" in error
    assert "--resume never" in error


def test_a_checkpoint_of_another_model_is_refused(finished, capsys):
    arguments = ("--steps", "3", "--set", "lr=1e-2", "width=48", "--resume", "anyway")
    saved = (finished / "settings.json").read_bytes()
    assert command(finished, *arguments) == 2
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
    assert command(tmp_path / "run", *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error
    assert error.count("\n") == 0
    assert error.startswith("error: ")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_disk_too_small_is_said_before_anything_is_trained(tmp_path, capsys, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 0))
    assert command(tmp_path / "run") == 2
    assert "MB free and the run needs about" in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_help_prints_the_docstring_and_the_settings(capsys):
    assert train.main(["--help", "--config", TOY]) == 0
    text = capsys.readouterr().out
    assert "two blocks of colour" in text and "--mesh" in text
    assert "eps: float = 8/255" in text


def test_no_config_is_the_quickstart():
    assert train.quickstart().name == "quickstart.py"
