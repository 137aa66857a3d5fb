"""Three kinds of charts as SVG text: bars, lines and points. No library is needed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mat_jax.evaluate.report.wording import safe
from mat_jax.evaluate.statistics import Spread

WIDTH, HEIGHT = 560.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 34.0, 46.0
CROWDED = 20  # points of a line that still have a dot and a number each
LETTER_WIDTH, LINE_HEIGHT = 6.2, 14.0  # of names of marks, about
DIGIT_WIDTH = 7.2  # of a number at the side, in a wide font; a point has half of it
UNIT, GAP = 20.0, 6.0  # room for what the numbers are of, and between a number and the frame
INK, SOFT, LINE, PAPER = "#1f2328", "#59616b", "#dedad4", "#ffffff"
# Told apart in print and by colour-blind readers (after Okabe and Ito 2008); then by shades.
COLOURS = (
    "#7d838d",
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c6bb1",
    "#a6761d",
    "#333333",
    "#b3de69",
)


@dataclass(frozen=True)
class Point:
    """One mark: where, and what it is called."""

    x: float
    y: Spread
    label: str = ""
    group: int = 0


@dataclass(frozen=True)
class Axes:
    """A frame with both scales: numbers to places on the paper."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def left(self) -> float:
        """Where the frame begins: far enough for the longest number, and what it is a number of."""
        told = [f"{mark:g}" for mark in _ticks(*self.y)]
        widest = max((DIGIT_WIDTH * (len(one) - one.count(".") / 2) for one in told), default=0.0)
        return max(LEFT, UNIT + widest + GAP)

    def across(self, x: float) -> float:
        """Where a number stands from the left."""
        low, high = self.x
        return self.left + (self.width - self.left - RIGHT) * (x - low) / (high - low or 1.0)

    def up(self, y: float) -> float:
        """Where a number stands from the top."""
        low, high = self.y
        floor = self.height - BOTTOM
        return floor - (floor - TOP) * (y - low) / (high - low or 1.0)


def bars(groups: Mapping[str, Mapping[str, Spread]], *, title: str, unit: str = "R@1 in %") -> str:
    """Groups side by side, in each one bar a series: `{"PGD": {"none": ..., "MAT": ...}}`."""
    series = list(dict.fromkeys(name for group in groups.values() for name in group))
    width = max(WIDTH, LEFT + RIGHT + 15.0 * len(groups) * (len(series) + 1))
    tops = [_high(spread) for group in groups.values() for spread in group.values()]
    axes = Axes((0.0, float(len(groups))), (0.0, _ceiling(tops)), width)
    parts = [_frame(axes, title, "", unit, marks=())]
    slot = axes.across(1.0) - axes.across(0.0)
    bar = slot / (len(series) + 1)
    for i, (name, group) in enumerate(groups.items()):
        middle = axes.across(i + 0.5)
        for j, one in enumerate(series):
            if one in group and group[one].count:
                x = middle + (j - len(series) / 2) * bar
                parts.append(_bar(axes, x, bar, group[one], COLOURS[j % len(COLOURS)], one, name))
        parts.append(_text(middle, HEIGHT - BOTTOM + 16, name, "middle", INK))
    return _svg(parts, series, axes, width)


def lines(
    series: Mapping[str, Sequence[Point]], *, title: str, x: str, unit: str = "R@1 in %"
) -> str:
    """One line a series, its points joined in the order of x; whiskers are a standard deviation."""
    kept = {name: [p for p in points if p.y.count] for name, points in series.items()}
    every = [point for points in kept.values() for point in points]
    marks = tuple(sorted({point.x for point in every}))
    if len(marks) > CROWDED:
        marks = _ticks(marks[0], marks[-1])
    axes = Axes(_room([p.x for p in every]), (0.0, _ceiling([_high(p.y) for p in every])))
    parts = [_frame(axes, title, x, unit, marks=marks)]
    for j, (name, points) in enumerate(kept.items()):
        colour, ordered = COLOURS[j % len(COLOURS)], sorted(points, key=lambda p: p.x)
        way = " ".join(f"{axes.across(p.x):.1f},{axes.up(p.y.mean):.1f}" for p in ordered)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shown = ordered if len(ordered) <= CROWDED else ()
        parts += [_dot(axes, p, colour, f"{name}, {p.label or f'{p.x:g}'}") for p in shown]
    return _svg(parts, list(kept), axes, WIDTH)


def points(
    found: Sequence[Point], groups: Sequence[str], *, title: str, x: str, unit: str = "R@1 in %"
) -> str:
    """Marks coloured by group; names in a column on the right, each with a line to its mark."""
    found = [point for point in found if point.y.count and math.isfinite(point.x)]
    low, high = _room([p.x for p in found])
    tops = [_high(p.y) for p in found]
    bottoms = [p.y.mean - (p.y.sd or 0) for p in found]
    height = max(HEIGHT, TOP + BOTTOM + LINE_HEIGHT * (len(found) - 2))  # room for all names
    axes = Axes((low, high), _room([*tops, *bottoms]), height=height)
    parts = [_frame(axes, title, x, unit, marks=_ticks(low, high))]
    ordered = sorted(found, key=lambda p: (-p.y.mean, -p.x))  # from the top, as names stand
    column = WIDTH - RIGHT + 12
    for p, base in zip(
        ordered, _spread_out([axes.up(p.y.mean) for p in ordered], height), strict=True
    ):
        parts.append(
            f'<path d="M{axes.across(p.x):.1f} {axes.up(p.y.mean):.1f}L{column:.1f} {base:.1f}" '
            f'stroke="{SOFT}" stroke-width=".6" opacity=".6"/>'
        )
        parts.append(_text(column + 4, base + 4, p.label, "start", INK))
    parts += [_dot(axes, p, COLOURS[p.group % len(COLOURS)], p.label) for p in ordered]
    longest = max((len(p.label) for p in found), default=0)
    return _svg(parts, list(groups), axes, column + 10 + LETTER_WIDTH * longest)


def _spread_out(heights: Sequence[float], paper: float) -> list[float]:
    """Places near some heights, a line apart: down from the top, then up from the paper's end."""
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + LINE_HEIGHT) if places else height)
    lowest = paper - BOTTOM + LINE_HEIGHT
    for i in reversed(range(len(places))):
        places[i] = min(places[i], lowest)
        lowest = places[i] - LINE_HEIGHT
    return places


def _svg(parts: Sequence[str], series: Sequence[str], axes: Axes, width: float) -> str:
    """The chart with its legend under it."""
    items, x, y = [], axes.left, axes.height + 14
    for j, name in enumerate(series):
        long = 28 + 6.8 * len(name)
        if x + long > width and x > axes.left:
            x, y = axes.left, y + 18
        colour = COLOURS[j % len(COLOURS)]
        items.append(f'<rect x="{x:.0f}" y="{y - 9:.0f}" width="10" height="10" fill="{colour}"/>')
        items.append(_text(x + 15, y, name, "start", INK))
        x += long
    height = y + 12 if series else axes.height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="system-ui, sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="{PAPER}"/>'
        f"{''.join(parts)}{''.join(items)}</svg>\n"
    )


def _frame(axes: Axes, title: str, x: str, unit: str, *, marks: Sequence[float]) -> str:
    """Title, grid, scales and their names."""
    left, right = axes.left, axes.width - RIGHT
    parts = [
        f'<text x="{left:.0f}" y="18" font-size="13" font-weight="600" fill="{INK}">'
        f"{safe(title)}</text>"
    ]
    for mark in _ticks(*axes.y):
        y = axes.up(mark)
        parts.append(f'<path d="M{left:.0f} {y:.1f}H{right:.0f}" stroke="{LINE}"/>')
        parts.append(_text(left - GAP, y + 4, f"{mark:g}", "end", SOFT))
    for mark in marks:
        parts.append(
            _text(axes.across(mark), axes.height - BOTTOM + 16, f"{mark:g}", "middle", SOFT)
        )
    if x:
        parts.append(_text((left + right) / 2, axes.height - 8, x, "middle", INK))
    middle = (TOP + axes.height - BOTTOM) / 2
    parts.append(
        f'<text transform="translate(14 {middle:.0f}) rotate(-90)" text-anchor="middle" '
        f'fill="{INK}">{safe(unit)}</text>'
    )
    return "".join(parts)


def _bar(
    axes: Axes, x: float, width: float, spread: Spread, colour: str, name: str, group: str
) -> str:
    top, floor = axes.up(spread.mean), axes.up(0.0)
    height = max(floor - top, 0.75)  # so that 0 % is seen to be there
    return (
        f"<g><title>{safe(f'{name}, {group}: {spread}')}</title>"
        f'<rect x="{x:.1f}" y="{floor - height:.1f}" width="{width - 1.5:.1f}" '
        f'height="{height:.1f}" fill="{colour}"/>{_whisker(axes, x + width / 2 - 0.75, spread)}</g>'
    )


def _dot(axes: Axes, point: Point, colour: str, name: str) -> str:
    x, y = axes.across(point.x), axes.up(point.y.mean)
    return (
        f"<g><title>{safe(f'{name}: {point.y}')}</title>{_whisker(axes, x, point.y)}"
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/></g>'
    )


def _whisker(axes: Axes, x: float, spread: Spread) -> str:
    if not spread.sd:
        return ""
    high = axes.up(spread.mean + spread.sd)
    low = axes.up(max(spread.mean - spread.sd, axes.y[0]))
    return f'<path d="M{x:.1f} {high:.1f}V{low:.1f}" stroke="{INK}" opacity=".6"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{safe(text)}</text>'
    )


def _high(spread: Spread) -> float:
    return spread.mean + (spread.sd or 0.0)


def _ceiling(tops: Sequence[float]) -> float:
    """A round number above all of them."""
    high = max((top for top in tops if math.isfinite(top)), default=1.0)
    step = _step(0.0, max(high, 1e-9))
    return step * math.ceil(max(high, 1e-9) / step)


def _room(values: Sequence[float]) -> tuple[float, float]:
    """The range of some values, with a little room at both ends."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers in a range, four to eight of them."""
    step = _step(low, high)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(n * step, 10) for n in range(first, last + 1))


def _step(low: float, high: float) -> float:
    """1, 2 or 5 times a power of ten, about a sixth of the range."""
    rough = (high - low) / 6 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next((m * power for m in (1, 2, 5) if m * power >= rough), 10 * power)
