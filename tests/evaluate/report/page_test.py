"""The page, from made-up results: what must stand on it, and that a browser shows it."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mat_jax.attacks import ThreatModel
from mat_jax.evaluate import report
from mat_jax.evaluate.report import classes
from mat_jax.evaluate.report.pictures import magnified
from mat_jax.evaluate.report.wording import marked
from mat_jax.evaluate.transfer import columns
from mat_jax.evaluate.worst_case import worst_of
from tests.made_up import made_up

VOID = {"meta", "img", "line", "rect", "br"}


class Page(HTMLParser):
    """The page as elements; every tag that opens must close, in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words, self.sources = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.seen.append((tag, given))
        self.sources += [given[k] for k in ("src", "href", "srcset", "data") if k in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title", "script", "caption"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    @property
    def charts(self):
        """Drawings as wide as a chart."""
        found = (a.get("viewbox", "") for t, a in self.seen if t == "svg")
        return sum(box.startswith("0 0 520 ") for box in found)

    def count(self, tag, name=None):
        return sum(t == tag and (name is None or name in a.get("class", "")) for t, a in self.seen)


@pytest.fixture(scope="module")
def results():
    return {
        "scenes-clip": made_up("scenes-clip", 0.02),
        "after <MAT>": made_up("after <MAT>", 0.5, seed=1),
    }


@pytest.fixture(scope="module")
def text(results):
    return report.draw_page(results)


def test_needs_no_other_file(text):
    page = Page(text)
    held = (
        "data:image/png;base64,",
        "data:image/jpeg;base64,",
        "data:text/csv",
        "data:application/x-tex",
        "#p",
    )
    assert page.sources and all(s.startswith(held) for s in page.sources)
    assert not re.search(r"https?://|@import|url\(|<link", text)
    ids = {a["id"] for _, a in page.seen if "id" in a}
    assert all(source[1:] in ids for source in page.sources if source.startswith("#"))


def test_numbers_of_the_results_stand_on_it(results, text):
    words = Page(text).text
    for result in results.values():
        for attack in ("none", "pgd", "bert_attack", "sep", "co_attack", "sga"):
            found = result.figures(result.row(attack))
            for name in ("tr@1", "ir@1"):
                assert f"{found[name]['value']:.1f}" in words
    sga = results["scenes-clip"]
    lost = sga.figures(sga.row("sga"))["tr_lost@1"]["value"]
    assert f"Under SGA at 2/255, scenes-clip loses {lost:.0f} % of its text" in words


def test_parts(results, text):
    page = Page(text)
    assert page.charts == 2
    # Six attacks, two models, two directions: a bar each.
    assert page.count("rect") == 6 * 2 * 2
    # Three cards: the clean picture, then adversarial and difference against each model.
    assert sum(a.get("alt") == "adversarial picture" for _, a in page.seen) == 3 * 2
    assert sum(a.get("alt") == "difference" for _, a in page.seen) == 3 * 2
    # Five pictures and five captions, clean and attacked, for each model and shown picture.
    frames = page.count("span", "right") + page.count("span", "wrong")
    assert frames == 3 * 2 * 2 * 5
    assert page.count("li", "right") + page.count("li", "wrong") == frames
    for result in results.values():
        for sentence in (*result.flags, *result.notes):
            assert sentence in page.text
        for check in result.checks:
            assert check.name in page.text and check.sentence in page.text
    # Flagged ones differ by the model, so that each has its own line.
    assert page.count("li", "flag") == len({r.flags for r in results.values()}) + len(results)


def test_models_of_two_image_sizes_stand_side_by_side():
    small, large = made_up("small", 0.2, size=32), made_up("large", 0.7, size=64)
    page = Page(report.draw_page({"small": small, "large": large}))
    assert sum(a.get("alt") == "difference" for _, a in page.seen) == 3 * 2


def test_frames_say_the_truth(results, text):
    """Blue pictures are exactly the neighbours that are the query's own image."""
    own = sum(
        int(i) == place
        for result in results.values()
        for row in (result.clean, result.row("sga"))
        for place, five in zip(result.shown, row.sights.pictures, strict=True)
        for i in five
    )
    assert Page(text).count("span", "right") == own


def test_names_and_captions_are_text_not_markup(text):
    assert "<boxes>" not in text and "&lt;boxes&gt;" in text
    assert "<MAT>" not in text and "after &lt;MAT&gt;" in text


def test_every_eps_has_its_table():
    page = Page(report.draw_page({"one": made_up("one", 0.1, eps=(2 / 255, 4 / 255))}))
    assert page.charts == 4 + 2  # the last two over eps
    assert "At eps 2/255" in page.text and "At eps 4/255" in page.text


def with_worst(result):
    """The made-up result with its headline row."""
    row = worst_of(result.at(2 / 255), ThreatModel(eps=2 / 255), result.clean.ranks.owners["ir"])
    return replace(result, rows=(*result.rows, row))


def test_the_worst_case_is_the_first_number_and_the_last_row(results):
    first = {name: with_worst(result) for name, result in results.items()}
    page = Page(report.draw_page(first))
    one = first["scenes-clip"]
    right = 100 * one.worst().ranks.recall("tr", 1)
    heading = next(text for text in page.words if "worst case" in text)
    assert heading.startswith(f"scenes-clip has {right:.0f} % of its text retrieval and")
    assert heading.endswith("in the worst case at 2/255.")
    assert page.text.index(heading) < page.text.index("TR@1")
    assert [a.get("class") for t, a in page.seen if t == "tr" and a].count("worst") == 1
    assert "largest rank over clean, PGD on 40 images, BERT-Attack on 40 images" in page.text
    # The pictures are still those of one attack: the worst case has no gallery of its own.
    assert "SGA at 2/255, which did the most damage" in page.text


def test_transfers_are_two_tables_with_the_white_boxes_in_bold():
    names = ("one", "<two>")
    matrix = {
        a: {b: made_up(b, 0.1 + 0.3 * (a != b), seed=n) for n, b in enumerate(names)} for a in names
    }
    text = report.draw_page(columns(matrix), matrix)
    page = Page(text)
    tables = text.split('<table class="transfer">')[1:]
    assert len(tables) == 2
    for direction, table in zip(("tr", "ir"), tables, strict=True):
        table = table.split("</table>")[0]
        # One clean row, and a row for each of five attacks and two surrogates.
        assert table.count("<tr>") == 1 + 1 + 5 * 2
        for a in names:
            for b in names:
                value = 100 * matrix[a][b].row("sga").ranks.recall(direction, 1)
                shown = f"<b>{value:.1f}</b>" if a == b else f">{value:.1f} <small>"
                assert shown in table
    assert "captions go over as text and are tokenized again" in page.text
    assert "&lt;two&gt;" in text and "<two>" not in text


def test_changed_words_are_marked():
    assert marked("a red ball", "a blue ball") == "a <del>red</del> <ins>blue</ins> ball"
    assert marked("a ball", "a ball") == "a ball"
    assert marked("a ball", "a & b") == "a <del>ball</del> <ins>&amp; b</ins>"


def test_a_picture_survives_being_put_in_the_page(results, text):
    place = results["scenes-clip"].shown[0]
    source = next(a["src"] for _, a in Page(text).seen if a.get("alt") == "clean picture")
    image = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
    np.testing.assert_array_equal(image, results["scenes-clip"].thumbnails[place])


def test_difference_is_scaled_by_the_stated_factor():
    clean = np.full((2, 2, 3), 0.5, np.float32)
    adv = clean.copy()
    adv[0, 0, 0] += 2 / 255
    picture, factor = magnified(clean, adv, 2 / 255)
    assert factor == 63  # the largest whole number with 63 * 2/255 <= 1/2
    assert picture[0, 0, 0] == pytest.approx(0.5 + 63 * 2 / 255, abs=1e-5)
    assert picture[1, 1, 1] == 0.5


def test_nothing_changed_is_grey():
    clean = np.zeros((2, 2, 3), np.float32)
    picture, _ = magnified(clean, clean, 0.0)
    assert (picture == 0.5).all()


def test_pairs_that_are_confused_are_counted_by_hand():
    """Truths 0, 0, 1, 2: two of class a are taken for b, and nothing is confused with itself."""
    names, labels = ("a", "b", "c"), np.array([0, 0, 1, 2])

    def counted(answers):
        return classes.confused(np.array(answers), labels, names)

    before, after = counted([0, 1, 1, 2]), counted([1, 1, 1, 0])
    assert before == {("a", "b"): 1} and after == {("a", "b"): 2, ("c", "a"): 1}
    assert classes.most_confused(before, after) == [("a", "b"), ("c", "a")]
    assert counted(["a", "d", "b", "c"]) == {("a", "d"): 1}  # in the model's own words
