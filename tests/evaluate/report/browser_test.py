"""The page in a real browser: nothing overflows, it can be used by keyboard, and asks for nothing.

One Chromium serves all tests. Pictures of the page go to MAT_JAX_PICTURES, where that is named.
axe-core is found in the package axe-core-python (of the extra `test`), or in MAT_JAX_AXE.
"""

import functools
import importlib.util
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mat_jax.evaluate.report import draw_page
from mat_jax.train import write_curves
from tests.evaluate.report.hostile import HOSTILE, hostile
from tests.made_up import made_up
from tests.tools.browser import CHROMIUM, Browser
from tests.tools.narrow import some

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed, so that no page can be opened"
)
EPS = (1 / 255, 2 / 255)
PAINTED = {
    "light": {(37, 99, 235), (220, 38, 38), (138, 143, 152), (15, 138, 126)},
    "dark": {(110, 160, 255), (244, 113, 113), (125, 131, 141), (47, 181, 166)},
}


@pytest.fixture(scope="module")
def browser():
    found = Browser()
    yield found
    found.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    results = {
        name: made_up(name, strength, images=10, captions=2, eps=EPS)
        for name, strength in (("scenes-clip", 0.02), ("after MAT", 0.5))
    }
    (folder / "two.html").write_text(draw_page(results))
    name = HOSTILE[0]
    (folder / "hostile.html").write_text(draw_page({name: hostile(name)}))
    (folder / "looks.html").write_text(draw_page({"one": looking(results["after MAT"])}))
    long = {f"{'w' * 70}-{n}": replace(result) for n, result in enumerate(results.values())}
    (folder / "long.html").write_text(draw_page(long))
    return folder


def looking(result):
    """The same of a model of which is known where it looks, which makes the most pictures."""
    drawn = np.full((224, 224, 3), 90, np.uint8)
    rows = []
    for row in result.rows:
        views = {place: replace(view, overlay=drawn) for place, view in row.views.items()}
        sights = replace(some(row.sights), overlays=np.stack([drawn] * len(result.shown)))
        rows.append(replace(row, views=views, sights=sights))
    return replace(result, rows=tuple(rows), overlays=dict.fromkeys(result.thumbnails, drawn))


def test_the_name_of_a_scale_lies_beside_its_numbers(browser, tmp_path):
    """As of a learning rate, whose numbers are long."""
    rates = [1.25e-5 * n for n in range(1, 6)]
    lines = [{"step": n, "lr": lr, "images_per_second": 9e5 * n} for n, lr in enumerate(rates)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text)
    browser.open(write_curves({"one": tmp_path}, tmp_path / "curves.html"))
    box = "one => { const box = one.getBoundingClientRect(); return [box.left, box.right]; }"
    charts = browser.run(
        '[...document.querySelectorAll("svg")].map(svg => [svg.getBoundingClientRect().left,'
        f'...["[transform]", "[text-anchor=end]"].map(which => '
        f'[...svg.querySelectorAll("text" + which)].map({box}))])'
    )
    assert len(charts) == 2
    for start, (unit,), numbers in charts:
        assert len(numbers) > 3 and start <= unit[0]
        assert unit[1] < min(left for left, _ in numbers)


def axe_source():
    """The program of axe-core, or None."""
    if "MAT_JAX_AXE" in os.environ:
        return Path(os.environ["MAT_JAX_AXE"]).read_text()
    found = importlib.util.find_spec("axe_core_python")
    if found is None or found.origin is None:
        return None
    return (Path(found.origin).parent / "axe.min.js").read_text()


def opened(browser, page, **how):
    """A page with all that is folded away on it open."""
    browser.open(page, **how)
    browser.run('for (const one of document.querySelectorAll("details")) one.open = true')


def measured(browser):
    return browser.run("(e => [e.scrollWidth, e.clientWidth])(document.scrollingElement)")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_overflows_and_nothing_is_asked_for(browser, pages, width):
    for name in ("two", "hostile", "long", "looks"):
        for how in (browser.open, functools.partial(opened, browser)):
            how(pages / f"{name}.html", width=width)
            wide, room = measured(browser)
            assert wide <= room == width, name
        assert not browser.asked_for and not browser.complaints


@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_photographed_light_and_dark(browser, pages, width):
    for scheme in ("light", "dark"):
        browser.open(pages / "two.html", width=width, scheme=scheme)
        shot = browser.photograph()
        if "MAT_JAX_PICTURES" in os.environ:
            folder = Path(os.environ["MAT_JAX_PICTURES"])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{width}-{scheme}.png").write_bytes(shot)
        with Image.open(io.BytesIO(shot)) as image:
            assert image.width == width and image.height > 2000
            corner = image.convert("L").crop((2, 2, 3, 3)).tobytes()[0]
            found = {c for _, c in some(image.convert("RGB").getcolors(1 << 24))}
        assert (corner > 200) == (scheme == "light")
        # Blue and red frames and the bars of two models are really painted.
        assert found >= PAINTED[scheme]


@pytest.mark.parametrize("name", ["two", "hostile", "looks"])
def test_axe_finds_nothing(browser, pages, name):
    source = axe_source()
    if source is None:
        pytest.skip("axe-core-python is not installed: pip install 'mat-jax[test]'")
    for width, scheme in ((1280, "light"), (390, "dark")):
        opened(browser, pages / f"{name}.html", width=width, scheme=scheme)
        browser.run(f"{source}; 1")
        found = json.loads(
            browser.run(
                "axe.run().then(found => JSON.stringify([found.passes.length, "
                "found.violations.map(one => [one.id, one.nodes.map(node => node.html)])]))"
            )
        )
        assert found[0] > 10 and found[1] == []


TABLE = 'document.querySelector("table[data-sorts]")'
COLUMN = f"[...{TABLE}.tBodies[0].rows].map(row => row.cells[1].dataset.value)"


def test_a_table_sorts_by_the_keyboard_and_goes_back(browser, pages):
    browser.open(pages / "two.html")
    before = browser.run(COLUMN)
    state = f"[...{TABLE}.tHead.rows[1].cells].map(head => head.ariaSort)"
    assert set(browser.run(state)) == {"none"}
    browser.run(f"{TABLE}.tHead.rows[1].cells[1].querySelector('button').focus()")
    ordered = sorted(before, key=float)
    for key, code, text, way, wanted in (
        ("Enter", 13, "\r", "ascending", ordered),
        (" ", 32, " ", "descending", ordered[::-1]),
        ("Enter", 13, "\r", "none", before),
    ):
        browser.press(key, code=code, text=text)
        assert browser.run(COLUMN) == wanted
        assert browser.run(state)[1] == way


def test_failures_are_paged_through_by_the_keyboard(browser, pages):
    opened(browser, pages / "two.html")
    shown = (
        '[...document.querySelector("ol.failures").children]'
        ".map(page => page.getBoundingClientRect().height > 0)"
    )
    count = len(browser.run(shown))
    assert count > 2 and browser.run(shown) == [True] + [False] * (count - 1)
    browser.run('document.querySelector(".pager button:last-of-type").focus()')
    told = 'document.querySelector(".pager output").textContent'
    for key, code, text, at in (
        ("Enter", 13, "\r", 1),
        ("ArrowRight", 39, "", 2),
        ("ArrowLeft", 37, "", 1),
        ("End", 35, "", count - 1),
        ("ArrowRight", 39, "", count - 1),
        ("Home", 36, "", 0),
    ):
        browser.press(key, code=code, text=text)
        assert browser.run(shown).index(True) == at and sum(browser.run(shown)) == 1
        assert browser.run(told) == f"{at + 1} of {count}"
    # On paper all of them stand.
    browser.media(kind="print")
    assert all(browser.run(shown))


def test_without_script_all_is_there(browser, pages):
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened(browser, pages / "two.html")
        assert browser.run('document.querySelectorAll("button, .pager, li[hidden]").length') == 0
        assert browser.run(f"{COLUMN}.length") == 6
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


def test_dark_is_for_screens_and_paper_is_light(browser, pages):
    colour = "getComputedStyle(document.body).backgroundColor"
    browser.open(pages / "two.html", scheme="dark")
    assert browser.run(colour) == "rgb(21, 23, 26)"
    browser.media(scheme="dark", kind="print")
    assert browser.run(colour) == "rgb(255, 255, 255)"


def test_what_data_smuggles_in_does_not_run(browser, pages):
    browser.open(pages / "hostile.html")
    assert browser.run("window.harmed === undefined") is True
    assert browser.run('document.querySelectorAll("script").length') == 1
    # Even a script that came into the page would not run: the policy names one.
    browser.run(
        "(() => { const one = document.createElement('script');"
        "one.textContent = 'window.harmed = 1'; document.body.append(one); })()"
    )
    assert browser.run("window.harmed === undefined") is True
