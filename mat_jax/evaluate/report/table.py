"""A table of the page: one that a script can sort, with links to it as CSV and as LaTeX."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from mat_jax.evaluate.report.wording import safe

# What a spreadsheet would compute, if a text began with it.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        text: what is read.
        value: what is sorted by and stands in the CSV, where it is a number.
        sorts: what is sorted by, where the CSV has the text.
        small: a second line.
        bounds: of the interval, for the CSV.
        link: where the text leads to.
    """

    text: str
    value: float | None = None
    sorts: float | None = None
    small: str = ""
    bounds: tuple[float, float] | None = None
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells under heads; the first cell of a line names the line.

    Attributes:
        name: what it shows, told to who cannot see it, and of its files.
        heads: of the columns.
        lines: of cells, each as long as the heads.
        groups: names over the columns after the first, each with how many it stands over.
        strong: numbers of the lines to be seen first.
        wraps: whether texts may take several lines.
    """

    name: str
    heads: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    groups: Sequence[tuple[str, int]] = ()
    strong: frozenset[int] = frozenset()
    wraps: bool = False

    @property
    def file(self) -> str:
        """A name for files, whatever signs the table's own has."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60] or "table"

    @property
    def columns(self) -> list[str]:
        """The heads with the names over them, as a file without a second line needs them."""
        over = [""] + [name for name, width in self.groups for _ in range(width)]
        over += [""] * (len(self.heads) - len(over))
        return [f"{one} {head}".strip() for one, head in zip(over, self.heads, strict=True)]


def drawn(table: Table) -> str:
    """The table as HTML, in a region that can be scrolled, with its links."""
    starts, place = set(), 1
    for _, width in table.groups:
        starts.add(place)
        place += width
    groups = ""
    if table.groups:
        names = "".join(
            f'<th class="model start" scope="colgroup" colspan="{width}"><i class="s{j % 4}"></i>'
            f"{safe(name)}</th>"
            for j, (name, width) in enumerate(table.groups)
        )
        groups = f"<tr><td></td>{names}</tr>"
    heads = "".join(
        f'<th scope="col"{_start(j in starts)}>{safe(head)}</th>'
        for j, head in enumerate(table.heads)
    )
    body = "".join(
        ('<tr class="worst">' if n in table.strong else "<tr>")
        + "".join(_cell(cell, first=j == 0, start=j in starts) for j, cell in enumerate(line))
        + "</tr>"
        for n, line in enumerate(table.lines)
    )
    kind = ' class="wraps"' if table.wraps else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{safe(table.name)}">'
        f"<table{kind} data-sorts><caption>{safe(table.name)}</caption><thead>{groups}"
        f"<tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{links(table)}"
    )


def links(table: Table) -> str:
    """The table as two files that lie in the page itself."""
    named = safe(table.name)
    forms = (("CSV", "csv", "text/csv", as_csv), ("LaTeX", "tex", "application/x-tex", as_latex))
    return (
        '<p class="files">'
        + " ".join(
            f'<a download="{table.file}.{end}" '
            f'href="data:{kind};charset=utf-8,{quote(form(table))}" '
            f'aria-label="{label} of the table: {named}">{label}</a>'
            for label, end, kind, form in forms
        )
        + "</p>"
    )


def as_csv(table: Table) -> str:
    """Lines of the table with all digits, and the bounds of intervals in columns of their own.

    A text that a spreadsheet would compute gets a `'` before it.
    """
    bounded = [any(line[j].bounds for line in table.lines) for j in range(len(table.heads))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads: list[str] = []
    for name, both in zip(table.columns, bounded, strict=True):
        heads += [name, f"{name} low", f"{name} high"] if both else [name]
    writer.writerow(map(_harmless, heads))
    for line in table.lines:
        row: list[str] = []
        for cell, both in zip(line, bounded, strict=True):
            row.append(_harmless(cell.text) if cell.value is None else _digits(cell.value))
            if both:
                row += ["", ""] if cell.bounds is None else map(_digits, cell.bounds)
        writer.writerow(row)
    return out.getvalue()


def as_latex(table: Table) -> str:
    """A `tabular` in the style of booktabs; second lines stand small behind the first."""
    end = r" \\"
    lines = [
        f"% {' '.join(table.name.split())}. Needs the package booktabs.",
        r"\begin{tabular}{l" + "r" * (len(table.heads) - 1) + "}",
        r"\toprule",
    ]
    if table.groups:
        over = [rf"\multicolumn{{{width}}}{{c}}{{{latex(name)}}}" for name, width in table.groups]
        lines.append(" & ".join(["", *over]) + end)
    lines += [" & ".join(map(latex, table.heads)) + end, r"\midrule"]
    for n, line in enumerate(table.lines):
        cells = [
            latex(cell.text) + (rf" {{\scriptsize {latex(cell.small)}}}" if cell.small else "")
            for cell in line
        ]
        if n in table.strong:
            cells = [rf"\textbf{{{cell}}}" for cell in cells]
        lines.append(" & ".join(cells) + end)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def latex(text: str) -> str:
    """Text for LaTeX, whatever signs it holds, on one line."""
    return "".join(LATEX.get(sign, sign) for sign in " ".join(text.split()))


def _cell(cell: Cell, *, first: bool, start: bool) -> str:
    text = safe(cell.text)
    if cell.link:
        text = f'<a href="{safe(cell.link)}">{text}</a>'
    if cell.small:
        text += f"<small>{safe(cell.small)}</small>"
    key = cell.sorts if cell.value is None else cell.value
    value = "" if key is None else f' data-value="{_digits(key)}"'
    if first:
        return f'<th scope="row"{value}>{text}</th>'
    return f"<td{_start(start)}{value}>{text}</td>"


def _start(first_of_group: bool) -> str:
    return ' class="start"' if first_of_group else ""


def _digits(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text
