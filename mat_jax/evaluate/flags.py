"""What a reader of the numbers should know, in plain sentences."""

import math
from collections.abc import Sequence

from mat_jax.attacks import ATTACKS
from mat_jax.evaluate.results import Row, eps_text


def flags_and_notes(
    rows: Sequence[Row], cautions: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Flags (things that ask for care) and notes (things that were checked and hold).

    Args:
        rows: the measurements, the clean one first.
        cautions: what the task says of its examples.
    """
    flags, notes = list(cautions), []
    clean = rows[0]
    for row in rows[1:]:
        flags += _flags_of(row, clean)
    flags += _order(rows)
    if not any(row.checks.get("read_differently") for row in rows):
        notes.append(
            "Attacked captions were encoded again from their text; all of them are read as the "
            "attack put them together."
        )
    if not any(row.ranks.errors for row in rows):
        notes.append("Every score is a finite number.")
    return tuple(flags), tuple(notes)


def row_name(row: Row) -> str:
    """`sga at 2/255`."""
    return row.attack if row.eps is None else f"{row.attack} at {eps_text(row.eps)}"


def _mean(row: Row) -> float:
    return 100 * row.ranks.mean()


def _flags_of(row: Row, clean: Row) -> list[str]:
    """What is odd about one attack."""
    found = []
    if milder(row, clean):
        found.append(
            f"{row_name(row)} made the answers better than they are clean, so it says nothing of "
            "robustness: look at an attack on the answer itself."
        )
    differ, seen = row.checks.get("read_differently", 0), row.checks.get("captions_seen", 0)
    if differ:
        found.append(
            f"{row_name(row)}: {differ} of {seen} captions are tokenized otherwise from their text "
            "than the attack put them together; the text is what was measured."
        )
    closed = row.checks.get("captions_without_candidates", 0)
    if row.changed > 0 and closed:
        found.append(f"{row_name(row)}: {closed} of {seen} captions have no word that may change.")
    if row.eps and row.checks.get("images_moved") == 0:
        found.append(f"{row_name(row)} left every picture as it was: its gradient is zero.")
    if row.rounded is not None:
        gain = 100 * row.rounded.mean() - _mean(row)
        if gain > 2:
            found.append(
                f"{row_name(row)}: rounding the pictures to 8 bits gives {gain:.1f} points of R@1 "
                "back; part of the attack would not survive being saved as a file."
            )
    return found


def _order(rows: Sequence[Row]) -> list[str]:
    """Joint attacks that do less than their parts, and larger balls that do less than smaller."""
    found = []
    for row in rows:
        for other in rows:
            contains = ATTACKS[row.attack].contains if row.attack in ATTACKS else ()
            part = other.attack in contains and other.eps in (None, row.eps)
            if part and milder(row, other):
                found.append(
                    f"{row_name(row)} does less damage than {row_name(other)}, which it should "
                    "outdo."
                )
            same = other.attack == row.attack and row.eps and other.eps
            if same and (row.eps or 0) > (other.eps or 0) and milder(row, other):
                found.append(
                    f"{row_name(row)} does less damage than at {eps_text(other.eps)}: the gradient "
                    "may be masked."
                )
    return found


def milder(row: Row, other: Row) -> bool:
    """Whether a row leaves more right than another, by a point and beyond chance.

    McNemar's test on the queries on which the two differ, two standard errors.
    """
    more = fewer = 0
    for kind in row.ranks.kinds:
        mine, theirs = (one.ranks[kind] <= 1 for one in (row, other))
        more += int((mine & ~theirs).sum())
        fewer += int((theirs & ~mine).sum())
    return _mean(row) > _mean(other) + 1 and more - fewer > 2 * math.sqrt(more + fewer)
