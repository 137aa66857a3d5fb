"""Charts by the places and heights of their marks."""

import xml.etree.ElementTree as xml

import numpy as np
import pytest

from mat_jax.evaluate.report import plot
from mat_jax.evaluate.statistics import spread
from tests.tools.narrow import some


def marks(svg, tag):
    return list(xml.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def test_bars_are_as_high_as_their_numbers():
    groups = {"PGD": {"none": spread([20.0]), "MAT <b>": spread([38.0, 42.0])}}
    svg = plot.bars(groups, title="t & u")
    low, high = (float(r.attrib["height"]) for r in marks(svg, "rect")[1:3])
    assert high == pytest.approx(2 * low, rel=0.01)
    said = [t.text for t in marks(svg, "title")]
    assert said == ["none, PGD: 20.0", "MAT <b>, PGD: 40.0 ± 2.8"]


def test_points_stand_where_their_numbers_are():
    points = [plot.Point(float(x), spread([y])) for x, y in ((0, 10.0), (1, 20.0), (4, 30.0))]
    dots = marks(plot.lines({"SGA": points[::-1]}, title="t", x="n"), "circle")
    across = [float(dot.attrib["cx"]) for dot in dots]
    up = [float(dot.attrib["cy"]) for dot in dots]
    assert (across[2] - across[0]) / (across[1] - across[0]) == pytest.approx(4, rel=0.01)
    assert up[0] - up[1] == pytest.approx(up[1] - up[2], abs=0.11) and up[0] > up[1]
    empty = plot.Point(2.0, spread([]))
    assert len(marks(plot.points([*points, empty], ["a"], title="t", x="n"), "circle")) == 3


def test_names_of_points_do_not_lie_on_each_other_and_lead_to_their_marks():
    heights = {"none": 0.1, "LEAF": 0.0, "fine-tuning": 0.2, "MAT": 30.0, "FARE": 29.0}
    points = [plot.Point(96.0, spread([y]), name) for name, y in heights.items()]
    svg = plot.points(points, ["a"], title="t", x="n")
    texts = {t.text: t for t in marks(svg, "text")}
    places = {name: float(texts[name].attrib["y"]) for name in heights}
    assert np.diff(sorted(places.values())).min() >= 10  # an eleven-point letter's height
    ordered = sorted(places, key=lambda name: places[name])
    assert ordered == ["MAT", "FARE", "fine-tuning", "none", "LEAF"]
    right = min(float(texts[name].attrib["x"]) for name in heights)
    bottom = float(xml.fromstring(svg).attrib["height"])
    for dot in xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}g"):
        (circle,) = dot.iter("{http://www.w3.org/2000/svg}circle")
        name = some(dot[0].text).partition(":")[0]
        start, height = (float(circle.attrib[at]) for at in ("cx", "cy"))
        lines = [path.attrib["d"] for path in marks(svg, "path")]
        (line,) = (one for one in lines if one.endswith(f" {places[name] - 4:.1f}"))
        assert line.startswith(f"M{start:.1f} {height:.1f}L") and start < right
        assert abs(places[name] - 4 - height) < 40 and places[name] < bottom


@pytest.mark.parametrize("low, high", [(0.0, 100.0), (0.0, 7.3), (0.2, 0.9), (-3.0, 1800.0)])
def test_scales_have_a_few_round_marks(low, high):
    ticks = plot._ticks(low, high)
    assert 3 <= len(ticks) <= 8 and low <= ticks[0] and ticks[-1] <= high + 1e-9
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    assert f"{steps[0]:.0e}"[0] in "125"
