"""Classes on the page: accuracy of each, and what images are taken for under attack."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from mat_jax.evaluate.report.table import Cell, Table, drawn
from mat_jax.evaluate.report.wording import featured, number, safe, title
from mat_jax.evaluate.results import Result, Row, eps_text

MOST = 20  # classes in the table, those that lose most
PAIRS = 10  # of classes that are confused most often


def confusions(results: Mapping[str, Result]) -> str:
    """For each model the classes that lose most, and what their images are taken for instead."""
    first = next(iter(results.values()))
    if first.answers is None:
        return ""
    row = featured(results)
    tables = "".join(_table(name, result, row) for name, result in results.items())
    threat = title(row.attack) + ("" if row.eps is None else f" at {eps_text(row.eps)}")
    figure = first.task.column(next(iter(first.kinds)), 1)
    return (
        f"<section><h2>Class by class</h2><p>{safe(figure)} of each class in "
        f"percent, clean and under {safe(threat)}, and the class that its pictures are most often "
        f"taken for then. At most {MOST} classes are shown, those that lose most.</p>"
        f'<div class="charts">{tables}</div>{_pairs(results, row, threat)}</section>'
    )


def _pairs(results: Mapping[str, Result], featured_row: Row, threat: str) -> str:
    """For each model the pairs of classes that are confused most often, clean and attacked."""
    tables = []
    for name, result in results.items():
        row = result.row(featured_row.attack, featured_row.eps)
        assert result.answers is not None
        names, labels = result.answers
        kind = next(iter(result.kinds))
        before, after = (
            confused(one.ranks.answers.get(kind), labels, names) for one in (result.clean, row)
        )
        pairs = most_confused(before, after)
        if pairs:
            table = Table(
                name=f"{name}: what is confused with what",
                heads=["truth", "taken for", "clean", "attacked"],
                lines=[
                    [Cell(text=own), Cell(text=other), _count(before, pair), _count(after, pair)]
                    for pair in pairs
                    for own, other in [pair]
                ],
            )
            tables.append(f"<figure><figcaption>{safe(name)}</figcaption>{drawn(table)}</figure>")
    if not tables:
        return ""
    return (
        f"<details open><summary>What is confused with what</summary><p>How often one is taken for "
        f"another, clean and under {safe(threat)}: at most {PAIRS} pairs, those that occur most "
        f'often in the two together.</p><div class="charts">{"".join(tables)}</div></details>'
    )


def _count(found: Mapping[tuple[str, str], int], pair: tuple[str, str]) -> Cell:
    count = found.get(pair, 0)
    return Cell(text=str(count), value=float(count))


def confused(
    answers: np.ndarray | None, labels: np.ndarray, names: Sequence[str]
) -> dict[tuple[str, str], int]:
    """How often each class is taken for each other one: (truth, answer) -> count.

    Args:
        answers: rows of `names`, or texts of the model's own; None where there are none.
        labels: the right row of each.
        names: of the classes.
    """
    if answers is None:
        return {}
    texts = [str(one) if answers.dtype.kind == "U" else names[int(one)] for one in answers]
    own = [names[int(one)] for one in labels]
    return dict(Counter(pair for pair in zip(own, texts, strict=True) if pair[0] != pair[1]))


def most_confused(
    before: Mapping[tuple[str, str], int], after: Mapping[tuple[str, str], int]
) -> list[tuple[str, str]]:
    """The pairs with the largest counts of both together, of equals the first by name."""
    total = Counter(before) + Counter(after)
    return sorted(total, key=lambda pair: (-total[pair], pair))[:PAIRS]


def _table(name: str, result: Result, featured_row: Row) -> str:
    row = result.row(featured_row.attack, featured_row.eps)
    assert result.answers is not None
    names, labels = result.answers
    clean, adv = (result.per_class.get(one.name, {}) for one in (result.clean, row))
    lost = {one: clean[one]["value"] - adv[one]["value"] for one in clean if one in adv}
    kind, lines = next(iter(result.kinds)), []
    for one in sorted(lost, key=lambda one: -lost[one])[:MOST]:
        instead = _instead(row.ranks.answers.get(kind), labels == names.index(one), names, one)
        figures = (Cell(text=number(x), value=x) for x in (clean[one]["value"], adv[one]["value"]))
        lines.append([Cell(text=one), *figures, Cell(text=instead)])
    table = Table(
        name=f"{name}: class by class",
        heads=["class", "clean", "attacked", "taken for"],
        lines=lines,
    )
    return f"<figure><figcaption>{safe(name)}</figcaption>{drawn(table)}</figure>"


def _instead(answers: np.ndarray | None, here: np.ndarray, names: tuple[str, ...], own: str) -> str:
    """The class that some images are most often taken for, other than their own."""
    if answers is None:
        return "–"
    if answers.dtype.kind == "U":  # the model's own words
        texts, counts = np.unique(answers[here], return_counts=True)
        counts = np.where(texts == own, 0, counts)
        return f"{texts[counts.argmax()]} ({counts.max()})" if counts.any() else "–"
    counts = np.bincount(answers[here], minlength=len(names))
    counts[names.index(own)] = 0
    return f"{names[int(counts.argmax())]} ({counts.max()})" if counts.max() else "–"
