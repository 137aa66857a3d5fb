"""Bars of R@1: attacks side by side, models beside each other, whiskers for the intervals."""

import math
import textwrap
from collections.abc import Mapping

from mat_jax.evaluate.report.wording import safe, title
from mat_jax.evaluate.results import Result

WIDTH, HEIGHT = 520.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 6.0, 14.0, 46.0
LETTER = 5.8  # width of a letter of a name, about


def draw_chart(results: Mapping[str, Result], eps: float | None, kind: str) -> str:
    """One SVG of the share of right answers to one kind of queries, for all attacks at one eps."""
    first = next(iter(results.values()))
    rows = first.at(eps)
    floor, span = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    slot = (WIDTH - LEFT - RIGHT) / len(rows)
    bar = min(0.8 * slot / len(results), 40.0)
    share = first.kinds[kind].share
    what = f"{first.kinds[kind].name}, {first.task.column(kind, 1)} in %"
    what = what[0].upper() + what[1:] if share else f"{first.kinds[kind].name} times 100"
    # A score may be above 100, so the axis ends above the highest whisker.
    figures = {
        (name, row.name): result.figures(result.row(row.attack, eps))[f"{kind}@1"]
        for row in rows
        for name, result in results.items()
    }
    highest = max(one["high"] for one in figures.values())
    end = 100.0 if share else max(20.0, 20.0 * math.ceil(highest / 20))
    parts = [
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
        f'aria-label="{safe(what)} under each attack">'
    ]
    for mark in (0, end / 4, end / 2, 3 * end / 4, end):
        y = floor - span * mark / end
        parts.append(
            f'<line class="grid" x1="{LEFT:.0f}" x2="{WIDTH - RIGHT:.0f}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 6:.0f}" y="{y + 4:.1f}" text-anchor="end">'
            f"{mark:.0f}</text>"
        )
    for i, row in enumerate(rows):
        middle = LEFT + slot * (i + 0.5)
        for j, name in enumerate(results):
            x = middle + (j - len(results) / 2) * bar
            found, unit = figures[name, row.name], " %" if share else ""
            label = f"{name}, {title(row.attack)}: {_told(found, unit)}"
            parts.append(_bar(x, bar, floor, span / end, found, label, j))
        for n, line in enumerate(textwrap.wrap(title(row.attack), max(int(slot / LETTER), 4))[:3]):
            parts.append(
                f'<text class="name" x="{middle:.1f}" y="{floor + 16 + 12 * n:.0f}" '
                f'text-anchor="middle">{safe(line)}</text>'
            )
    parts.append("</svg>")
    return f"<figure><figcaption>{safe(what)}</figcaption>{''.join(parts)}</figure>"


def _told(found: Mapping[str, float], unit: str) -> str:
    value, low, high = (found[key] for key in ("value", "low", "high"))
    return f"{value:.1f}{unit} (95 %: {low:.1f} to {high:.1f})"


def _bar(
    x: float,
    width: float,
    floor: float,
    point: float,
    found: Mapping[str, float],
    label: str,
    series: int,
) -> str:
    """A bar, `point` high for each percent, with its whisker."""
    value, low, high = (found[key] for key in ("value", "low", "high"))
    height = max(point * value, 0.75)  # so that 0 % is seen to be there
    top, bottom = floor - point * high, floor - point * low
    centre = x + width / 2
    return (
        f'<g><title>{safe(label)}</title><rect class="s{series % 4}" x="{x + 1:.1f}" '
        f'y="{floor - height:.1f}" width="{width - 2:.1f}" height="{height:.2f}" rx="2"/>'
        f'<line class="whisker" x1="{centre:.1f}" x2="{centre:.1f}" y1="{top:.1f}" '
        f'y2="{bottom:.1f}"/><text class="value" x="{centre:.1f}" y="{top - 4:.1f}" '
        f'text-anchor="middle">{value:.0f}</text></g>'
    )


def legend(results: Mapping[str, Result]) -> str:
    """Which colour is which model."""
    items = "".join(
        f'<span><i class="s{j % 4}"></i>{safe(name)}</span>' for j, name in enumerate(results)
    )
    return f'<p class="legend">{items}</p>'
