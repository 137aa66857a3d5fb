"""The page of `mat-jax report`: all runs in a table with links, then what stands side by side."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from mat_jax.cli.pages import MORE, sheet
from mat_jax.evaluate.report.wording import number, safe, title
from mat_jax.evaluate.results import Row, eps_text
from mat_jax.evaluate.saved import Saved


def overview(saved: Mapping[str, Saved], beside: Path, drawn: str) -> str:
    """One page: the table of all runs, and under it the report of those that are alike.

    Args:
        saved: the models by name.
        beside: the folder of the page, from which links start.
        drawn: a page of the report, or nothing.
    """
    table = "".join(_section(name, one, beside) for name, one in saved.items())
    links = f'<section><h2>The runs</h2><div class="scroll">{_table(table)}</div></section>'
    if drawn:
        start = drawn.index("<footer>")
        return drawn[:start].replace("</style>", f"{MORE}</style>") + links + drawn[start:]
    tasks = dict.fromkeys(one.result.task.title for one in saved.values())
    said = f"{len(saved)} models, measured in different ways"
    foot = "Every number with its protocol is in the results.json of its folder."
    return sheet(said, "; ".join(tasks), links, foot, kind="Several runs")


def _table(rows: str) -> str:
    return (
        "<table><thead><tr><th>model</th><th>task</th><th>data</th><th>attack</th><th>eps</th>"
        f"<th>figures</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _section(name: str, saved: Saved, beside: Path) -> str:
    """The rows of one model; the first cell links to its own page."""
    result = saved.result
    page = saved.folder / "index.html"
    called = safe(name)
    if page.is_file():
        where = quote(os.path.relpath(page, beside).replace(os.sep, "/"))
        called = f'<a href="{safe(where)}">{called}</a>'
    lines = []
    for n, row in enumerate(result.rows):
        # The model stands once, over all its rows.
        span = len(result.rows)
        first = f'<td rowspan="{span}" class="wrap">{called}</td>' if not n else ""
        if not n:
            data = safe(result.protocol.get("gallery", "-"))
            first += f'<td rowspan="{span}">{safe(result.task.name)}</td>'
            first += f'<td rowspan="{span}">{data}</td>'
        worst = ' class="worst"' if row.attack == "worst_case" else ""
        lines.append(
            f"<tr{worst}>{first}<td>{safe(title(row.attack))}</td><td>{eps_text(row.eps)}</td>"
            f"<td>{_figures(saved, row)}</td></tr>"
        )
    return "".join(lines)


def _figures(saved: Saved, row: Row) -> str:
    """`TR@1 94.3, IR@1 81.4`."""
    result = saved.result
    found = result.figures(row)
    return ", ".join(
        f"{safe(result.task.column(kind, k))} {number(found[f'{kind}@{k}']['value'])}"
        for kind, k in result.headline
        if f"{kind}@{k}" in found
    )
