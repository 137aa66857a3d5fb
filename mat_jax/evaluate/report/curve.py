"""Right answers over eps as curves: a line for each attack and one for the worst case."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mat_jax.evaluate.report.wording import safe, title
from mat_jax.evaluate.results import WORST_CASE, Result, Row, eps_text

WIDTH, HEIGHT = 520.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 16.0, 14.0, 50.0
NEAR = 50.0  # names of eps nearer to each other than this are left out
APART = 2.5  # lines stand so far beside each other, that whiskers can be told apart
Scale = Callable[[float], float]  # a number to its place
# Told apart without colour: by the mark's form, and by the line's.
MARKS = (
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
    "M-4 -4H4V4H-4Z",
    "M0 -5L5 4H-5Z",
    "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
    "M-5 -4H5L0 5Z",
    "M-1.6 -5H1.6V-1.6H5V1.6H1.6V5H-1.6V1.6H-5V-1.6H-1.6Z",
    "M-5 0L-2.5 -4.5H2.5L5 0L2.5 4.5H-2.5Z",
    "M-5 -5L0 -2L5 -5L2 0L5 5L0 2L-5 5L-2 0Z",
)
DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 5", "12 4", "3 2 3 6", "1 4")


@dataclass(frozen=True)
class Curve:
    """The points of one attack: eps and the figure at it.

    Attributes:
        attack: its name.
        points: (eps, figure) from the smallest eps on; the first is clean unless it is flat.
        flat: whether the attack leaves the images alone, so that eps says nothing to it.
    """

    attack: str
    points: tuple[tuple[float, Mapping[str, float]], ...]
    flat: bool = False


def curves_of(result: Result, kind: str) -> list[Curve]:
    """One curve for each attack, in the order of the rows, the worst case last.

    An attack on images starts from the clean figure at eps 0. One on captions alone is a level
    line from the smallest eps to the largest.
    """
    radii, name = result.radii, f"{kind}@1"
    rows: dict[str, list[Row]] = {}
    for row in result.rows[1:]:
        rows.setdefault(row.attack, []).append(row)
    found = []
    for attack, own in rows.items():
        flat = [row for row in own if row.eps is None]
        if flat:
            figure = result.figures(flat[0])[name]
            points = [(eps, figure) for eps in (radii[0], radii[-1])]
        else:
            points = [(0.0, result.figures(result.clean)[name])]
            points += [(row.eps or 0.0, result.figures(row)[name]) for row in own]
            points.sort(key=lambda point: point[0])
        there = tuple(point for point in points if math.isfinite(point[1]["value"]))
        found.append(Curve(attack, there, bool(flat)))
    return sorted(found, key=lambda curve: curve.attack == WORST_CASE)


def over_eps(results: Mapping[str, Result]) -> str:
    """The section of the page; nothing where fewer than two eps were measured."""
    first = next(iter(results.values()))
    if len(first.radii) < 2:
        return ""
    charts = "".join(
        _chart(name if len(results) > 1 else "", result, kind)
        for name, result in results.items()
        for kind in result.kinds
    )
    return (
        "<section><h2>Over eps</h2><p>What is left as eps grows, clean at eps 0. A bar through a "
        "mark is the 95 % interval. Lines stand a little beside each other so that these can be "
        "told apart. An attack on captions alone is level, as eps says nothing to it.</p>"
        f'<div class="charts">{charts}</div></section>'
    )


def _chart(name: str, result: Result, kind: str) -> str:
    found = [curve for curve in curves_of(result, kind) if curve.points]
    share = result.kinds[kind].share
    unit = f"{result.task.column(kind, 1)}{' in %' if share else ''}"
    what = f"{result.kinds[kind].name}: {unit} over eps"
    what = f"{name}, {what}" if name else what[0].upper() + what[1:]
    highest = max((one["high"] for c in found for _, one in c.points), default=1.0)
    end = 100.0 if share else max(20.0, 20.0 * math.ceil(highest / 20))
    far = result.radii[-1]

    def across(eps: float) -> float:
        room = APART * len(found)
        return LEFT + room + (WIDTH - LEFT - RIGHT - 2 * room) * eps / far

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(max(value, 0.0), end) / end

    parts = [
        f'<svg class="curves" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
        f'aria-label="{safe(what)}. The tables have the numbers.">',
        *_axes(result.radii, unit, end, across, up),
    ]
    for n, curve in enumerate(found):
        aside = APART * (n - (len(found) - 1) / 2)
        parts.append(_line(curve, n, aside, across, up, " %" if share else ""))
    unit_of = " %" if share else ""
    parts.append(_clean(result.figures(result.clean)[f"{kind}@1"], across, up, unit_of))
    samples = [f"<li>{_sample(n)}{safe(title(c.attack))}</li>" for n, c in enumerate(found)]
    items = "".join([f"<li>{_CLEAN_SAMPLE}clean</li>", *samples])
    return (
        f"<figure><figcaption>{safe(what)}</figcaption>{''.join(parts)}</svg>"
        f'<ul class="lines">{items}</ul></figure>'
    )


def _axes(radii: Sequence[float], unit: str, end: float, across: Scale, up: Scale) -> list[str]:
    """The grid with both scales, and their names."""
    floor, parts = HEIGHT - BOTTOM, []
    for mark in (0, end / 4, end / 2, 3 * end / 4, end):
        y = up(mark)
        parts.append(
            f'<line class="grid" x1="{LEFT:.0f}" x2="{WIDTH - RIGHT:.0f}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><text x="{LEFT - 6:.0f}" y="{y + 4:.1f}" text-anchor="end">'
            f"{mark:.0f}</text>"
        )
    last = math.inf
    for eps in (*reversed(radii), 0.0):  # the largest is named in any case
        x = across(eps)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{floor:.0f}" y2="{floor + 5:.0f}"/>'
        )
        if last - x >= NEAR:
            told, last = eps_text(eps) if eps else "0", x
            parts.append(
                f'<text x="{x:.1f}" y="{floor + 18:.0f}" text-anchor="middle">{told}</text>'
            )
    middle = (TOP + floor) / 2
    return [
        *parts,
        f'<text class="name" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8:.0f}" '
        'text-anchor="middle">eps</text>',
        f'<text class="name" transform="translate(13 {middle:.0f}) rotate(-90)" '
        f'text-anchor="middle">{safe(unit)}</text>',
    ]


def _line(curve: Curve, n: int, aside: float, across: Scale, up: Scale, unit: str) -> str:
    """The line with its marks and whiskers; each mark says its number."""
    places = [
        (across(eps) + (aside if eps else 0.0), up(one["value"])) for eps, one in curve.points
    ]
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(
        f"<g><title>{safe(_told(curve, eps, one, unit))}</title>"
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{up(one["high"]):.1f}" y2="{up(one["low"]):.1f}"/>'
        f'<path transform="translate({x:.1f} {y:.1f})" d="{MARKS[n % len(MARKS)]}"/></g>'
        for (eps, one), (x, y) in zip(curve.points, places, strict=True)
        if eps  # the clean mark is the same for all
    )
    kind = f"l{n % len(MARKS)}" + (" worst" if curve.attack == WORST_CASE else "")
    return f'<g class="{kind}"><polyline points="{way}"{_dashes(n)}/>{marks}</g>'


def _told(curve: Curve, eps: float, one: Mapping[str, float], unit: str) -> str:
    where = "at any eps" if curve.flat else f"at eps {eps_text(eps)}"
    return f"{title(curve.attack)} {where}: {_interval(one, unit)}"


def _interval(one: Mapping[str, float], unit: str) -> str:
    value, low, high = (one[key] for key in ("value", "low", "high"))
    return f"{value:.1f}{unit} (95 %: {low:.1f} to {high:.1f})"


def _clean(one: Mapping[str, float], across: Scale, up: Scale, unit: str) -> str:
    """The mark that all lines start from: a ring at eps 0."""
    x = across(0.0)
    return (
        f'<g class="clean"><title>clean: {_interval(one, unit)}</title><line x1="{x:.1f}" '
        f'x2="{x:.1f}" y1="{up(one["high"]):.1f}" y2="{up(one["low"]):.1f}"/>'
        f'<circle cx="{x:.1f}" cy="{up(one["value"]):.1f}" r="4.5"/></g>'
    )


_CLEAN_SAMPLE = (
    '<svg class="curves" viewBox="0 0 34 14" aria-hidden="true"><g class="clean">'
    '<circle cx="17" cy="7" r="4.5"/></g></svg>'
)


def _sample(n: int) -> str:
    """A piece of a line with its mark, for the legend."""
    return (
        f'<svg class="curves" viewBox="0 0 34 14" aria-hidden="true"><g class="l{n % len(MARKS)}">'
        f'<polyline points="1,7 33,7"{_dashes(n)}/>'
        f'<path transform="translate(17 7)" d="{MARKS[n % len(MARKS)]}"/></g></svg>'
    )


def _dashes(n: int) -> str:
    # A ninth line has another form of line than the first, with the same mark.
    dashes = DASHES[(n + n // len(MARKS)) % len(DASHES)]
    return f' stroke-dasharray="{dashes}"' if dashes else ""
