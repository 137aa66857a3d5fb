"""What models have right more than the first one, and whether that is more than chance."""

from collections.abc import Mapping

from mat_jax.evaluate.report.table import Cell, Table, drawn
from mat_jax.evaluate.report.wording import safe, title
from mat_jax.evaluate.results import Result, eps_text
from mat_jax.evaluate.statistics import Difference, difference


def against_first(
    results: Mapping[str, Result], eps: float | None
) -> dict[str, dict[str, Difference]]:
    """attack -> model -> what it has right more than the first model, at one eps."""
    first, *others = results.values()
    return {
        row.attack: {
            name: difference(result.row(row.attack, eps).ranks, row.ranks)
            for name, result in zip(list(results)[1:], others, strict=True)
        }
        for row in first.at(eps)
    }


def difference_table(results: Mapping[str, Result], eps: float | None) -> str:
    """The table of the page; nothing of one model alone."""
    if len(results) < 2:
        return ""
    first, *others = results
    at = "" if eps is None else f" at eps {eps_text(eps)}"
    table = Table(
        name=f"More right than {first}{at}",
        heads=["attack", *others],
        lines=[
            [Cell(text=title(attack)), *(_cell(own[name]) for name in others)]
            for attack, own in against_first(results, eps).items()
        ],
    )
    return (
        f"<details><summary>More right than {safe(first)}{at}, with its noise</summary><p>Points "
        "of the mean of the first figures. The noise is the standard deviation over draws of the "
        "images, the same for all models; other trainings are not in it. Confirmed: above twice "
        f"the noise; likely: above it.</p>{drawn(table)}</details>"
    )


def _cell(found: Difference) -> Cell:
    text = f"{found.mean:+.1f} ± {found.noise:.1f}"
    return Cell(text=text, value=found.mean, small=found.verdict)
