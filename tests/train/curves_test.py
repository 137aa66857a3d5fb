"""Curves of runs, drawn from their metrics."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from mat_jax.train.curves import read_metrics, write_curves


def run(folder, steps, **more):
    folder.mkdir()
    lines = [{"step": n, "loss": 10.0 - n, "time": 1e9 + n, **more} for n in range(1, steps + 1)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + '{"step": 9')  # cut in half
    return folder


def charts(page):
    """Title -> the number of lines and of their points."""
    found = {}
    for svg in re.findall(r"<svg.*?</svg>", page.read_text(), re.S):
        tree = ET.fromstring(svg)
        words = [one.text for one in tree.iter() if one.tag.endswith("text")]
        ways = [one.get("points") for one in tree.iter() if one.tag.endswith("polyline")]
        found[words[0]] = [len((way or "").split()) for way in ways]
    return found


def test_every_figure_has_a_chart_and_every_run_a_line(tmp_path):
    one, other = run(tmp_path / "one", 5, lr=0.5), run(tmp_path / "other", 3)
    drawn = charts(write_curves({"one": one, "other": other}, tmp_path / "curves.html"))
    assert drawn == {"loss": [5, 3], "lr": [5, 0]}  # the clock is no figure


def test_many_steps_are_drawn_by_means_and_what_is_no_number_is_left_out(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    lines = [{"step": n, "loss": None if n == 3 else float(n)} for n in range(1, 1002)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(read_metrics(folder / "metrics.jsonl")) == 1001
    assert charts(write_curves({"one": folder}, tmp_path / "curves.html")) == {"loss": [334]}


def test_names_are_escaped_and_no_steps_are_refused(tmp_path):
    page = write_curves({"<script>x": run(tmp_path / "one", 2)}, tmp_path / "curves.html")
    assert "<script>" not in page.read_text() and "&lt;script&gt;x" in page.read_text()
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "metrics.jsonl").touch()
    with pytest.raises(ValueError, match="no step was written yet in .*none"):
        write_curves({"none": tmp_path / "none"}, tmp_path / "curves.html")
