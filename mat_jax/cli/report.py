"""`mat-jax report DIR ...`: saved results drawn again, several runs in one page."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from mat_jax.cli.help_text import Grouped
from mat_jax.cli.runs_page import overview
from mat_jax.evaluate.saved import Saved, alike, read_saved
from mat_jax.utils.command_line import answered
from mat_jax.utils.files import write_text


def parser() -> Grouped:
    """Every option that there is."""
    line = Grouped(
        "mat-jax report",
        "mat-jax report DIR [DIR ...] [--out FILE]",
        "Puts the results of several evaluations or trainings into one page. Runs with the same "
        "task, data and attacks stand side by side, with their differences. Others stand in one "
        "table. Pictures are not stored with the results: they are on each run's own page, which "
        "is linked.",
        "mat-jax report report runs/mat/report --out both.html",
    )
    add = line.add_argument_group("what").add_argument
    add("folders", metavar="DIR", nargs="+", help="with results.json and ranks.npz, or a run's")
    add("--out", metavar="FILE", default="report.html", help="the page (report.html)")
    return line


def run(arguments: Sequence[str], /) -> int:
    """Draw the page."""
    return answered(
        lambda: _drawn(parser().parse_intermixed_args(list(arguments))),
        stopped="the same command starts again",
    )


def _drawn(given: Namespace) -> str:
    page = Path(given.out)
    saved = [one for folder in dict.fromkeys(given.folders) for one in read_saved(Path(folder))]
    named = named_apart(saved)
    apart = alike(saved)
    if apart is None:
        how = "side by side, with their differences"
    else:
        print(f"note: {apart}; so they stand in one table", file=sys.stderr)
        how = "in one table"
    write_text(page, overview(named, page.parent, apart=apart))
    return f"{page}: {len(saved)} model(s) of {len(set(given.folders))} folder(s), {how}"


def named_apart(saved: Sequence[Saved]) -> dict[str, Saved]:
    """The models by name; those that are called alike get their folder's name before it."""
    names = [one.result.model for one in saved]
    found: dict[str, Saved] = {}
    for one in saved:
        name = one.result.model
        if names.count(name) > 1:
            folder = one.folder.absolute()
            run = folder.parent.name if folder.name == "report" else folder.name
            name = f"{run}: {name}"
        number, plain = 2, name
        while name in found:
            name, number = f"{plain} ({number})", number + 1
        found[name] = one
    return found
