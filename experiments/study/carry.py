"""Carrying out a run: make its data, train, evaluate once, and keep what was found."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from experiments.study import captioned, grounded, saved
from experiments.study.plan import Run, shown
from mat_jax import evaluate, models
from mat_jax.augment.properties import properties_of
from mat_jax.evaluate.results import Result
from mat_jax.models.soup import average_models
from mat_jax.train import experiment as experiments
from mat_jax.train import folder
from mat_jax.train import run as runs
from mat_jax.utils.files import write_text

# Settings of the evaluation alone: a model need not be trained again for another.
MEASURING = ("limit", "split", "task", "trait")


def carry_out(run: Run, out: Path, results: Path, *, quiet: bool = False) -> Path:
    """Train and evaluate one run, or go on where it was stopped; returns the result's file.

    Leaves in `out/STUDY/NAME-SEED` the run's folder, as `mat_jax.train` makes it, with the
    evaluation (`report/`, or `report-NAME/` in another run's folder). The trainings of
    ingredients are in their own folders. What is there already is not done again: neither steps
    nor a finished evaluation.

    Raises:
        ValueError, OSError, ArithmeticError, Broken: as `fit` and `evaluate`.
        loop.Stopped: on SIGTERM or SIGINT, after saving.
    """
    workdir = out / run.workdir
    costs = [train(one, out, results, quiet=quiet) for one in run.trainings]
    experiment, _ = built(run)
    if costs:
        # As everybody else will load it.
        loaded = [models.load(out / one.workdir / "export") for one in run.trainings]
        model, tokenizer = loaded[0]
        if len(loaded) > 1:
            model = average_models([model for model, _ in loaded])
    else:
        model, tokenizer = experiment.model.build(experiment.seed)

    asked = runs.evaluation_of(experiment)
    start = time.perf_counter()
    measure, summary = _measures(run.task)
    own = run.training in (None, run.name)
    report = workdir / ("report" if own else f"report-{run.name}")
    progress = report / "progress"
    result = measure(asked, model, tokenizer, name=run.title, progress=progress, quiet=quiet)
    evaluate.compare({run.title: result}, report)
    found = summary(result)
    seconds = time.perf_counter() - start
    content = {
        "study": run.study,
        "name": run.name,
        "title": run.title,
        "seed": run.seed,
        "experiment": shown(run.config),
        "settings": run.bound(),
        "manifest": list(run.manifest),
        "ingredients": list(run.mixed),
        "trained": run.trained,
        "command": run.command,
        "commit": folder.commit(),
        "minutes": {
            "training": round(sum((one.pop("minutes") for one in costs), 0.0), 2),
            "evaluation": round(seconds / 60, 2),
        },
        **(costs[0] if len(costs) == 1 else {}),  # of several, minutes alone add up
        "machine": machine(),
        **found,
    }
    return saved.write(results, run, content)


def _measures(task: str) -> tuple[Callable[..., Result], Callable[[Result], dict[str, Any]]]:
    """How a task is measured, and what of that is kept."""
    match task:
        case "grounding":
            return grounded.ground, grounded.summary
        case "captioning":
            return captioned.caption, captioned.summary
        case "zero_shot":
            return evaluate.evaluate, saved.summary_of_classes
        case "entailment":
            return evaluate.evaluate, saved.summary_of_verdicts
        case "vqa":
            return evaluate.evaluate, saved.summary_of_questions
    return evaluate.evaluate, saved.summary


def built(run: Run) -> tuple[experiments.Experiment, dict[str, Any]]:
    """A run's experiment, and all its settings.

    Raises:
        ValueError: it has no evaluation.
    """
    function = experiments.load(run.config)
    settings = experiments.bind(function, (*run.settings, f"seed={run.seed}"))
    experiment = function(**settings)
    if experiment.evaluation is None:
        raise ValueError(f"{shown(run.config)} has no evaluation: a run of a study measures")
    return experiment, settings


def train(run: Run, out: Path, results: Path, *, quiet: bool = False) -> dict[str, float]:
    """Train a run, its data made first, unless that was done; returns what it took (`trained`)."""
    if run.manifest:
        make_data(run, results)
    experiment, settings = built(run)
    runs.fit(
        replace(experiment, evaluation=None),
        out / run.workdir,
        settings={name: value for name, value in settings.items() if name not in MEASURING},
        config=run.config,
        quiet=quiet,
    )
    return trained(out / run.workdir, experiment.batch_size)


def make_data(run: Run, results: Path) -> None:
    """Make the manifest of a run and measure its partners, unless that was done.

    Raises:
        ValueError: its program failed, or found the partners of another recipe in the folder; what
            it said stands above.
    """
    assert run.folder is not None
    # The program itself knows what is there already, and whether it is this.
    command = [sys.executable, "-m", "mat_jax.augment", *run.manifest, "--out", str(run.folder)]
    if subprocess.run(command, check=False).returncode:
        raise ValueError(f"could not make {run.folder}: {' '.join(command[1:])} failed")
    made = " ".join(run.manifest)
    if not saved.measured(results, run.folder.name, made):
        file = saved.measures_file(results, run.folder.name)
        found = {"made": made, **properties_of(run.folder)}
        write_text(file, json.dumps(found, indent=1) + "\n")


def trained(workdir: Path, batch_size: int) -> dict[str, float]:
    """Minutes of a training, compilation and all, and its images a second when under way.

    From `metrics.jsonl`, so that a training in several sittings counts what it computed.
    """
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    seconds, step, rates = 0.0, 0, []
    for line in lines:
        seconds += (line["step"] - step) * batch_size / max(line["images_per_second"], 1e-9)
        rates.append(line["images_per_second"])
        step = line["step"]
    rates = sorted(rates[1:] or rates)  # the first line's steps were compiled
    return {
        "minutes": seconds / 60,
        "images_per_second": rates[len(rates) // 2] if rates else 0.0,
        "final_loss": lines[-1]["loss"] if lines else float("nan"),
    }


def machine() -> dict[str, Any]:
    """On what it ran."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "python": platform.python_version(),
    }


def processor() -> str:
    """The processor's name, as Linux tells it, or what Python knows."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()
