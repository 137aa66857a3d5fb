"""Evaluate a model: retrieval clean and under attack, with a report.

python -m mat_jax.evaluate --model scenes-clip --data scenes --limit 300 --eps 2/255,4/255 --out DIR
python -m mat_jax.evaluate --model runs/mat/export --data test.json --images flickr30k \\
    --mlm google-bert/bert-base-uncased --attacks none --suite standard --out DIR
python -m mat_jax.evaluate --surrogate scenes-clip,scenes-albef --model scenes-clip,scenes-albef \\
    --out DIR

Several models stand side by side. With surrogates, each attack is crafted once on each surrogate
and measured on every model: a matrix, white box where the two are the same; a surrogate may be an
ensemble, scenes-clip+scenes-albef. Then the attacks of
--suite run one after another, each on the images that still stand; its cost is printed first. The
last row is the worst case of each query over everything that was measured.

Writes DIR/results.json (every number with its protocol), DIR/ranks.npz (the rank of every query)
and DIR/index.html (one page with tables, pictures and neighbours). The table is printed last.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mat_jax import models
from mat_jax.attacks import ATTACKS
from mat_jax.attacks.ensembles import ENSEMBLES
from mat_jax.evaluate.comparison import compare
from mat_jax.evaluate.config import Evaluation, usual_attacks
from mat_jax.evaluate.forecast import forecast_line, forecast_table
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.invariants import Broken
from mat_jax.evaluate.options import PROG, command_line
from mat_jax.evaluate.plugins import with_plugins
from mat_jax.evaluate.protocol import check_request, require_attacks
from mat_jax.evaluate.results import Matrix
from mat_jax.evaluate.runner import evaluate, prepare
from mat_jax.evaluate.tables import format_cautions, format_matrix, format_table
from mat_jax.evaluate.tasks.base import Victim
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.evaluate.transfer import cells, columns, measure_transfer
from mat_jax.evaluate.writing import Writing
from mat_jax.models.ensemble import Joint
from mat_jax.types.protocols import FusesPairs
from mat_jax.types.sources import TellsForm
from mat_jax.utils import processes
from mat_jax.utils.cache import keep_programs
from mat_jax.utils.command_line import number
from mat_jax.utils.files import writable
from mat_jax.utils.progress import duration

LARGE = 1000  # examples from which on the cost is told before anything starts


def main(arguments: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """The command line. Returns the exit status; a mistake is one sentence and status 2."""
    try:
        rest = with_plugins(sys.argv[1:] if arguments is None else arguments)
        given = command_line(prog, __doc__).parse_args(rest)
        processes.begin(given.hosts, given.coordinator, given.process)
        said = _run(given, quiet=not processes.first())
        if processes.first():
            print(said)
    except (ValueError, OSError, MemoryError, Broken) as error:
        return processes.fail(f"error: {error}", 2)
    except KeyboardInterrupt as interrupt:
        where = f" {interrupt}" if str(interrupt) else ""
        return processes.fail(f"stopped{where}; the same command goes on where it was", 130)
    return processes.finish(0)


def _run(given: argparse.Namespace, *, quiet: bool) -> str:
    if given.forecast is not None and given.forecast < 0:
        raise ValueError(f"--forecast {given.forecast}: give 1 or more examples, or no number")
    if given.detections is not None and given.task != "grounding":
        raise ValueError(f"--detections says nothing to --task {given.task}: leave it out")
    if given.captions is not None and given.task != "entailment":
        raise ValueError(f"--captions says nothing to --task {given.task}: leave it out")
    if given.texts is not None and given.captions is None:
        raise ValueError("--texts is of sets with --captions: give both, or leave it out")
    if given.answers != "rank" and given.task != "vqa":
        raise ValueError(f"--answers says nothing to --task {given.task}: leave it out")
    out = Path(given.out) if given.forecast is not None else writable(Path(given.out))
    asked = usual_attacks(given.task) if given.attacks is None else _list(given.attacks)
    attacks = tuple(dict.fromkeys(("none", *asked)))
    evaluation = Evaluation(
        data=given.data,
        images=given.images,
        split=given.split,
        captions=given.captions,
        texts=Evaluation.texts if given.texts is None else given.texts,
        detections=given.detections,
        task=given.task,
        attacks=attacks,
        classes=given.classes,
        templates=given.templates,
        suite=_suite(given, attacks),
        eps=tuple(number("--eps", text) for text in _list(given.eps)),
        norm=given.norm,
        steps=given.steps,
        step_size=None if given.step_size is None else number("--step-size", given.step_size),
        words=given.words,
        candidates=given.candidates,
        mlm=given.mlm,
        constraint=given.constraint,
        similarity=given.similarity,
        encoder=given.encoder,
        preset=given.preset,
        limit=given.limit,
        shortlist=given.shortlist,
        batch_size=given.batch_size,
        seed=given.seed,
        checks=given.checks,
        stop_beyond=given.stop_beyond,
        answers=given.answers,
        writing=Writing(
            beams=given.beams,
            prompt=given.prompt,
            meteor=given.meteor,
            spice=given.spice,
        ),
    )
    require_attacks(evaluation.names, task_named(given.task))
    # Opened once: files are looked through before any model is loaded.
    source = task_named(given.task).source(evaluation)
    if isinstance(source, TellsForm) and not quiet:
        print(f"data: {source.name}, {source.form}, {len(source)} examples", file=sys.stderr)
    evaluation = replace(evaluation, data=source)
    targets, surrogates = _list(given.model), _list(given.surrogate or "")
    if surrogates and evaluation.suite is not None:
        raise ValueError(
            f"the suite {evaluation.suite!r} attacks what still stands of the model itself: leave "
            "out --suite, or --surrogate"
        )
    if surrogates and evaluation.stop_beyond is not None:
        raise ValueError(
            "what is lost on a surrogate need not be lost on the model: leave out --stop-beyond, "
            "or --surrogate"
        )
    for path in targets:
        if len(members(path)) > 1:
            raise ValueError(
                f"--model {path!r} is an ensemble, and attacks are measured on models: give it as "
                "--surrogate"
            )
    names = _names([*targets, *surrogates])
    attacked = surrogates or targets
    without = replace(evaluation, attacks=("none",))
    victims = {
        name: _victim(
            path,
            evaluation if path in attacked else without,
            dtype=given.dtype,
            joint=given.joint,
            measured=path in targets,
            quiet=quiet,
        )
        for path, name in names.items()
    }
    fusing = [name for name, victim in victims.items() if isinstance(victim.model, FusesPairs)]
    if fusing and evaluation.stop_beyond is not None:
        raise ValueError(
            f"{fusing[0]} reads image and text together, and attacks stop by the cosine: "
            "leave out --stop-beyond"
        )
    start = time.perf_counter()
    seen = [victims[names[path]] for path in targets]
    crafters = {names[path]: victims[names[path]] for path in surrogates or targets}
    benches = {
        name: Bench(
            evaluation=evaluation,
            task=task_named(evaluation.task),
            crafter=one,
            targets=tuple(seen if surrogates else [one]),
        )
        for name, one in crafters.items()
    }
    if given.forecast is not None:
        return "\n\n".join(
            f"{name}: {forecast_table(bench, given.forecast or None)}"
            for name, bench in benches.items()
        )
    for bench in benches.values():  # before a cost is told
        model, _, examples = bench.crafter
        check_request(evaluation.names, bench.task, model, examples, evaluation.threats)
    if not quiet:
        for name, bench in benches.items():
            large = len(source) >= LARGE
            told = forecast_table(bench) if large else forecast_line(bench)
            print(f"{name}: {told}", file=sys.stderr)
    found: Matrix | None = None
    progress = out / "progress"
    if surrogates:
        found = measure_transfer(
            evaluation,
            {names[path]: victims[names[path]] for path in surrogates},
            {names[path]: victims[names[path]] for path in targets},
            progress=progress,
            quiet=quiet,
        )
        results = columns(found)
    else:
        results = {
            name: evaluate(
                evaluation,
                victim.model,
                victim.tokenizer,
                name=name,
                victim=victim,
                progress=progress / str(number),
                quiet=quiet,
            )
            for number, (name, victim) in enumerate(victims.items())
        }
    path = compare(results, out, matrix=found) if processes.first() else out
    if not quiet:
        took = duration(time.perf_counter() - start)
        print(f"took {took}; {out} has index.html, results.json and ranks.npz", file=sys.stderr)
    every = results if found is None else cells(found)
    tables = format_table(results)
    if found is not None and len(every) > 1:
        tables = f"{tables}\n\n{format_matrix(found)}"
    return f"{format_cautions(every)}report: {path}\n\n{tables}"


def _suite(given: argparse.Namespace, attacks: Sequence[str]) -> str | None:
    """The suite asked for; the cheap one where words are attacked anyway, on the model itself.

    A task for which the cheap one has no attack gets none.
    """
    if given.suite is not None:
        return None if given.suite == "none" else given.suite
    words = any(name in ATTACKS and ATTACKS[name].on_text for name in attacks)
    task = task_named(given.task)
    made_for = any(task.allows(member.attack) for member in ENSEMBLES["quick"])
    return "quick" if words and made_for and not given.surrogate else None


def _names(given: Sequence[str]) -> dict[str, str]:
    """What models are called: the last part of their path, or all of it where two are alike.

    What a training wrote lies in `RUN/export`, and is called as the run.
    """
    paths = dict.fromkeys(given)
    short = ["+".join(_last(Path(one)) or one for one in members(path)) for path in paths]
    return {
        path: name if short.count(name) == 1 else path
        for path, name in zip(paths, short, strict=True)
    }


def _last(path: Path) -> str:
    return path.parent.name if path.name == "export" else path.name


def _victim(
    path: str,
    evaluation: Evaluation,
    *,
    dtype: str | None,
    joint: Joint,
    measured: bool,
    quiet: bool,
) -> Victim:
    """A model, or an ensemble of several, loaded, with its examples."""
    loaded = [models.load(one, dtype=dtype) for one in members(path)]
    for one, (model, _) in zip(members(path), loaded, strict=True):
        task_named(evaluation.task).require(model, one, measured=measured)
    if len(loaded) == 1:
        return prepare(evaluation, *loaded[0], quiet=quiet)
    return prepare(evaluation, *models.ensemble_of(loaded, joint=joint), quiet=quiet)


def members(path: str) -> list[str]:
    """The models of an ensemble `a+b`, or the one model of a path."""
    return [path] if Path(path).exists() else [one.strip() for one in path.split("+")]


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


if __name__ == "__main__":
    keep_programs()
    sys.exit(processes.run(main))
