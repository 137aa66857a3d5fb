"""Attacks crafted on some models and measured on others: the matrix of surrogates and targets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mat_jax.attacks import ThreatModel
from mat_jax.attacks.threat import Preset
from mat_jax.data import Corpus, SentenceEncoder
from mat_jax.evaluate.flags import milder
from mat_jax.evaluate.gallery import Bench, Victim
from mat_jax.evaluate.results import Matrix, Result, eps_text
from mat_jax.evaluate.runner import measured
from mat_jax.evaluate.tasks.retrieval import Ranks


def measure_transfer(
    surrogates: Mapping[str, Victim],
    targets: Mapping[str, Victim],
    *,
    threats: Sequence[ThreatModel],
    attacks: Sequence[str],
    preset: Preset = "strict",
    batch_size: int = 32,
    shortlist: int = 128,
    seed: int = 0,
    encoder: SentenceEncoder | None = None,
    protocol: Mapping[str, Any] | None = None,
    shown: int = 4,
    checks: int = 0,
    quiet: bool = False,
) -> Matrix:
    """Craft every attack once on each surrogate, and measure it on every target.

    A target sees the surrogate's pictures resized to its own size (bicubic), normalises them in its
    own way, and reads the captions as text with its own tokenizer. Pictures that an attack leaves
    alone it sees as it always does, so the clean row is its own and the same in every row of the
    matrix. Where the two are one model, that is the white-box measurement of `evaluate`.

    Args:
        surrogates: name -> model with its gallery, which has candidates if text is attacked.
        targets: name -> model with the same gallery as it reads it. A model that is in both has
            the same `Victim.model`.
        threats, attacks, preset, batch_size, shortlist, seed, encoder, protocol, shown, checks,
            quiet: see `evaluate.runner.evaluate`.

    Returns:
        surrogate -> target -> result.
    """
    matrix: dict[str, dict[str, Result]] = {}
    clean = None
    for name, surrogate in surrogates.items():
        bench = Bench(
            crafter=surrogate,
            targets=tuple(targets.values()),
            preset=preset,
            batch_size=batch_size,
            shortlist=shortlist,
            seed=seed,
            shown=shown,
            quiet=quiet,
            encoder=encoder,
        )
        found = measured(
            bench,
            tuple(targets),
            threats,
            attacks,
            protocol={**(protocol or {}), "surrogate": name},
            clean=clean,
            checks=checks,
        )
        clean = [result.clean for result in found]
        resized = _resized(bench, threats[0])
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
    differ = [not _same_pixels(bench.corpus, target.corpus) for target in bench.targets]
    if not any(differ):
        return [None for _ in bench.targets]
    found = bench.craft("none", threat, label="clean, resized", resized=True)
    return [
        bench.ranks(target, points.images, points.texts) if other else None
        for target, points, other in zip(bench.targets, found.points, differ, strict=True)
    ]


def _same_pixels(one: Corpus, other: Corpus) -> bool:
    """Whether two models see the same pictures; the first that differs says no."""
    return all(np.array_equal(one.image(i), other.image(i)) for i in range(len(one)))


def _on_size(result: Result, resized: Ranks | None) -> tuple[str, ...]:
    """How much of what a transfer takes away is owed to the surrogate's image size alone."""
    if resized is None:
        return ()
    tr, ir = (100 * resized.recall(d, 1) for d in ("tr", "ir"))
    own = [100 * result.clean.ranks.recall(d, 1) for d in ("tr", "ir")]
    return (
        f"Clean pictures that went through {result.protocol['surrogate']}'s image size have TR@1 "
        f"{tr:.1f} and IR@1 {ir:.1f}, its own {own[0]:.1f} and {own[1]:.1f}: so much of a transfer "
        "is owed to the size.",
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
