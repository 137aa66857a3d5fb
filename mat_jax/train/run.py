"""A whole run: prepare the data, measure, train, export, measure again; `mat_jax.fit`."""

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from mat_jax import data, models
from mat_jax.evaluate import Result, compare, evaluate, format_cautions, format_table
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.train import loop
from mat_jax.train import mesh as meshes
from mat_jax.train.checkpoint import OtherModel
from mat_jax.train.costs import cost_line
from mat_jax.train.curves import write_curves
from mat_jax.train.experiment import Evaluation, Experiment
from mat_jax.train.folder import (
    as_text,
    changes_in,
    digest,
    facts_of,
    remove_run,
    require_room,
    unwritable,
    write_settings,
)
from mat_jax.train.placing import rows_here
from mat_jax.train.trackers import Given, Tracker, open_trackers, require_trackers
from mat_jax.types.protocols import (
    AnswersQuestions,
    Captions,
    JudgesPairs,
    SeesImages,
    SizedModel,
    Tokenizer,
)
from mat_jax.types.sources import Source
from mat_jax.utils import processes
from mat_jax.utils.files import writable, write_text
from mat_jax.utils.progress import duration

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
    trackers: Sequence[Given] = (),
    profile: int = 0,
) -> Any:
    """Run an experiment and return the trained model.

    Leaves in `workdir`: `settings.json`, `experiment.py` (if `config` names the file),
    `metrics.jsonl` and `curves.html`, `checkpoints/`, `export/` (the model in Hugging Face layout,
    with its tokenizer) and, with an evaluation, `report/`. Running the same again goes on where it
    stopped, with the same numbers, bit for bit on the same devices. Where another run is at work in
    `workdir`, this one waits for it.

    Args:
        experiment: what to run.
        workdir: the run's folder, made if need be.
        mesh: devices: a number, "data=4,fsdp=2", "auto" for all, or a `jax.sharding.Mesh`.
        resume: "auto" (or True) goes on with the run in `workdir` and refuses if its settings
            differ (all of them, `steps` too: learning-rate schedules hang on it); "anyway" goes on
            with the new settings; "never" (or False) removes that run and starts over, also
            one it has waited for.
        settings: the arguments `experiment` was made from, for `settings.json`.
        config: the experiment's file, to be copied.
        quiet: print nothing.
        trackers: what else gets the curves: "tensorboard", "wandb", "trackio", "mlflow", a function
            of (step, figures), or a `trackers.Tracker`.
        profile: steps whose trace is written into `workdir/profile`; 0 for none.

    Raises:
        ValueError: a setting that cannot be, a batch that does not divide over the mesh, a run or
            checkpoint of something else in `workdir`.
        OSError: `workdir` cannot be written, or its disk is full.
        loop.Stopped: on SIGTERM or SIGINT, after saving.
    """
    workdir = Path(workdir)
    quiet = quiet or not processes.first()
    policy: str = {True: "auto", False: "never"}.get(resume, resume)  # type: ignore[call-overload]
    devices = meshes.make(mesh)
    meshes.check_batch_size(devices, experiment.batch_size, experiment.micro_batch)
    source = experiment.data() if callable(experiment.data) else experiment.data
    facts = json.loads(
        json.dumps({**(settings or {}), **facts_of(experiment, source)}, default=as_text)
    )
    for name, value in facts.items():
        processes.require_same(f"the setting {name}", json.dumps(value))
    # All that may fail comes before anything is written.
    require_trackers(trackers)
    if profile < 0:
        raise ValueError(f"profile is {profile}: give the number of steps, or 0 for no trace")
    changes_in(workdir, policy, facts)
    writable(workdir)
    model, tokenizer = experiment.model.build(experiment.seed)
    experiment = _with_prompts(experiment, tokenizer)
    _check_kind(experiment, model)
    require_room(workdir, experiment, model)
    corpus = _corpus(experiment, source, model, tokenizer, quiet)
    if processes.count() > 1:
        processes.require_same("the captions", digest(*map("\n".join, corpus.texts)))
        processes.require_same("the initial weights", digest(*jax.tree.leaves(model)))
    batches = data.training_batches(
        corpus,
        batch_size=experiment.batch_size,
        seed=experiment.seed,
        captions=experiment.defense.texts,
        images=experiment.defense.images,
        rows=rows_here(devices, experiment.batch_size),
        skip_bad=experiment.on_bad_data == "skip",
        changes=experiment.defense.words,
    )
    with processes.together(workdir):
        changes = changes_in(workdir, policy, facts)  # another run may have begun there meanwhile
        processes.barrier()
        if policy == "never" and processes.first():
            remove_run(workdir)
        processes.barrier()
        if changes and not quiet:
            print(f"going on with other settings: {'; '.join(changes)}", file=sys.stderr)

        def measure(name: str, model: nnx.Module) -> Result:
            # A captioner reads no texts, and its task asks for none: see `_check_kind`.
            sized = cast(SizedModel, model)
            return _measure(experiment, name, sized, tokenizer, workdir, quiet)

        measured = {}
        if experiment.evaluation is not None:
            measured["before"] = measure("before", model)
        file = workdir / "settings.json"
        earlier = file.read_text() if file.exists() else None
        try:
            if processes.first():
                write_settings(workdir, policy, facts, config, quiet)
            processes.barrier()
            start = time.perf_counter()
            if not quiet:
                print(cost_line(experiment, corpus), file=sys.stderr)
            with _told(trackers, workdir, facts) as opened:
                trained = loop.train(
                    experiment,
                    model,
                    batches,
                    workdir,
                    devices,
                    quiet=quiet,
                    trackers=opened,
                    profile=profile,
                )
            # As a loaded model is: whole, and bound to no device of the mesh. The programs that
            # were compiled to measure it before then serve it as well.
            trained = jax.tree.map(jnp.array, jax.device_get(trained))
            took = duration(time.perf_counter() - start)
            if processes.first():
                models.save(trained, tokenizer, workdir / "export")
        except OtherModel:  # this run never began, so the folder is still the other one's
            if earlier is not None and processes.first():
                write_text(file, earlier)
            raise
        except OSError as error:
            if error.errno is None:  # one of our own, which says already what to do
                raise
            raise unwritable(workdir, error) from error
        if not quiet:
            files = "metrics.jsonl, curves.html and checkpoints beside it"
            print(
                f"the trained model is in {workdir / 'export'}, {files}; training took {took}",
                file=sys.stderr,
            )
        if experiment.evaluation is not None:
            measured["after"] = measure("after", trained)
            page = compare(measured, workdir / "report") if processes.first() else None
            if not quiet:
                cautions = format_cautions(measured)
                print(f"{cautions}report: {page}\n\n{format_table(measured)}")
        return trained


@contextlib.contextmanager
def _told(
    given: Sequence[Given], workdir: Path, settings: Mapping[str, Any]
) -> Iterator[Sequence[Tracker]]:
    """The trackers of a run; the first process has them, and draws the curves at the end."""
    if not processes.first():
        yield ()
        return
    with contextlib.ExitStack() as stack:
        stack.callback(_draw, workdir)
        opened = open_trackers(given, workdir, settings)
        for tracker in opened:
            stack.callback(tracker.close)
        yield opened


def _draw(workdir: Path) -> None:
    """The curves, where a step was written; a run that was finished before has them."""
    with contextlib.suppress(ValueError, OSError):
        write_curves({workdir.name: workdir}, workdir / "curves.html")


def _with_prompts(experiment: Experiment, tokenizer: Tokenizer) -> Experiment:
    """The experiment with the defence's class prompts as the model reads them, if it has some."""
    return dataclasses.replace(experiment, defense=experiment.defense.tokenized(tokenizer))


def _corpus(
    experiment: Experiment, source: Source, model: nnx.Module, tokenizer: Tokenizer, quiet: bool
) -> data.Corpus:
    """The training corpus, with substitution candidates where the defence attacks text."""
    defense = experiment.defense
    looks = defense.looks and defense.encodes
    if looks and isinstance(source, data.Texts):
        raise ValueError(
            f"{source.name!r} has captions without pictures, and {type(defense).__name__} looks at "
            "pictures: give a source that has them"
        )
    size, fit = 1, "crop"
    if isinstance(model, SeesImages):
        size, fit = model.config.image_size if looks else 1, model.pixels.fit
    # Partners of the data are for those who train from one to many, `defenses.MATPlus`.
    partners = experiment.defense.partners
    corpus = data.Corpus.prepare(source, tokenizer, image_size=size, fit=fit, partners=partners)
    substitutes = experiment.substitutes if experiment.defense.words else None
    experiment.defense.require_labels(corpus.labels, source.name)
    return data.attackable(corpus, substitutes, tokenizer, progress=not quiet)


def _measure(
    experiment: Experiment,
    name: str,
    model: SizedModel,
    tokenizer: Tokenizer,
    workdir: Path,
    quiet: bool,
) -> Result:
    """One model under the experiment's evaluation; what an earlier start finished is kept."""
    return evaluate(
        evaluation_of(experiment),
        model,
        tokenizer,
        name=name,
        progress=workdir / "report" / "progress" / name,
        quiet=quiet,
    )


def evaluation_of(experiment: Experiment) -> Evaluation:
    """The experiment's evaluation with nothing left open."""
    asked = experiment.evaluation
    assert asked is not None
    words = experiment.substitutes
    return dataclasses.replace(
        asked,
        mlm=asked.mlm or (words.mlm if isinstance(words, data.Substitutes) else None),
        batch_size=asked.batch_size or experiment.batch_size,
    )


def _check_kind(experiment: Experiment, model: nnx.Module) -> None:
    """Refuse a model that the defence or the evaluation cannot use."""
    given = experiment.model
    name = given.name if isinstance(given, models.Pretrained) else "the experiment's model"
    if experiment.evaluation is not None:
        task_named(experiment.evaluation.task).require(model, name)
    defense = experiment.defense
    if isinstance(model, Captions) and defense.captioners:
        return
    if isinstance(model, JudgesPairs | AnswersQuestions) and defense.judges:
        return
    if defense.encodes:
        models.require_encoders(model, name)
    elif experiment.evaluation is None:
        models.require_language_model(model, name)
