"""`mat-jax data check PATH`: which form data has, how much it is, and what is broken."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from mat_jax.cli.help_text import Grouped
from mat_jax.data import Inspection, inspect
from mat_jax.evaluate.report.frame import sheet
from mat_jax.evaluate.report.pictures import png
from mat_jax.evaluate.report.wording import safe
from mat_jax.utils.command_line import answered
from mat_jax.utils.files import write_text
from mat_jax.utils.progress import Progress

LARGEST = 320  # pixels along a side of a picture on the page
SHOWN = 5  # captions of it
BROKEN = 1  # the exit status of data with problems


def parser() -> Grouped:
    """Every option that there is."""
    line = Grouped(
        "mat-jax data",
        "mat-jax data check PATH [--images ROOT] [--page FILE]",
        "Says which of the public forms a file or folder has, how many pictures and captions, and "
        "what is broken. Draws three of them into a page. Ends with status 1 if something is "
        "broken.",
        "mat-jax data check flickr30k_test.json --images flickr30k-images",
    )
    add = line.add_argument_group("what").add_argument
    add("act", metavar="check", choices=("check",), help="the one thing to do so far")
    add("path", metavar="PATH", help="annotations, shards, or a folder")
    add("--images", metavar="ROOT", help="where the paths in the file start (its folder)")
    add("--page", metavar="FILE", default="data-check.html", help="the page (data-check.html)")
    return line


def run(arguments: Sequence[str], /) -> int:
    """Check the data; status 1 where something is broken."""
    problems = 0

    def checked() -> str:
        nonlocal problems
        text, problems = _checked(parser().parse_args(list(arguments)))
        return text

    status = answered(checked, stopped="the same command looks again")
    return BROKEN if problems and not status else status


def _checked(given: Namespace) -> tuple[str, int]:
    """What was found, and how many kinds of problems there are."""
    progress: list[Progress] = []

    def show(done: int, total: int) -> None:
        if not progress:
            quiet = not sys.stderr.isatty()
            progress.append(Progress("looked at", total, quiet=quiet))
        if done % 50 == 0 or done == total:
            progress[0].show(done)

    found = inspect(given.path, given.images, progress=show)
    write_text(Path(given.page), page(found, given.path))
    lines = [f"{given.path}: {amounts(found)}", f"form: {found.form}", *found.notes]
    for problem in found.problems:
        lines.append(f"broken: {problem.count:,} {problem.what}")
        lines += [f"  {one}" for one in problem.first]
        if problem.count > len(problem.first):
            lines.append("  ...")
    if not found.problems:
        lines.append("nothing is broken")
    lines.append(f"{given.page} shows {len(found.samples)} of them")
    return "\n".join(lines), len(found.problems)


def amounts(found: Inspection) -> str:
    """`1,000 pictures, 5,000 captions`."""
    several = [(found.pictures, "picture"), (found.captions, "caption")]
    told = (f"{n:,} {thing}{'s' * (n != 1)}" for n, thing in several if n is not None)
    return ", ".join(told)


def page(found: Inspection, path: str) -> str:
    """What was found as one HTML page."""
    figures = "".join(
        f"<figure>{png(one.image, f'picture {n + 1}', LARGEST)}<figcaption>"
        f"{'<br>'.join(safe(text) for text in one.captions[:SHOWN])}</figcaption></figure>"
        for n, one in enumerate(found.samples)
    )
    told = [f'<li class="open">{safe(note)}</li>' for note in found.notes]
    for problem in found.problems:
        first = "".join(f"<br><small>{safe(one)}</small>" for one in problem.first)
        told.append(f'<li class="flag">{problem.count:,} {safe(problem.what)}{first}</li>')
    if not found.problems:
        told.append("<li>nothing is broken</li>")
    body = (
        f"<section><h2>What was found</h2><ul class='said'>{''.join(told)}</ul></section>"
        f"<section><h2>Some of them</h2><div class='samples'>{figures}</div></section>"
    )
    said = f"{path}: {amounts(found)}"
    return sheet(said, found.form, body, "Pictures are evenly spaced.", kind="A look at data")
