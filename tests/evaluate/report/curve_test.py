"""Curves over eps: their points are the rows, and their marks stand where the numbers are."""

import re
import xml.etree.ElementTree as xml
from itertools import pairwise

import pytest

from mat_jax.evaluate.report.curve import curves_of, over_eps
from mat_jax.evaluate.results import eps_text
from tests.evaluate.report.page_test import with_worst
from tests.made_up import made_up

EPS = (1 / 255, 2 / 255, 8 / 255)


@pytest.fixture(scope="module")
def result():
    return with_worst(made_up("one <b>", 0.2, images=12, eps=EPS))


def charts(result):
    text = over_eps({"one": result}).replace("&times;", "x")
    return [
        xml.fromstring(one) for one in re.findall(r"<svg.*?</svg>", text) if "aria-label" in one
    ]


def test_points_are_the_rows_and_clean_is_at_0(result):
    found = {curve.attack: curve for curve in curves_of(result, "tr")}
    assert list(found)[-1] == "worst_case"
    clean = result.figures(result.clean)["tr@1"]["value"]
    for attack in ("pgd", "sep", "co_attack", "sga"):
        (eps, figure), *rest = found[attack].points
        assert eps == 0 and figure["value"] == clean
        assert [eps for eps, _ in rest] == list(EPS)
        for eps, figure in rest:
            assert figure == result.figures(result.row(attack, eps))["tr@1"]
    # Captions alone: the same at every eps, and nothing is said of eps 0.
    flat = found["bert_attack"]
    assert flat.flat and [eps for eps, _ in flat.points] == [EPS[0], EPS[-1]]
    assert len({figure["value"] for _, figure in flat.points}) == 1


def test_marks_stand_where_their_numbers_are(result):
    for chart, kind in zip(charts(result), result.kinds, strict=True):
        scale = {}
        for text in chart.findall("text"):
            if text.get("text-anchor") == "end":
                scale[float(text.text or "")] = float(text.get("y", "")) - 4
        for group in chart.iter("g"):
            title, path = group.find("title"), group.find("path")
            if title is None or path is None:
                continue
            said = re.search(r": ([\d.]+) % \(95 %: ([\d.]+) to ([\d.]+)\)", title.text or "")
            assert said is not None
            value, low, high = map(float, said.groups())
            place = re.search(r" ([\d.]+)\)", path.get("transform", ""))
            assert place is not None

            def up(number, scale=scale):
                return scale[0] - (scale[0] - scale[100]) * number / 100

            assert float(place[1]) == pytest.approx(up(value), abs=0.3), kind
            (whisker,) = group.findall("line")
            assert float(whisker.get("y1", "")) == pytest.approx(up(high), abs=0.3)
            assert float(whisker.get("y2", "")) == pytest.approx(up(low), abs=0.3)


def test_lines_are_told_apart_without_colour(result):
    (chart, _) = charts(result)
    forms = {
        (path.get("d"), line.get("stroke-dasharray"))
        for group in chart.findall("g")
        for line in group.findall("polyline")
        for path in group.findall("g/path")[:1]
    }
    assert len(forms) == 6  # five attacks and the worst case
    text = over_eps({"one": result})
    legend = re.findall(r"<li>(.*?)</li>", text.split("<ul")[1].split("</ul>")[0])
    assert len(legend) == 7
    for d, _ in forms:
        assert any(f'd="{d}"' in item for item in legend)


def test_axes_are_named_and_labels_do_not_lie_on_each_other():
    many = tuple(n / 255 for n in (1, 2, 3, 4, 16))
    (chart, _) = charts(made_up("one", 0.2, images=8, eps=many))
    named = [t for t in chart.findall("text") if t.get("class") == "name"]
    assert [t.text for t in named] == ["eps", "TR@1 in %"]
    ticks = sorted(
        (float(t.get("x", "")), t.text)
        for t in chart.findall("text")
        if t.get("text-anchor") == "middle" and t.get("class") != "name"
    )
    assert all(right - left >= 40 for (left, _), (right, _) in pairwise(ticks))
    assert ticks[-1][1] == eps_text(many[-1])


def test_one_eps_is_no_curve():
    assert over_eps({"one": made_up("one", 0.2, images=8)}) == ""


def test_names_are_text(result):
    text = over_eps({"one <b>": result, "two": result})
    assert "one &lt;b&gt;, text retrieval" in text and "<b>" not in text
