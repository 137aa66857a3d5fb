"""A whole run: prepare the data, measure, train, export, measure again; `mat_jax.fit`."""

import dataclasses
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import jax
from jax.sharding import Mesh

from mat_jax import data, loop, models
from mat_jax import mesh as meshes
from mat_jax.checkpoint import OtherModel
from mat_jax.experiment import Experiment, differences
from mat_jax.metrics import write_text

PACKAGES = ("mat-jax", "jax", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
Resume = Literal["auto", "never", "anyway"]


def fit(
    experiment: Experiment,
    workdir: str | Path = "runs/experiment",
    *,
    mesh: str | int | Mesh = "auto",
    resume: Resume | bool = "auto",
    settings: Mapping[str, Any] | None = None,
    config: str | Path | None = None,
    quiet: bool = False,
) -> Any:
    """Run an experiment and return the trained model.

    Leaves in `workdir`: `settings.json`, `experiment.py` (if `config` names the file),
    `metrics.jsonl`, `checkpoints/`, `export/` (the model in Hugging Face layout, with its
    tokenizer) and, with an evaluation, `report/`. Running the same again goes on where it stopped,
    with the same numbers, bit for bit on the same devices.

    Args:
        experiment: what to run.
        workdir: the run's folder, made if need be.
        mesh: devices: a number, "data=4,model=2", "auto" for all, or a `jax.sharding.Mesh`.
        resume: "auto" (or True) goes on with the run in `workdir` and refuses if its settings
            differ (all of them, `steps` too: learning-rate schedules hang on it); "anyway" goes on
            with the new settings; "never" (or False) removes that run and starts over.
        settings: the arguments `experiment` was made from, for `settings.json`.
        config: the experiment's file, to be copied.
        quiet: print nothing.

    Raises:
        ValueError: a setting that cannot be, a batch that does not divide over the mesh, a run or
            checkpoint of something else in `workdir`.
        OSError: `workdir` cannot be written, or its disk is full.
        loop.Stopped: on SIGTERM or SIGINT, after saving.
    """
    workdir = Path(workdir)
    policy: str = {True: "auto", False: "never"}.get(resume, resume)  # type: ignore[call-overload]
    devices = meshes.make(mesh)
    meshes.check_batch_size(devices, experiment.batch_size)
    source = experiment.data() if callable(experiment.data) else experiment.data
    file = workdir / "settings.json"
    before = file.read_text() if file.exists() else None
    _enter(workdir, policy, {**(settings or {}), **_facts(experiment, source)}, config, quiet)
    model, tokenizer = experiment.model.build(experiment.seed)
    _check_room(workdir, model, experiment.keep)
    corpus = _corpus(experiment, source, model, tokenizer, quiet)
    batches = data.pipeline(corpus, batch_size=experiment.batch_size, seed=experiment.seed)
    measured = {}
    fresh = not (workdir / "checkpoints").exists()
    if experiment.evaluation is not None and fresh:
        measured["before"] = _measure(experiment, "before", model, tokenizer, quiet)
    try:
        trained = loop.train(experiment, model, batches, workdir, devices, quiet=quiet)
        # One device holds the result: what follows (export, evaluation) needs no mesh.
        trained = jax.device_put(trained, devices.devices.flat[0])
        models.save(trained, tokenizer, workdir / "export")
    except OSError as error:
        raise unwritable(workdir, error) from error
    except OtherModel:  # this run never began, so the folder is still the other one's
        if before is not None:
            write_text(file, before)
        raise
    if not quiet:
        print(f"the trained model is in {workdir / 'export'}", file=sys.stderr)
    if experiment.evaluation is not None:
        _report(experiment, measured, model, trained, tokenizer, workdir, quiet)
    return trained


def _corpus(
    experiment: Experiment, source: Any, model: Any, tokenizer: Any, quiet: bool
) -> data.Corpus:
    """The training corpus, with substitution candidates where the defence attacks text."""
    size = getattr(model.config, "image_size", 1)  # a language model sees no picture
    corpus = data.Corpus.prepare(source, tokenizer, image_size=size)
    if not experiment.defense.words:
        return corpus
    root = Path(os.environ.get("MAT_JAX_CACHE") or Path.home() / ".cache" / "mat_jax")
    table = experiment.substitutes.build(
        corpus, tokenizer, cache=root / "candidates", progress=not quiet
    )
    return corpus.with_words(table)


def _measure(experiment: Experiment, name: str, model: Any, tokenizer: Any, quiet: bool) -> Any:
    """One model under the experiment's evaluation."""
    from mat_jax import evaluate

    asked = experiment.evaluation
    assert asked is not None
    return evaluate.measure(
        dataclasses.replace(
            asked,
            substitutes=asked.substitutes or experiment.substitutes,
            batch_size=asked.batch_size or experiment.batch_size,
        ),
        model,
        tokenizer,
        name=name,
        quiet=quiet,
    )


def _report(
    experiment: Experiment,
    measured: dict[str, Any],
    model: Any,
    trained: Any,
    tokenizer: Any,
    workdir: Path,
    quiet: bool,
) -> None:
    """Measure what has not been measured, write the report, and print the table last."""
    from mat_jax import evaluate

    if "before" not in measured:
        measured["before"] = _measure(experiment, "before", model, tokenizer, quiet)
    measured["after"] = _measure(experiment, "after", trained, tokenizer, quiet)
    page = evaluate.compare(measured, workdir / "report")
    if not quiet:
        print(f"report: {page}\n\n{evaluate.format_table(measured)}")


def _enter(
    workdir: Path, policy: str, settings: dict[str, Any], config: str | Path | None, quiet: bool
) -> None:
    """Make or check the run's folder, and write down what runs in it."""
    if policy not in ("auto", "never", "anyway"):
        raise ValueError(f"--resume is auto, never or anyway, got {policy!r}")
    file = workdir / "settings.json"
    settings = json.loads(json.dumps(settings, default=_text))
    try:
        if policy == "never":
            for name in ("checkpoints", "export", "report"):
                shutil.rmtree(workdir / name, ignore_errors=True)
            (workdir / "metrics.jsonl").unlink(missing_ok=True)
        elif file.exists():
            changes = differences(json.loads(file.read_text())["settings"], settings)
            if changes and policy == "auto":
                raise ValueError(
                    f"the run in {workdir} has other settings: {'; '.join(changes)}. Use another "
                    "--workdir, or --resume never to start over, or --resume anyway to go on"
                )
            if changes and not quiet:
                print(f"going on with other settings: {'; '.join(changes)}", file=sys.stderr)
        workdir.mkdir(parents=True, exist_ok=True)
        versions = {name: _version(name) for name in PACKAGES}
        facts = {"settings": settings, "versions": versions, "commit": _commit()}
        write_text(file, json.dumps(facts, indent=2) + "\n")
        if config is not None:
            copy = workdir / "experiment.py"
            text = Path(config).read_text(encoding="utf-8")
            if copy.exists() and copy.read_text() != text and policy == "auto" and not quiet:
                print(f"note: {config} was edited since this run began", file=sys.stderr)
            write_text(copy, text)
    except OSError as error:
        raise unwritable(workdir, error) from error


def unwritable(workdir: Path, error: OSError) -> OSError:
    """The same error in a sentence that says what to do."""
    if error.errno == errno.ENOSPC:
        text = f"the disk of {workdir} is full: free some space and run the same command again"
    else:
        text = f"cannot write in {workdir} ({error.strerror}): give a --workdir you may write to"
    return OSError(text)


def _check_room(workdir: Path, model: Any, keep: int) -> None:
    """Refuse to begin what the disk cannot hold: checkpoints hold weights and two Adam moments."""
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(model))
    need, free = weights * (3 * (keep + 1) + 1), shutil.disk_usage(workdir).free
    if free < need:
        raise OSError(
            f"the disk of {workdir} has {free / 1e6:.0f} MB free and the run needs about "
            f"{need / 1e6:.0f} MB for checkpoints and export: free some space, or give another "
            "--workdir"
        )


def _facts(experiment: Experiment, source: Any) -> dict[str, Any]:
    """What of an experiment can be told from its objects, and decides its numbers."""
    return {
        "model": _text(experiment.model),
        "data": f"{getattr(source, 'name', type(source).__name__)} ({len(source)} images)",
        "defense": _text(experiment.defense),
        "substitutes": _text(experiment.substitutes),
        "steps": experiment.steps,
        "batch_size": experiment.batch_size,
        "seed": experiment.seed,
    }


def _text(thing: Any) -> Any:
    if dataclasses.is_dataclass(thing) or isinstance(thing, Path | tuple):
        return re.sub(r" at 0x[0-9a-f]+", "", str(thing))  # an address is no setting
    return thing if thing is None or isinstance(thing, str) else type(thing).__name__


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
