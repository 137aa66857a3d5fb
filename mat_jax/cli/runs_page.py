"""The page of `mat-jax report`: all runs in a table with links, then what stands side by side."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from mat_jax.evaluate.report import draw_page
from mat_jax.evaluate.report.frame import sheet
from mat_jax.evaluate.report.table import Cell, Table, drawn
from mat_jax.evaluate.report.wording import number, safe, title
from mat_jax.evaluate.results import Row, eps_text
from mat_jax.evaluate.saved import Saved


def overview(saved: Mapping[str, Saved], beside: Path, *, apart: str | None = None) -> str:
    """One page: the report of runs that are alike, and a table of all of them with links.

    Args:
        saved: the models by name.
        beside: the folder of the page, from which links start.
        apart: why they cannot stand side by side; then the table stands alone.
    """
    lines = [line for name, one in saved.items() for line in _lines(name, one, beside)]
    table = Table(
        name="The runs",
        heads=["model", "task", "data", "attack", "eps", "figures"],
        lines=lines,
        wraps=True,
    )
    links = f"<section><h2>The runs</h2>{drawn(table)}</section>"
    if apart is None:
        return draw_page({name: one.result for name, one in saved.items()}, more=links)
    why = (
        f'<ul class="said"><li class="flag">{safe(apart)}. So their numbers do not stand side by '
        "side, and no difference of them is given.</li></ul>"
    )
    tasks = dict.fromkeys(one.result.task.title for one in saved.values())
    said = f"{len(saved)} models, measured in different ways"
    foot = "Every number with its protocol is in the results.json of its folder."
    return sheet(said, "; ".join(tasks), why + links, foot, kind="Several runs", script=True)


def _lines(name: str, saved: Saved, beside: Path) -> list[list[Cell]]:
    """The lines of one model; the first cell of each links to the model's own page."""
    result, page = saved.result, saved.folder / "index.html"
    link = quote(os.path.relpath(page, beside).replace(os.sep, "/")) if page.is_file() else ""
    return [
        [
            Cell(text=name, link=link),
            Cell(text=result.task.name),
            Cell(text=str(result.protocol.get("gallery", "-"))),
            Cell(text=title(row.attack)),
            Cell(text=eps_text(row.eps), value=math.nan if row.eps is None else row.eps),
            _figures(saved, row),
        ]
        for row in result.rows
    ]


def _figures(saved: Saved, row: Row) -> Cell:
    """`TR@1 94.3, IR@1 81.4`; sorted by the first of them."""
    result = saved.result
    found = result.figures(row)
    values = {
        result.task.column(kind, k): found[f"{kind}@{k}"]["value"]
        for kind, k in result.headline
        if f"{kind}@{k}" in found
    }
    text = ", ".join(f"{name} {number(value)}" for name, value in values.items())
    return Cell(text=text, sorts=next(iter(values.values()), math.nan))
