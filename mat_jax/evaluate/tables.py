"""Results as plain text, for the end of a run in a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mat_jax.evaluate.results import Matrix, Result, Row, eps_text
from mat_jax.evaluate.statistics import difference

NAME = 40  # letters of a model's name that a column of the table has room for


def format_table(results: Mapping[str, Result], eps: float | None = None) -> str:
    """A plain table for the terminal: attacks down, models across, one table for each eps.

    TR and IR are R@1 in percent, `lost` the share of the clean R@1 that is gone (TR/IR).
    """
    first = next(iter(results.values()))
    radii = (eps,) if eps is not None else (first.radii or (None,))
    return "\n\n".join(_one_table(results, radius) for radius in radii)


def _one_table(results: Mapping[str, Result], eps: float | None) -> str:
    first = next(iter(results.values()))
    columns = first.headline
    labels = [first.task.column(kind, k) for kind, k in columns]
    widths = [max(7, len(label) + 2) for label in labels]
    shown = max(map(len, results)) + 2
    cell = max(sum(widths) + 9, min(shown, NAME))
    widths[0] += cell - sum(widths) - 9
    heads = "".join(f"{label:>{width}}" for label, width in zip(labels, widths, strict=True))
    names = [name if len(name) < cell else name[: cell - 5] + "..." for name in results]
    side = max(14, *(len(row.attack) + 1 for row in first.at(eps)))
    lines = [
        headline_protocol(first, eps),
        " " * side + "".join(f"{name:>{cell}}" for name in names),
        f"{'attack':{side}}" + (heads + f"{'lost':>9}") * len(results),
    ]
    named = [f"{kind}@{k}" for kind, k in columns]
    widest = 0.0
    for row in first.at(eps):
        line = f"{row.attack:{side}}"
        for result in results.values():
            numbers = result.figures(result.row(row.attack, eps))
            line += "".join(
                f"{percent(numbers[name]['value']):>{width}}"
                for name, width in zip(named, widths, strict=True)
            )
            nothing = {"value": float("nan")}
            lost = [numbers.get(f"{kind}_lost@1", nothing)["value"] for kind in first.kinds]
            parts = "/".join("-" if np.isnan(x) else f"{x:.0f}" for x in lost)
            line += f"{'-' if np.isnan(lost).all() else parts:>9}"
            widest = max(widest, *((numbers[n]["high"] - numbers[n]["low"]) / 2 for n in named))
        lines.append(line)
    lines.append(
        f"in percent, 95 % intervals at most +-{widest:.1f} points; lost: % of clean "
        f"{'/'.join(first.task.column(kind, 1) for kind in first.kinds)}"
    )
    return "\n".join([*lines, *_worst_apart(results, eps)])


def _worst_apart(results: Mapping[str, Result], eps: float | None) -> list[str]:
    """What each further model has right more than the first in the worst case."""
    worst = {name: result.worst(eps) for name, result in results.items()}
    (first, base), *others = worst.items()
    if base is None:
        return []
    return [
        f"worst case, {name} beside {first}: {difference(row.ranks, base.ranks)}"
        for name, row in others
        if row is not None
    ]


def percent(value: float) -> str:
    """One decimal; `-` for what was not measured, as R@10 by a suite that was after R@1."""
    return "-" if np.isnan(value) else f"{value:.1f}"


def headline_protocol(result: Result, eps: float | None) -> str:
    """The threat in one line: what a reader must know before the first number."""
    common = result.protocol
    threat = {k: v for row in result.at(eps) for k, v in row.protocol.items() if v is not None}
    parts = [f"{common['gallery']}: {first_facts(common)}"]
    if eps is not None:
        told = _steps(result.at(eps))
        parts.append(f"{threat.get('norm')} eps={eps_text(eps)}{', ' if told else ''}{told}")
    if threat.get("words"):
        parts.append(f"{threat['words']} word(s) of {threat.get('candidates')} candidates")
    if threat.get("characters"):
        parts.append(f"1 character at {threat.get('positions')} positions")
    if threat.get("constraint", "none") != "none":
        parts.append(f"{threat['constraint']} text")
    if threat.get("suite"):
        parts.append(f"suite {threat['suite']}")
    return "; ".join(parts)


def first_facts(common: Mapping[str, Any]) -> str:
    """How much was measured: `250 images, 1250 captions`, or `1000 images, 10 classes`."""
    of = [f"{common[name]} {name}" for name in ("images", "captions", "classes") if name in common]
    return ", ".join(of)


def _steps(rows: Sequence[Row]) -> str:
    """What most rows took, and those that took something else: `10 steps (fgsm: 1 step)`."""
    taken = {
        row.attack: f"{count} {unit if count != 1 else unit[:-1]}"
        for row in rows
        for unit in ("steps", "proposals")
        if (count := row.protocol.get(unit)) is not None
    }
    if not taken:
        return ""
    ((usual, _),) = Counter(taken.values()).most_common(1)
    others = [f"{attack}: {told}" for attack, told in taken.items() if told != usual]
    return f"{usual} ({', '.join(others)})" if others else usual


def format_cautions(results: Mapping[str, Result]) -> str:
    """Every sentence that asks for care, a line each; of several models, whose it is."""
    return "".join(
        f"note: {f'{name}: ' if len(results) > 1 else ''}{caution}\n"
        for name, result in results.items()
        for caution in result.cautions
    )


def format_matrix(matrix: Matrix) -> str:
    """Transfers as plain tables, one for each eps and metric: targets across, surrogates down.

    R@1 in percent; a star marks a white box, crafted on the model it is measured on.
    """
    own = next(iter(matrix.values()))
    first = next(iter(own.values()))
    width = max(14, *(len(name) + 3 for name in own))
    side = max(12, *(len(name) for name in matrix)) + 1
    tables = []
    for eps in first.radii or (None,):
        for direction in first.kinds:
            lines = [
                f"{first.task.column(direction, 1)} in percent"
                f"{'' if eps is None else ', eps=' + eps_text(eps)}"
                "; crafted on (down), measured on (across), * white box",
                f"{'attack':17}{'crafted on':{side}}" + "".join(f"{name:>{width}}" for name in own),
            ]
            for row in first.at(eps):
                # Without attack there is nothing to craft: a model's clean row is one.
                rows = matrix.items() if row.attack != "none" else [("", own)]
                for n, (surrogate, results) in enumerate(rows):
                    line = f"{'' if n else row.attack:17}{surrogate:{side}}"
                    for target, result in results.items():
                        value = 100 * result.row(row.attack, eps).ranks.recall(direction, 1)
                        line += f"{value:{width - 1}.1f}{'*' if surrogate == target else ' '}"
                    lines.append(line.rstrip())
            tables.append("\n".join(lines))
    return "\n\n".join(tables)
