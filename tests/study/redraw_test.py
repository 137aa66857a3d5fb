"""Tables and figures, from made-up results alone."""

import json
import re
import shutil
import xml.etree.ElementTree as xml

import numpy as np
import pytest
from PIL import Image

from experiments.study import command, found, ours, plot, saved, studies, tables
from experiments.study.plan import RESULTS
from experiments.study.saved import spread
from tests.study.kept import asked, keep
from tests.tools.narrow import some


@pytest.fixture
def results(tmp_path):
    for key in ("main/clip-none", "main/clip-mat", "main/clip-mava", "budget/original"):
        for seed in range(1 if key.endswith("none") else 3):
            left = {"sga": 10.0 + seed, "none": 90.0} if "none" not in key else {"sga": 0.0}
            keep(tmp_path, key, left, seed=seed, trained="none" not in key)
    chosen = ("beyond/val-mat", "beyond/val-wide", "beyond/val-soup_two")
    for name in (*chosen, f"beyond/test-{ours.CHOSEN[0]}"):
        keep(tmp_path, name, {"sga": 20.0, "none": 80.0})
    for name in ("strategies/image_first", "mava/neighbours_0", "mava/no_sca", "counts/texts_2"):
        keep(tmp_path, name, {"sga": 14.0})
    return tmp_path


def test_one_command_draws_all_again_and_the_same(results, capsys):
    assert command.main(["--redraw", "--results", str(results)]) == 0
    page = (results / "README.md").read_text()
    figures = {file.name: file.read_bytes() for file in (results / "figures").iterdir()}
    named = re.findall(r"\]\(figures/([^)]+)\)", page)
    assert sorted(named) == sorted(figures) and len(figures) >= 4
    for text in figures.values():
        xml.fromstring(text)
    # TR@1 under SGA of three seeds, 10, 11 and 12: their mean, the best of the column.
    row = next(line for line in page.splitlines() if line.startswith("| MAT |"))
    assert "**11.0 ± 1.0**" in row
    assert "| none | 1 |" in page and "scenes/test: 100 images, 500 captions" in page
    assert "linf 6/255, 10 steps, 1 word of 10 candidates" in page
    # Of three defences, seven runs of 3 minutes' training and 2 of evaluation, one without seeds.
    told = (
        "`python -m experiments.study --only main --seeds 3`: 7 of its runs, 21 min of training and"
    )
    assert f"{told} 14 min of evaluation. On A Processor" in page
    # What is ours stands beside what is published, and among itself where it was chosen.
    own = page[page.index("## Settings of our own") :]
    chosen, beside = own.split("**scenes-clip: on the test scenes")
    title = ours.BEYOND[ours.CHOSEN[0]][0]
    # What others trained for a soup is no time of its own: 3 minutes each of the other two.
    assert "3 of its runs, 6 min of training and 6 min of evaluation." in chosen
    assert "| MAT, radius 9/255 | 1 | **80.0** |" in chosen and "| MAVA |" not in chosen
    assert "| MAVA | 3 |" in beside and f"| {title} | 1 | 80.0 |" in beside
    assert {"beyond-clip-sga.svg", "beyond-clip-worst_case.svg"} <= set(figures)
    # MAVA's table 4 both ways, its sizes as lines; partners by number, in figures and in a table.
    parts = page[page.index("## MAVA's parts") : page.index("## More pairs")]
    assert "| TR@1 | seeds |" in parts and "| IR@1 | seeds |" in parts
    assert parts.count("| without SCA | 1 | 50.0 |") == 2
    counts = page[page.index("## How many partners") :]
    assert "| 1 partner text | 1 |" in counts and "figures/counts-texts.svg" in counts
    (results / "README.md").unlink()
    assert command.main(["--redraw", "--results", str(results)]) == 0
    assert (results / "README.md").read_text() == page
    assert {f.name: f.read_bytes() for f in (results / "figures").iterdir()} == figures


def test_captions_are_shown_beside_what_agrees_of_them(results):
    figures = {"none": 68.25, "away_from_own": 12.5}
    keep(
        results,
        "captioning/none",
        {},
        trained=False,
        attacks={name: {"agreement": f, "true": f / 5} for name, f in figures.items()},
        written={"none": ["a red house", "a bird"], "away_from_own": ["a tower", "a cup"]},
        protocol={
            "gallery": "scenes/test",
            "images": 100,
            "captions": 100,
            "preset": "strict",
            "chance": 24.5,
        },
        threat={"sga": {"norm": "linf", "eps_text": "6/255", "steps": 10}},
    )
    assert command.main(["--redraw", "--results", str(results)]) == 0
    page = (results / "README.md").read_text()
    section = page[page.index("## Captions under attack") :]
    assert "| claims and things that agree, in % | seeds | clean | away from own |" in section
    assert "| none | 1 | 68.2 | 12.5 |" in section and "| none | 1 | 13.7 | 2.5 |" in section
    assert "| none | a red house | a tower |" in section
    assert "to 24.5 %" in section


def test_machines_are_named_once_each(results):
    machine = {"processor": "B Processor", "cores": 4, "device": "cpu"}
    keep(results, "main/clip-mat", {"sga": 11.0}, seed=2, machine=machine)
    assert command.main(["--redraw", "--results", str(results)]) == 0
    page = (results / "README.md").read_text()
    named = "On A Processor, 2 cores (cpu); B Processor, 4 cores (cpu)."
    lines = [line for line in page.splitlines() if named in line]
    assert lines and all(line.count("100 images") == 1 for line in lines)


def test_the_page_and_the_figures_of_this_repository_are_those_of_its_files(tmp_path, monkeypatch):
    """Neither is older than the results, and no figure is left of what is no longer drawn."""
    kept = RESULTS
    for file in kept.rglob("*.json"):
        copy = tmp_path / file.relative_to(kept)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    # Pictures are of scenes, which are drawn with the first training; here their names do.
    monkeypatch.setattr(found.data, "load_scenes", lambda *_, **__: None)
    monkeypatch.setattr(found, "strip", lambda *_: Image.new("RGB", (1, 1)))
    assert command.main(["--redraw", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "README.md").read_text() == (kept / "README.md").read_text()
    drawn, shown = ({f.name: f for f in (of / "figures").iterdir()} for of in (tmp_path, kept))
    assert drawn.keys() == shown.keys()
    for name, file in drawn.items():
        assert name.endswith(".png") or file.read_text() == shown[name].read_text(), name


def test_results_of_other_settings_are_left_out_and_named(results, capsys):
    line = ["--results", str(results)]
    assert command.main(["--redraw", *line]) == 0
    page, _ = (results / "README.md").read_text(), capsys.readouterr()
    other = {**asked("main/clip-mat", 3)["settings"], "limit": 20}
    slow = {"training": 900.0, "evaluation": 0.0}
    keep(results, "main/clip-mat", {"sga": 99.0}, seed=3, settings=other, minutes=slow)
    made = [*asked("augmentations/eda", 0)["manifest"][:-1], "langrw"]
    keep(results, "augmentations/eda", {"sga": 99.0}, manifest=made)
    keep(results, "main/of-another-day", {"sga": 99.0})
    assert command.main(["--redraw", *line]) == 0
    assert (results / "README.md").read_text() == page
    said = capsys.readouterr().err
    names = {"main/clip-mat-3", "augmentations/eda-0", "main/of-another-day-0"}
    assert said.startswith("left out, of other settings: ") and said.count("\n") == 1
    assert set(said.partition(": ")[2].strip().split(", ")) == names
    # Nor does it say how long a run takes: the others took 5 minutes.
    assert command.main(["--list", "--only", "main/clip-mat", "--seeds", "4", *line]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[3].split() == ["main/clip-mat-3", "to", "do", "~5", "min"]


def test_what_others_trained_is_not_time_of_the_run(tmp_path):
    for name, ingredients in (("a", []), ("b", ["main/a"])):
        keep(tmp_path, f"main/{name}", {}, ingredients=ingredients)
    shelf = saved.read(tmp_path)
    assert [shelf.of(f"main/{name}")[0].minutes for name in "ab"] == [5.0, 2.0]


def test_what_no_run_says_it_trained_is_said_once_by_those_that_measure_it(tmp_path):
    for name in ("any-none", "true-none"):
        keep(tmp_path, f"grounding/{name}", {}, ingredients=["beyond/of-none"])
    runs = [run for run in studies.grounding() if run.name.endswith("-none")]
    said = tables.protocol(saved.read(tmp_path), runs)
    assert "3 min of training and 4 min of evaluation." in said
    keep(tmp_path, "beyond/of-none", {})
    said = tables.protocol(saved.read(tmp_path), runs)
    assert "0 s of training and 4 min of evaluation." in said


def test_damaged_measures_are_named(tmp_path):
    file = saved.measures_file(tmp_path, "eda")
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(ValueError, match=r"eda.json is not JSON .*: restore it"):
        saved.measures(tmp_path, "eda")


def test_a_damaged_result_is_named(results, capsys):
    file = results / "main/clip-mat-0.json"
    file.write_text(file.read_text()[:40])
    assert command.main(["--redraw", "--results", str(results)]) == 2
    assert "clip-mat-0.json is not JSON" in capsys.readouterr().err


def test_a_spread_needs_two():
    assert str(spread([10.0, 12.0, 14.0])) == "12.0 ± 2.0"
    assert str(spread([10.0])) == "10.0" and str(spread([])) == "–"


def test_a_table_is_markdown():
    assert tables.table(["a", "b"], [["1", "x|y"]]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"


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


def test_the_right_picture_is_framed_blue_and_the_others_red():
    class Gallery:
        def __getitem__(self, index):
            return type("Example", (), {"image": np.full((4, 4, 3), index, np.uint8)})

    told = {"image": 3, "caption": "a", "attacked": "b", "sga": [7, 3, 1, 2, 0], "clean": []}
    one = saved.Saved({"neighbours": [told]})
    sheet = np.asarray(found.strip(Gallery(), one, 0))
    step, start = found.FRAME * 2 + found.SIDE + found.GAP, 2 * found.GAP
    frames = [tuple(sheet[0, start + n * step]) for n in range(1, 6)]
    assert frames == [found.RED, found.BLUE, found.RED, found.RED, found.RED]
    inside = [sheet[60, n * step + (start if n else 0) + 60, 0] for n in range(6)]
    assert inside == [3, 7, 3, 1, 2, 0]
    assert Image.fromarray(sheet).size[1] == found.SIDE + 2 * found.FRAME


def test_no_two_runs_do_the_same():
    """Whatever studies share is one run, so that nothing is trained or measured twice."""
    seen = {}
    for runs in studies.every().values():
        for run in runs:
            bound = json.dumps(run.bound(), sort_keys=True)
            what = (run.config.name, run.trained, run.mixed, bound)
            assert seen.setdefault(what, run.key) == run.key, (run.key, seen[what])
    assert len(seen) == len({run.key for runs in studies.every().values() for run in runs})


def test_seeds_are_of_trainings():
    runs = studies.chosen(("main",), 3)
    names = [run.file for run in runs]
    assert len(names) == len(set(names)) == 2 * (1 + 3 * 10)
    assert names.count("main/clip-none-0") == 1 and "main/clip-none-1" not in names
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    # One seed of all studies, then the next.
    every = [run.seed for run in studies.chosen((), 2)]
    assert every == sorted(every)
    only = studies.chosen(("main/albef-mat*", "neighbours"), 1)
    assert {run.key for run in only} == {
        "main/albef-mat",
        "main/albef-mat_plus",
        "main/clip-tecoa_itr",
        "main/clip-mat_plus",
    }


def test_photographs_show_the_first_ten_too_but_not_of_the_worst_case(tmp_path):
    """The suite goes on only with what is found first: below that rank it is no worst case."""
    at = {"tr@1": 8.0, "ir@1": 6.0, "tr@10": 41.0, "ir@10": 31.0}
    keep(tmp_path, "photographs/mat", {}, attacks={"sga": at, "none": at, "worst_case": at})
    assert command.main(["--redraw", "--results", str(tmp_path)]) == 0
    page = (tmp_path / "README.md").read_text()
    heads = [line for line in page.splitlines() if "R@" in line and line.startswith("| ")]
    assert [("worst case" in head) for head in heads if "@10" in head] == [False, False]
    assert "worst case" in next(head for head in heads if head.startswith("| TR@1 |"))
    assert page.count("| 41.0 |") == page.count("| 31.0 |") == 2  # clean and SGA
