"""`mat-jax report`: what was saved is read back as it was, and runs stand side by side."""

import dataclasses
import json
import math

import numpy as np
import pytest

from mat_jax.cli import main
from mat_jax.evaluate import compare
from mat_jax.evaluate.saved import read_saved
from tests.made_up import made_up


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for name, strength, seed in (("weak <i>", 0.2, 1), ("strong", 0.7, 2)):
        own = root / ("a" if seed == 1 else "b") / "report"
        compare({name: made_up(name, strength, seed=seed)}, own)
    return root


def test_read_back_is_what_was_written(folders):
    (saved,) = read_saved(folders / "a")
    result = made_up("weak <i>", 0.2, seed=1)
    assert [row.name for row in saved.result.rows] == [row.name for row in result.rows]
    for found, row in zip(saved.result.rows, result.rows, strict=True):
        for kind in row.ranks.kinds:
            assert np.array_equal(found.ranks[kind], row.ranks[kind])
            assert np.array_equal(found.ranks.owners[kind], row.ranks.owners[kind])
        told, figures = saved.result.figures(found), result.figures(row)
        assert set(told) == set(figures)
        for name, one in figures.items():
            for key, value in one.items():
                same = math.isnan(value) and math.isnan(told[name][key])
                assert same or told[name][key] == pytest.approx(value, rel=1e-5), (name, key)


def test_runs_that_are_alike_stand_side_by_side(folders, tmp_path, capsys):
    page = tmp_path / "both.html"
    assert main(["report", str(folders / "a"), str(folders / "b"), "--out", str(page)]) == 0
    assert "side by side" in capsys.readouterr().out
    html = page.read_text()
    assert "weak &lt;i&gt;" in html and "weak <i>" not in html
    links = {link.partition('"')[0] for link in html.split('href="')[1:]}
    links = {link for link in links if not link.startswith("data:")}
    assert len(links) == 2 and "<svg" in html
    assert all((tmp_path / link).resolve().is_file() for link in links)


def test_others_stand_in_one_table(folders, tmp_path, capsys):
    other = dataclasses.replace(made_up("fewer", 0.5, images=30))
    compare({"fewer": other}, tmp_path / "c")
    page = tmp_path / "all.html"
    assert main(["report", str(folders / "a"), str(tmp_path / "c"), "--out", str(page)]) == 0
    said = capsys.readouterr()
    assert "in one table" in said.out and "was measured on other data" in said.err
    html = page.read_text()
    clean = json.loads((tmp_path / "c/results.json").read_text())["models"][0]["rows"][0]
    assert f"TR@1 {clean['figures']['tr@1']['value']:.1f}" in html and "<svg" not in html


def with_setting(result, **settings):
    """The same result under another threat."""
    rows = [
        dataclasses.replace(row, protocol={**row.protocol, **settings})
        if row.eps is not None
        else row
        for row in result.rows
    ]
    return dataclasses.replace(result, rows=tuple(rows))


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"norm": "l2"}, "norm of pgd is l2 here and linf there"),
        ({"steps": 20}, "steps of pgd is 20 here and 10 there"),
        ({"words": 2}, "words of sep is 2 here and 1 there"),
    ],
)
def test_other_threats_do_not_stand_side_by_side(folders, tmp_path, capsys, settings, said):
    other = with_setting(made_up("other", 0.5), **settings)
    if "words" in settings:  # PGD changes none
        rows = [r if r.attack != "pgd" else made_up("other", 0.5).row("pgd") for r in other.rows]
        other = dataclasses.replace(other, rows=tuple(rows))
    compare({"other": other}, tmp_path / "c")
    page = tmp_path / "page.html"
    assert main(["report", str(folders / "a"), str(tmp_path / "c"), "--out", str(page)]) == 0
    printed = capsys.readouterr()
    assert said in printed.err and "in one table" in printed.out
    # The page says it too, and gives no difference.
    html = page.read_text()
    assert said in html and "More right than" not in html and "<svg" not in html
    with pytest.raises(ValueError, match=said):
        compare({"one": made_up("one", 0.5), "other": other}, tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_setting_that_an_older_file_lacks_keeps_nothing_apart(folders, tmp_path, capsys):
    old = made_up("old", 0.5)
    rows = [
        dataclasses.replace(row, protocol={k: v for k, v in row.protocol.items() if k != "norm"})
        for row in old.rows
    ]
    compare({"old": dataclasses.replace(old, rows=tuple(rows))}, tmp_path / "c")
    page = str(tmp_path / "page.html")
    assert main(["report", str(folders / "a"), str(tmp_path / "c"), "--out", page]) == 0
    assert "side by side" in capsys.readouterr().out


def test_a_folder_without_results(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "has no results.json" in capsys.readouterr().err
    (tmp_path / "results.json").write_text('{"models": [{}]}')
    assert main(["report", str(tmp_path)]) == 2
    assert "cannot be read back" in capsys.readouterr().err
