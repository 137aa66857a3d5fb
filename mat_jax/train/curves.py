"""The curves of a run as one page, drawn from `metrics.jsonl` without any tracker."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from mat_jax.evaluate.report import plot
from mat_jax.evaluate.report.wording import safe
from mat_jax.evaluate.statistics import spread
from mat_jax.utils.files import write_text

FIRST = ("loss", "grad_norm", "lr", "images_per_second")
LEFT_OUT = ("step", "time")
MOST = 400  # points of a curve; of more, means of neighbours are drawn

STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}
main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem}
figure{margin:0}svg{max-width:100%;height:auto}@media(prefers-color-scheme:dark){body{background:#16181c;color:#eee}}
"""


def read_metrics(path: Path) -> list[dict[str, int | float | None]]:
    """The lines of `metrics.jsonl`, of which a last one may be cut in half."""
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "step" in line:
            found.append(line)
    return found


def write_curves(runs: Mapping[str, Path], page: Path) -> Path:
    """One chart a figure, one line a run, over the steps.

    Args:
        runs: name -> the run's folder, or its `metrics.jsonl`.
        page: the file that is written.

    Raises:
        OSError: a run has no metrics, or the page cannot be written.
        ValueError: no run has a line.
    """
    lines = {
        name: read_metrics(path / "metrics.jsonl" if path.is_dir() else path)
        for name, path in runs.items()
    }
    told = {name: None for own in lines.values() for line in own for name in line}
    figures = [name for name in (*FIRST, *(n for n in told if n not in FIRST)) if name in told]
    charts = [
        plot.lines(series, title=figure.replace("_", " "), x="step", unit=figure.replace("_", " "))
        for figure in figures
        if figure not in LEFT_OUT and any((series := _series(lines, figure)).values())
    ]
    if not charts:
        raise ValueError(f"no step was written yet in {', '.join(map(str, runs.values()))}")
    names = safe(", ".join(runs))
    write_text(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>Curves: {names}</title><style>{STYLE}</style><h1>Curves of {names}</h1>"
        f"<main>{''.join(f'<figure>{chart}</figure>' for chart in charts)}</main></html>\n",
    )
    return page


def _series(
    lines: Mapping[str, Sequence[Mapping[str, int | float | None]]], figure: str
) -> dict[str, list[plot.Point]]:
    """A figure of each run over the steps; what is no finite number is left out."""
    return {
        name: _points([(line["step"], line.get(figure)) for line in own])
        for name, own in lines.items()
    }


def _points(pairs: Sequence[tuple[int | float | None, int | float | None]]) -> list[plot.Point]:
    there = [(x, y) for x, y in pairs if x is not None and y is not None and math.isfinite(y)]
    size = math.ceil(len(there) / MOST) or 1
    parts = (there[first : first + size] for first in range(0, len(there), size))
    return [
        plot.Point(
            sum(x for x, _ in part) / len(part), spread([sum(y for _, y in part) / len(part)])
        )
        for part in parts
    ]
