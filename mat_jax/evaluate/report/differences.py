"""What models have right more than the first one, and whether that is more than chance."""

from collections.abc import Mapping

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
    found = against_first(results, eps)
    heads = "".join(f"<th>{safe(name)}</th>" for name in others)
    rows = "".join(
        f"<tr><td>{safe(title(attack))}</td>"
        + "".join(
            f"<td>{own[name].mean:+.1f} ± {own[name].noise:.1f}<small>{own[name].verdict}</small>"
            "</td>"
            for name in others
        )
        + "</tr>"
        for attack, own in found.items()
    )
    at = "" if eps is None else f" at eps {eps_text(eps)}"
    return (
        f"<details><summary>More right than {safe(first)}{at}, with its noise</summary><p>Points "
        "of the mean of the first figures. The noise is the standard deviation over draws of the "
        "images, the same for all models; other trainings are not in it. Confirmed: above twice "
        f'the noise; likely: above it.</p><div class="scroll"><table><thead><tr><th>attack</th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
