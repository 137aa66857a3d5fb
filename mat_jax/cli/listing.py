"""What is listed: tables for the terminal, and the first sentence of a docstring."""

import inspect
import re
import textwrap
from collections.abc import Callable, Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, width: int = 100) -> str:
    """Columns as wide as their cells; the last is wrapped to `width`."""
    widths = [max(len(row[n]) for row in (heads, *rows)) for n in range(len(heads) - 1)]
    indent = sum(widths) + 2 * len(widths)
    lines = []
    for row in (heads, *rows):
        start = "".join(f"{cell:{size}}  " for cell, size in zip(row[:-1], widths, strict=True))
        parts = textwrap.wrap(row[-1], max(width - indent, 24)) or [""]
        lines += [start + parts[0], *(" " * indent + part for part in parts[1:])]
    return "\n".join(line.rstrip() for line in lines)


def summary_of(thing: Callable[..., object] | type) -> str:
    """The first sentence of its docstring, as plain text."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.])(?<! al[.])\s", text)[0].replace("`", "")
