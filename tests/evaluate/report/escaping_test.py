"""Names, captions and files of others are text on every page, and never more than that."""

from html.parser import HTMLParser

import pytest

from mat_jax.cli import main
from mat_jax.evaluate import compare
from mat_jax.evaluate.report import draw_page
from mat_jax.evaluate.report.script import SCRIPT
from mat_jax.evaluate.transfer import columns
from tests.evaluate.report.hostile import HOSTILE, hostile
from tests.made_up import made_up

# What the page itself is made of.
TAGS = set(
    "html head meta title style body header main footer section article details summary h1 h2 h3 "
    "h4 p b i a small del ins ul ol li dl dt dd div span figure figcaption img table caption thead "
    "tbody tr th td svg g line rect text polyline path circle defs image use script".split()
)
ADDRESSES = (
    "data:image/png;base64,",
    "data:image/jpeg;base64,",
    "data:text/csv;",
    "data:application/x-tex;",
    "#p",
)


class Found(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.words = [], [], [], []
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        (self.scripts if self.inside == "script" else self.words).append(data)

    def handle_endtag(self, tag):
        self.inside = ""


def harmless(text, addresses=ADDRESSES):
    """The page, whose every element is one of ours, with no handler and no foreign address."""
    found = Found(text)
    assert set(found.tags) - {"title"} <= TAGS
    assert found.scripts == [SCRIPT] and found.tags.count("style") == 1
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    for name, value in found.attributes:
        if name in ("href", "src"):
            assert (value or "").startswith(addresses), name
    return found


@pytest.fixture(scope="module")
def results():
    return {name: hostile(name) for name in HOSTILE[:2]}


def test_the_report(results):
    found = harmless(draw_page(results))
    words = " ".join(found.words)
    for text in HOSTILE:
        assert text in words


def test_transfers():
    names = (HOSTILE[1], HOSTILE[2])
    matrix = {a: {b: made_up(b, 0.3, images=8) for b in names} for a in names}
    found = harmless(draw_page(columns(matrix), matrix))
    assert all(any(name in word for word in found.words) for name in names)


def test_runs_read_back_from_folders_with_such_names(tmp_path, capsys):
    folders = []
    for n, name in enumerate((HOSTILE[1], HOSTILE[3])):
        folder = tmp_path / f"<b onclick=x>'\"{n} &amp;#"
        compare({name: hostile(name)}, folder)
        folders.append(str(folder))
    page = tmp_path / "page.html"
    assert main(["report", *folders, "--out", str(page)]) == 0
    found = harmless(page.read_text(), (*ADDRESSES, "%3Cb%20onclick"))
    assert sum(n == "href" and v.startswith("%3C") for n, v in found.attributes) > 2
    capsys.readouterr()
