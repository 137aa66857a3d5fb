"""What the measured rows say of each other; no model is needed any more."""

from collections.abc import Sequence
from dataclasses import replace

from mat_jax.attacks import ATTACKS
from mat_jax.evaluate.checks.sample import judged, open_question
from mat_jax.evaluate.flags import milder, row_name
from mat_jax.evaluate.ranks import Ranks, worst
from mat_jax.evaluate.results import Check, Row


def kept(rows: Sequence[Row]) -> Check:
    """The invariants (`mat_jax.evaluate.invariants`), which hold if the rows are there at all."""
    name = "inside the threat model"
    far = max((row.checks["largest_delta"] / row.eps for row in rows if row.eps), default=None)
    edited = [row for row in rows if row.checks.get("most_words_changed", 0)]
    typing = [name for name, attack in ATTACKS.items() if attack.characters]
    worded = [row for row in edited if row.attack not in typing]
    words = max((row.checks["most_words_changed"] for row in worded), default=0)
    parts = []
    if far is not None:
        parts.append(
            "Every attacked picture is finite, in [0, 1] and inside its ball (the farthest uses "
            f"{100 * far:.1f} % of eps)."
        )
    if words:
        parts.append(
            f"No caption has more than {words} changed word(s), and only words with candidates "
            "were changed."
        )
    if len(edited) > len(worded):
        parts.append(
            "A caption attacked by characters has one typing error, of those in its table."
        )
    if not parts:
        return open_question(name, "Nothing was changed.")
    return judged(name, True, " ".join(parts), farthest=far, words=words)


def together(rows: Sequence[Row]) -> Check:
    """Attacks on both sides do at least what the better of the one-sided does, query by query."""
    name = "both sides over one side"
    weak, seen, alone = [], 0, 0
    for row in rows:
        of = ATTACKS[row.attack]
        if not (of.on_images and of.on_text):
            continue
        parts = [other for other in rows[1:] if _one_sided(other) and other.eps in (None, row.eps)]
        if not parts:
            continue
        either = replace(row, ranks=worst([part.ranks for part in parts]))
        seen += 1
        alone += _spared(row.ranks, either.ranks)
        if milder(row, either):
            weak.append(row_name(row))
    if not seen:
        return open_question(name, "No attack on both sides was measured beside one on one side.")
    if weak:
        said = (
            f"{' and '.join(weak)} leaves more right than the attacks on one side together break: "
            "it should do all that they do."
        )
    else:
        said = (
            "Attacks on both sides do at least what those on one side do, query by query "
            f"({alone} exceptions, no more than chance)."
        )
    return judged(name, not weak, said, exceptions=alone, attacks=seen)


def no_square(rows: Sequence[Row]) -> Check:
    """Square, if measured, breaks next to nothing that the gradient does not (0.2 points)."""
    name = "no black box does better (gallery)"
    worst_share = -1.0
    for row in rows:
        others = [o.ranks for o in rows[1:] if o.eps == row.eps and o.eps and o.attack != "square"]
        if row.attack == "square" and others:
            shared = _spared(worst(others), row.ranks)
            worst_share = max(worst_share, shared / row.ranks.queries)
    if worst_share < 0:
        return open_question(name, "Square was not measured beside an attack with a gradient.")
    good = worst_share <= 0.002
    said = f"Square alone breaks {100 * worst_share:.1f} % of the queries"
    end = (
        "."
        if good
        else ": what needs no gradient does better. The gradient is masked, or the attacks that "
        "climb it climb something else than the rank; apgd climbs that."
    )
    return judged(name, good, said + end, share=worst_share)


def _one_sided(row: Row) -> bool:
    """On one side, and asking what joint attacks ask: not a rank in the gallery, nor letters."""
    of = ATTACKS[row.attack]
    return of.on_images != of.on_text and not (of.gallery or of.characters)


def _spared(mine: Ranks, theirs: Ranks) -> int:
    """Queries right at rank 1 in `mine` but not in `theirs`."""
    return sum(int(((mine[kind] <= 1) & (theirs[kind] > 1)).sum()) for kind in mine.kinds)
