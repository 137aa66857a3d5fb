"""Attack a model over all examples of a task, and measure what is left: one function, any task."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from mat_jax import models
from mat_jax.attacks import ATTACKS, ThreatModel
from mat_jax.attacks.ensembles import require_suite
from mat_jax.data import SentenceEncoder
from mat_jax.evaluate.checks import after, before
from mat_jax.evaluate.checks.preconditions import computes_in
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.fingerprint import store_of
from mat_jax.evaluate.flags import flags_and_notes
from mat_jax.evaluate.forecast import suite_table
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.protocol import check_request, require_attacks, versions
from mat_jax.evaluate.results import Check, Result, Row, eps_text
from mat_jax.evaluate.row_files import WorstCases, load_rows, save_rows
from mat_jax.evaluate.tasks.base import Task, Victim
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.evaluate.views import clean_overlays
from mat_jax.evaluate.worst_case import members_for, with_row, worst_of, worst_of_suite
from mat_jax.types.protocols import FusesPairs, SizedModel, Tokenizer


def prepare(
    evaluation: Evaluation,
    model: SizedModel,
    tokenizer: Tokenizer,
    *,
    task: Task | None = None,
    quiet: bool = False,
) -> Victim:
    """The examples of an evaluation as one model reads them, with candidates if words change."""
    task = task or task_named(evaluation.task)
    return task.prepare(evaluation, task.source(evaluation), model, tokenizer, quiet=quiet)


def evaluate(
    evaluation: Evaluation,
    model: SizedModel,
    tokenizer: Tokenizer,
    *,
    name: str = "model",
    task: Task | None = None,
    victim: Victim | None = None,
    surrogate: Victim | None = None,
    protocol: Mapping[str, Any] | None = None,
    progress: Path | None = None,
    quiet: bool = False,
) -> Result:
    """Measure a task clean and under attacks, over all examples.

    For each attack, every example with all its texts is attacked, and then all sides are
    adversarial: in retrieval attacked images and attacked captions are queries and gallery.
    Attacked texts go as text through the tokenizer and are encoded from scratch, so that nothing
    of the attack's own computation is believed.

    The last row of each eps is the worst case: the largest rank of each query in any row of that
    eps, and with a suite in what its members leave of it (`attacks.ensembles`).

    Args:
        evaluation: what to measure.
        model, tokenizer: whom.
        name: of the model in tables.
        task: a task of one's own; None is the one that the evaluation names.
        victim: from `prepare`, to be used again.
        surrogate: craft on this model instead, and transfer: images are resized to the model's
            size where it differs, texts are read by the model's tokenizer.
        protocol: further facts to be written beside every number.
        progress: folder in which finished work is kept, so that a stopped evaluation goes on; None
            keeps nothing.
        quiet: no progress line.

    Raises:
        ValueError: an unknown attack, or a text attack without candidates; a suite on a surrogate;
            stopping where a rank among clean others does not say that a query is lost.
        Broken: what `evaluate.checks` cannot go on with, an attacked image outside its ball or the
            unit cube, a text over its budget of words, or anything that is not a finite number.
    """
    task = task or task_named(evaluation.task)
    require_attacks(evaluation.names, task)
    if victim is None:
        task.require(model, name)
        victim = prepare(evaluation, model, tokenizer, task=task, quiet=quiet)
    bench = Bench(
        evaluation=evaluation,
        task=task,
        crafter=surrogate or victim,
        targets=(victim,),
        encoder=encoder_of(evaluation),
        store=None if progress is None else store_of(progress, evaluation, surrogate, victim),
        quiet=quiet,
    )
    return measured(bench, (name,), protocol=protocol or {})[0]


def encoder_of(evaluation: Evaluation) -> SentenceEncoder | None:
    """The text model that judges how alike texts are, if one is named."""
    if evaluation.encoder is None:
        return None
    return SentenceEncoder(*models.load(str(evaluation.encoder)))


def measured(
    bench: Bench,
    names: Sequence[str],
    *,
    protocol: Mapping[str, Any],
    clean: Sequence[Row] | None = None,
) -> list[Result]:
    """What each target of a bench withstands; attacks are crafted once for all of them.

    Args:
        bench: who attacks whom.
        names: of the targets, in tables.
        protocol: further facts to be written beside every number.
        clean: the targets' clean rows, if they are known.
    """
    evaluation, suite, threats = bench.evaluation, bench.evaluation.suite, bench.evaluation.threats
    looked = _looked(bench)
    worst_cases = WorstCases(bench.store)
    rows: list[list[Row]] = [[] for _ in names]
    for number, attack in enumerate(evaluation.names):
        if attack == "none" and clean is not None:
            rows = [[row] for row in clean]
            continue
        # Without an image attack eps says nothing, and one measurement serves every table.
        for threat in threats if ATTACKS[attack].on_images else threats[:1]:
            with _counted(number, len(evaluation.names)):
                measured_here = _attacked(bench, attack, threat, worst_cases)
            for own, row in zip(rows, measured_here, strict=True):
                own.append(row)
    found = []
    for target, name, own in zip(bench.targets, names, rows, strict=True):
        last = []
        radii = {row.eps for row in own} - {None}
        for threat in threats:
            at = [row for row in own if row.eps in (None, threat.eps)]
            if suite is not None:
                last.append(_worst(bench, suite, threat, at, worst_cases))
            elif len(at) > 1 and (threat.eps in radii or threat is threats[0]):
                last.append(worst_of(at, threat, bench.owner))
        # A worst case that only repeats rows says nothing of its own.
        cautions = bench.task.cautions(target)
        flags, notes = flags_and_notes([*own, *last] if suite else own, cautions)
        said = ((*flags, *_shallow(bench)), notes)
        checked = (
            *(looked if target is bench.targets[0] else ()),
            *after(own, last if suite else ()),
        )
        found.append(_result(bench, target, name, [*own, *last], said, checked, protocol))
    worst_cases.close()
    bench.shelf.remove()
    return found


@contextmanager
def _counted(done: int, total: int) -> Iterator[None]:
    """Inside, an interruption says how many attacks are left."""
    try:
        yield
    except KeyboardInterrupt as stop:
        where = f"{stop}, and {done} of {total} attacks done before".lstrip(", ")
        raise KeyboardInterrupt(where) from None


def _looked(bench: Bench) -> tuple[Check, ...]:
    """The checks before anything is measured, and what cannot be asked refused."""
    evaluation, suite, threats = bench.evaluation, bench.evaluation.suite, bench.evaluation.threats
    model, wanted = bench.crafter.model, list(evaluation.names)
    if suite is not None:
        require_suite(suite)
        if [target.model for target in bench.targets] != [model]:
            raise ValueError(
                f"the suite {suite!r} attacks what still stands of the model itself: leave out "
                "--suite, or --surrogate"
            )
        wanted += [one.attack for one in members_for(bench, suite, evaluation.norm)]
    check_request(wanted, bench.task, model, bench.examples, threats)
    if evaluation.stop_beyond is not None:
        require_stopping(bench)
    if suite is not None and not bench.quiet:
        print(suite_table(bench, suite, threats[0]), file=sys.stderr)
    saved = None if bench.store is None else bench.store.load_row("checks")
    if saved is not None:
        return tuple(Check(**one) for one in saved.facts["checks"])
    first = bench.targets[0]
    looked = before(
        bench.crafter,
        threats=threats,
        attacks=wanted,
        target=None if first.model is model else first,
        count=evaluation.checks,
        seed=evaluation.seed,
        quiet=bench.quiet,
    )
    if bench.store is not None:
        bench.store.save_row("checks", {}, {"checks": [vars(check) for check in looked]})
    return looked


def _attacked(bench: Bench, attack: str, threat: ThreatModel, worst_cases: WorstCases) -> list[Row]:
    """The row of one attack for each target, from the store if it was finished before.

    With a suite, the points are merged into the worst case of each eps that they count for. What
    is merged twice changes nothing, so the worst case is saved first and the row after it.
    """
    on_images = ATTACKS[attack].on_images
    threats = bench.evaluation.threats if bench.evaluation.suite else ()
    counts_for = [one.eps for one in threats if not on_images or one.eps == threat.eps]
    label = bench.label(attack, threat)
    name = f"rows/{label}"
    rows = load_rows(bench.store, name, len(bench.targets))
    if rows is not None and all(name in worst_cases.at(eps)[1] for eps in counts_for):
        return rows
    measured = bench.measure(attack, threat)
    for eps in counts_for:
        ((row, points),) = measured  # a suite has one target
        state, merged = worst_cases.at(eps)
        worst_cases.put(eps, with_row(state, row, points, bench.owner), [*merged, name])
    rows = [row for row, _ in measured]
    if bench.store is not None:
        save_rows(bench.store, name, rows)
        bench.store.remove(label)
    if bench.evaluation.suite is None:  # a suite's worst case still wants the pictures
        bench.shelf.remove(label)
    return rows


def _worst(
    bench: Bench, suite: str, threat: ThreatModel, at: Sequence[Row], worst_cases: WorstCases
) -> Row:
    """The worst case of a suite at one eps, from the store if it was finished before."""
    name = f"rows/worst_{suite}_{eps_text(threat.eps)}".replace("/255", "-255")
    rows = load_rows(bench.store, name, 1)
    if rows is not None:
        return rows[0]
    state, _ = worst_cases.at(threat.eps)
    assert state is not None
    row = worst_of_suite(bench, suite, threat, at, state)
    if bench.store is not None:
        save_rows(bench.store, name, [row])
    return row


def require_stopping(bench: Bench) -> None:
    """Refuse to stop early where being lost in the clean gallery says too little."""
    why, beyond = None, bench.evaluation.stop_beyond
    if bench.evaluation.preset == "official":
        why = "preset 'official' takes every step of the released programs"
    elif [target.model for target in bench.targets] != [bench.crafter.model]:
        why = "what is lost on a surrogate need not be lost on the model"
    elif isinstance(bench.crafter.model, FusesPairs):
        why = "this model reads image and text together, and attacks stop by the cosine"
    if why:
        raise ValueError(f"stop_beyond={beyond} cannot be used: {why}; leave it out")


def _shallow(bench: Bench) -> tuple[str, ...]:
    """A flag where images were left too early for the deepest R@k."""
    deepest, beyond = max(bench.task.depths), bench.evaluation.stop_beyond
    if beyond is None or beyond >= 2 * deepest:
        return ()
    return (
        f"Images were left with {beyond} clean others before the right answer: R@k is "
        f"as attacked for k well below that, and R@{deepest} of such attacks is not given.",
    )


def _result(
    bench: Bench,
    target: Victim,
    name: str,
    rows: Sequence[Row],
    said: tuple[tuple[str, ...], tuple[str, ...]],
    checks: tuple[Check, ...],
    protocol: Mapping[str, Any],
) -> Result:
    """All rows of one target, with what they share."""
    examples, evaluation, task = target.examples, bench.evaluation, bench.task
    near = (row.sights.pictures for row in rows if row.sights is not None)
    seen = {int(i) for pictures in near if pictures is not None for i in pictures.ravel()}
    seen |= _failing(rows) if bench.places else set()
    ranks = [row.ranks for row in rows] if bench.places else []
    beyond = {"stop_beyond": evaluation.stop_beyond} if evaluation.stop_beyond else {}
    white_box = target.model is bench.crafter.model
    return Result(
        model=name,
        task=task,
        protocol={
            "model": name,
            "task": task.name,
            "gallery": examples.name,
            "images": len(examples),
            **task.protocol(target, evaluation),
            "crafted_on": "the model itself" if white_box else "a surrogate",
            "preset": evaluation.preset,
            "dtype": computes_in(target.model),
            "interval": "95 %, over images",
            "batch_size": bench.batch_size,
            **beyond,
            "seed": evaluation.seed,
            "device": jax.devices()[0].device_kind,
            "versions": versions(),
            **evaluation.facts,
            **protocol,
        },
        rows=tuple(rows),
        text_owner=examples.text_owner,
        flags=said[0],
        notes=said[1],
        checks=checks,
        shown=tuple(bench.places),
        thumbnails={i: examples.image(i) for i in sorted(seen | set(bench.places))},
        overlays=clean_overlays(task, target, ranks, batch_size=bench.batch_size),
        per_class={row.name: task.per_class(target, row.ranks) for row in rows},
        scores={row.name: task.scores(target, row.ranks, evaluation) for row in rows},
        answers=task.answers(target),
    )


def _failing(rows: Sequence[Row]) -> set[int]:
    """The images that the report shows as failures, and those that are found instead."""
    found = {place for row in rows for place in failing(row.ranks)}
    for row in rows:
        if row.sights is not None and row.sights.failed_pictures is not None:
            found |= {int(i) for i in row.sights.failed_pictures}
    return found
