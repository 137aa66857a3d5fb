"""All tables and figures, from the saved results and nothing else."""

from pathlib import Path

from experiments.study.saved import Shelf
from experiments.study.sections import SECTIONS
from mat_jax.utils.files import write_text

HEAD = """# What the studies found

Drawn by `python -m experiments.study --redraw` from the JSON files beside this page, one a run:
every number here stands there with its protocol, its command and its machine. R@1 in percent;
mean and, after ±, the standard deviation over seeds. Seeds change the order of the data and the
random starts (the first weights are the same). TR: the nearest caption of a picture is one of
its own; IR: the
nearest picture of a caption is its own. Under attack queries and gallery are all adversarial."""


def draw_all(shelf: Shelf, results: Path) -> Path:
    """Write `README.md` and `figures/` into the results folder; returns the page.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not shelf.runs:
        raise ValueError(f"there are no results in {results}: carry out a study first")
    parts = [HEAD]
    for name, draw in SECTIONS.values():
        text = draw(shelf, results)
        if text:
            parts.append(f"## {name}\n\n{text}")
    page = results / "README.md"
    write_text(page, "\n\n".join(parts) + "\n")
    return page
