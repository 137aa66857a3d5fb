"""Tables as files: read back by the readers of such files, whatever signs they hold."""

import csv
import io
import re
from urllib.parse import unquote

import pytest

from mat_jax.evaluate.report.table import Cell, Table, as_csv, as_latex, drawn, latex
from tests.evaluate.report.hostile import HOSTILE


@pytest.fixture
def table():
    return Table(
        name="Under <attack>, 50 %",
        heads=["attack", "TR@1", "lost", "TR@1", "lost"],
        lines=[
            [
                Cell(text="a & b"),
                *(
                    Cell(text="47.5", value=47.4567891, small="33–62", bounds=(33.25, 62.125)),
                    Cell(text="–", value=float("nan")),
                )
                * 2,
            ],
            [Cell(text='=1+"2"'), *(Cell(text="-1.0", value=-1.0), Cell(text="1 / 2 %")) * 2],
        ],
        groups=[("one", 2), ("two, too", 2)],
        strong=frozenset({1}),
    )


def test_csv_is_read_back_with_all_digits_and_bounds(table):
    lines = list(csv.DictReader(io.StringIO(as_csv(table))))
    assert float(lines[0]["one TR@1"]) == pytest.approx(47.4567891, rel=1e-5)
    assert (lines[0]["two, too TR@1 low"], lines[0]["two, too TR@1 high"]) == ("33.25", "62.125")
    assert lines[0]["attack"] == "a & b" and lines[0]["one lost"] == ""
    assert lines[1]["one TR@1 low"] == "" and lines[1]["one TR@1"] == "-1"
    # A spreadsheet takes it for a text.
    assert lines[1]["attack"] == '\'=1+"2"'


def test_csv_of_any_text_is_one_cell():
    table = Table(
        name="t", heads=["a", "b"], lines=[[Cell(text=s), Cell(text="x")] for s in HOSTILE]
    )
    lines = list(csv.reader(io.StringIO(as_csv(table))))[1:]
    assert [line[0] for line in lines] == [f"'{s}" if s[0] in "=+-@" else s for s in HOSTILE]
    assert [line[1] for line in lines] == ["x"] * len(HOSTILE)


def test_latex_has_as_many_columns_in_each_line(table):
    text = as_latex(table)
    assert text.count(r"\begin{tabular}{lrrrr}") == 1
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    over, *rest = lines
    assert over.count(r"\multicolumn{2}{c}") == 2
    for line in rest:
        assert len(re.findall(r"(?<!\\)&", line)) == 4
    assert r"a \& b" in text and r"\textbf{-1.0}" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_knows_no_command_of_the_data(text):
    """What is left without our own commands has none of the signs that LaTeX reads."""
    plain = latex(text)
    for own in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}"):
        plain = plain.replace(own, "")
    plain = re.sub(r"\\text(less|greater|bar)\{\}|\\[&%$#_{}]", "", plain)
    assert not set(plain) & set("\\&%$#_{}~^")


def test_links_hold_the_files_themselves(table):
    html = drawn(table)
    found = re.findall(r'download="([^"]*)" href="data:([^;]*);charset=utf-8,([^"]*)"', html)
    assert [(name, kind) for name, kind, _ in found] == [
        ("under-attack-50.csv", "text/csv"),
        ("under-attack-50.tex", "application/x-tex"),
    ]
    assert [unquote(text) for _, _, text in found] == [as_csv(table), as_latex(table)]


def test_without_a_script_it_is_a_table_with_named_lines_and_columns(table):
    html = drawn(table)
    assert html.count('<th scope="row"') == 2 and html.count('scope="col"') == 5
    assert html.count('scope="colgroup" colspan="2"') == 2
    assert "<caption>Under &lt;attack&gt;, 50 %</caption>" in html
    assert "<button" not in html and html.count('<tr class="worst">') == 1
