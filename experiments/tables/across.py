"""One table of several tasks: what pictures and texts crafted on one model leave of each.

python -m experiments.tables.across DIR DIR ...

Each DIR was written by `python -m mat_jax.evaluate --surrogate MODEL --task TASK --out DIR`.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mat_jax.evaluate.report.wording import title
from mat_jax.utils.command_line import Parser, answered


class Cell(NamedTuple):
    """What is left of a figure under an attack, in percent."""

    attack: str
    eps: float | None
    task: str
    model: str
    figure: str
    value: float


def across_tasks(folders: Sequence[Path]) -> str:
    """Attacks down, tasks and models across, as text: the first figures of each task in percent.

    Raises:
        ValueError: a folder without results, or with results of models that attack themselves.
    """
    cells = [cell for folder in folders for cell in _cells(folder)]
    columns = list(dict.fromkeys((c.task, c.model, c.figure) for c in cells))
    rows = list(dict.fromkeys((c.attack, c.eps) for c in cells))
    values = {(c.attack, c.eps, c.task, c.model, c.figure): c.value for c in cells}
    heads = [*zip(*columns, strict=True)]
    width = max(len(text) for row in heads for text in row) + 2
    lines = [" " * 22 + "".join(f"{text:>{width}}" for text in row) for row in heads]
    for attack, eps in rows:
        radius = "" if eps is None else f" {round(255 * eps, 2):g}/255"
        line = f"{title(attack) + radius:22}"
        for column in columns:
            value = values.get((attack, eps, *column))
            line += f"{'-' if value is None else f'{value:.1f}':>{width}}"
        lines.append(line)
    return "\n".join(lines)


def _cells(folder: Path) -> Iterable[Cell]:
    file = folder / "results.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"{str(folder)!r} has no results.json: give folders that mat_jax.evaluate wrote"
        ) from None
    for model in content["models"]:
        if model["protocol"]["crafted_on"] == "the model itself":
            continue  # a white box beside the transfers
        for row in model["rows"]:
            if row["attack"] == "worst_case":
                continue
            for name in _first(row["figures"]):
                value = row["figures"][name]["value"]
                yield Cell(
                    row["attack"],
                    row["protocol"].get("eps"),
                    content["task"],
                    model["model"],
                    name.removesuffix("@1"),
                    float(value),
                )


def _first(figures: dict[str, Any]) -> list[str]:
    """The figures that tables show: those at 1 that are no loss."""
    return [name for name in figures if name.endswith("@1") and "_" not in name]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; a mistake is one sentence and status 2."""
    line = Parser(prog="python -m experiments.tables.across", description=__doc__)
    line.add_argument("folders", type=Path, nargs="+", help="written by mat_jax.evaluate")
    return answered(
        lambda: across_tasks(line.parse_args(arguments).folders), stopped="nothing was written"
    )


if __name__ == "__main__":
    sys.exit(main())
