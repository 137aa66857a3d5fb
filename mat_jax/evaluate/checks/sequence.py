"""All checks of an evaluation, in order: those before it, and those of what it measured."""

from collections.abc import Sequence
from dataclasses import replace

from mat_jax.attacks import ATTACKS, ThreatModel
from mat_jax.evaluate.checks.adaptive import check_adversary, white_box
from mat_jax.evaluate.checks.gradients import differences, scale, vanishing
from mat_jax.evaluate.checks.planted import check_planted, known_answer
from mat_jax.evaluate.checks.preconditions import check_preconditions
from mat_jax.evaluate.checks.ranking import check_ranking
from mat_jax.evaluate.checks.rows import kept, no_square, together
from mat_jax.evaluate.checks.sample import Sample, open_question
from mat_jax.evaluate.checks.strength import (
    Trials,
    black_box,
    converged,
    order,
    radius,
    repeated,
    rising,
)
from mat_jax.evaluate.results import Check, Row
from mat_jax.evaluate.tasks.base import Victim
from mat_jax.types.protocols import Captions
from mat_jax.utils.progress import Progress


def before(
    victim: Victim,
    *,
    threats: Sequence[ThreatModel],
    attacks: Sequence[str],
    target: Victim | None = None,
    count: int = 16,
    seed: int = 0,
    quiet: bool = False,
) -> tuple[Check, ...]:
    """The checks that need the model, on a few images of the gallery and the smallest radius.

    Args:
        victim: whose gradients the attacks use, and the examples as it reads them.
        threats: what the adversary may do.
        attacks: names of those that will run.
        target: what is measured, if the attacks are made on another model.
        count: how many images; 0 for no such checks.
        seed: of all randomness.
        quiet: no progress line.

    Raises:
        Broken: a model or a gallery on which no number would mean anything.
    """
    if not count:
        return ()
    if isinstance(victim.model, Captions):
        why = "These checks compare images with texts, and a captioner compares nothing."
        return (open_question("strength of the image attack", why),)
    threat = min(threats, key=lambda one: one.eps or 1e9)  # the least that is any
    sample = Sample.of(victim, threat, count, seed)
    progress = Progress("checks", len(sample), quiet=quiet)
    progress.show(0)
    found = [*check_preconditions(sample, victim.examples.tokens), check_ranking(sample)]
    writes = target is not None and isinstance(target.model, Captions)
    if target is not None and not writes:
        other = Sample.of(target, threat, count, seed)
        found += [
            replace(check, name=f"{check.name} (target)")
            for check in check_preconditions(other, target.examples.tokens)
        ]
    moved = any(ATTACKS[name].on_images for name in attacks)
    if not moved or not threat.eps or not threat.steps:
        why = "No attack moves pictures." if not moved else "The attack has no room to move."
        found.append(open_question("strength of the image attack", why))
    elif sample.right.all(axis=1).any():
        why = "A gallery of one picture has no caption that could be taken for its own."
        found.append(open_question("strength of the image attack", why))
    else:
        found += of_the_attack(sample)
    if not writes:
        found.append(check_adversary((target or victim).model, attacks))
    found += [white_box(target is not None)]
    progress.show(len(sample))
    return tuple(found)


def of_the_attack(sample: Sample) -> list[Check]:
    """Gradients, strength, and tests of the attack itself."""
    trials = Trials(sample)
    return [
        vanishing(sample),
        differences(sample),
        scale(sample),
        repeated(trials),
        rising(trials),
        order(trials),
        radius(trials),
        converged(trials),
        black_box(trials),
        check_planted(sample),
        known_answer(sample),
    ]


def after(rows: Sequence[Row], worst_cases: Sequence[Row] = ()) -> tuple[Check, ...]:
    """The checks of what was measured, the clean row first, and of the worst cases of a suite."""
    return kept([*rows, *worst_cases]), together(rows), no_square(rows)
