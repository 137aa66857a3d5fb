"""Attacks crafted on some models and measured on others: the matrix of surrogates and targets."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mat_jax.attacks import ThreatModel
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.fingerprint import store_of
from mat_jax.evaluate.flags import milder
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.results import Matrix, Result, eps_text
from mat_jax.evaluate.runner import encoder_of, measured
from mat_jax.evaluate.tasks.base import Examples, Task, Victim
from mat_jax.evaluate.tasks.registry import task_named


def measure_transfer(
    evaluation: Evaluation,
    surrogates: Mapping[str, Victim],
    targets: Mapping[str, Victim],
    *,
    task: Task | None = None,
    protocol: Mapping[str, Any] | None = None,
    progress: Path | None = None,
    quiet: bool = False,
) -> Matrix:
    """Craft every attack once on each surrogate, and measure it on every target.

    A target sees the surrogate's pictures resized to its own size (bicubic), normalises them in its
    own way, and reads the texts with its own tokenizer. Pictures that an attack leaves alone it
    sees as it always does, so the clean row is its own and the same in every row of the matrix.
    Where the two are one model, that is the white-box measurement of `evaluate`.

    Args:
        evaluation: what to measure.
        surrogates: name -> model with its examples (`prepare`), with candidates if text is
            attacked.
        targets: name -> model with the same examples as it reads them. A model that is in both has
            the same `Victim.model`.
        task: a task of one's own; None is the one that the evaluation names.
        protocol: further facts to be written beside every number.
        progress: see `evaluate`; each surrogate has a folder in it.
        quiet: no progress line.

    Returns:
        surrogate -> target -> result.
    """
    matrix: dict[str, dict[str, Result]] = {}
    clean = None
    encoder = encoder_of(evaluation)
    for number, (name, surrogate) in enumerate(surrogates.items()):
        store = None
        if progress is not None:
            folder = progress / f"from_{number}"
            store = store_of(folder, evaluation, surrogate, *targets.values())
        bench = Bench(
            evaluation=evaluation,
            task=task or task_named(evaluation.task),
            crafter=surrogate,
            targets=tuple(targets.values()),
            encoder=encoder,
            store=store,
            quiet=quiet,
        )
        facts = {**(protocol or {}), "surrogate": name}
        found = measured(bench, tuple(targets), protocol=facts, clean=clean)
        clean = [result.clean for result in found]
        resized = _resized(bench, evaluation.threats[0])
        matrix[name] = {
            result.model: replace(result, notes=(*result.notes, *_on_size(result, ranks)))
            for result, ranks in zip(found, resized, strict=True)
        }
    return _with_flags(matrix)


def cell(surrogate: str, target: str) -> str:
    """The name of one cell of a matrix: the target alone where the attack is a white box."""
    return target if surrogate == target else f"{target} from {surrogate}"


def cells(matrix: Matrix) -> dict[str, Result]:
    """All cells by name, as models side by side."""
    return {
        cell(surrogate, target): replace(result, model=cell(surrogate, target))
        for surrogate, own in matrix.items()
        for target, result in own.items()
    }


def columns(matrix: Matrix) -> dict[str, Result]:
    """The cells that stand for their targets: the white box, or the first surrogate's."""
    every = cells(matrix)
    first, own = next(iter(matrix.items()))
    names = [target if target in matrix else cell(first, target) for target in own]
    return {name: every[name] for name in names}


def _resized(bench: Bench, threat: ThreatModel) -> list[Ranks | None]:
    """Of each target, clean retrieval with the crafter's pictures at its size, if they differ."""
    differ = [not _same_pixels(bench.examples, target.examples) for target in bench.targets]
    if not any(differ):
        return [None for _ in bench.targets]
    found = bench.craft("none", threat, label="clean, resized", resized=True)
    return [
        bench.ranks(target, points) if other else None
        for target, points, other in zip(bench.targets, found.points, differ, strict=True)
    ]


def _same_pixels(one: Examples, other: Examples) -> bool:
    """Whether two models see the same pictures; the first that differs says no."""
    return all(np.array_equal(one.image(i), other.image(i)) for i in range(len(one)))


def _on_size(result: Result, resized: Ranks | None) -> tuple[str, ...]:
    """How much of what a transfer takes away is owed to the surrogate's image size alone."""
    if resized is None:
        return ()
    task = result.task
    own = result.clean.ranks
    told = [
        f"{task.column(kind, 1)} {100 * resized.recall(kind, 1):.1f} and not "
        f"{100 * own.recall(kind, 1):.1f}"
        for kind in own.kinds
    ]
    return (
        f"Clean pictures that went through {result.protocol['surrogate']}'s image size have "
        f"{', '.join(told)}: so much of a transfer is owed to the size.",
    )


def _with_flags(matrix: Matrix) -> Matrix:
    """A flag where an attack from elsewhere does more damage than the model's own."""
    flagged = {name: dict(own) for name, own in matrix.items()}
    for target, own in flagged.items():
        if target not in own:
            continue
        white, flags = own[target], []
        for surrogate, others in matrix.items():
            if surrogate == target:
                continue
            for mine, theirs in zip(white.rows, others[target].rows, strict=True):
                if mine.eps is not None and milder(mine, theirs):
                    flags.append(
                        f"{mine.attack} at {eps_text(mine.eps)} does more damage when crafted on "
                        f"{surrogate} than on the model itself: its gradient may be masked, or the "
                        "attack has too few steps."
                    )
        own[target] = replace(white, flags=(*white.flags, *flags))
    return flagged
