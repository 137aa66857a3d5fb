"""Figures, files and tables of results that were made up."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from mat_jax.attacks import ThreatModel
from mat_jax.evaluate import compare
from mat_jax.evaluate.protocol import protocol_of
from mat_jax.evaluate.results import eps_text
from mat_jax.evaluate.tables import format_cautions, format_table
from tests.made_up import made_up


@pytest.fixture(scope="module")
def results():
    return {"before": made_up("before", 0.02), "after": made_up("after", 0.5, seed=1)}


@pytest.mark.parametrize(
    "eps, text",
    [(2 / 255, "2/255"), (0.0, "0/255"), (1.0, "255/255"), (0.03, "0.03"), (8 / 255, "8/255")],
)
def test_eps_reads_as_people_write_it(eps, text):
    assert eps_text(eps) == text


def test_every_figure_follows_from_the_saved_ranks(results, tmp_path):
    compare(results, tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    ranks = np.load(tmp_path / "ranks.npz")
    assert [m["model"] for m in content["models"]] == ["before", "after"]
    for model in content["models"]:
        clean = [ranks[name] for name in model["rows"][0]["ranks"]]
        for row in model["rows"]:
            for side, before, name in zip(("tr", "ir"), clean, row["ranks"], strict=True):
                after, found = ranks[name], row["figures"]
                for k in (1, 5, 10):
                    one = found[f"{side}@{k}"]
                    assert one["value"] == pytest.approx(100 * np.mean(after <= k), rel=1e-5)
                    assert one["low"] <= one["value"] <= one["high"] and one["n"] == len(after)
                    if row["attack"] == "none":
                        continue
                    right = before <= k
                    asr = found[f"{side}_asr@{k}"]
                    assert asr["value"] == pytest.approx(100 * np.mean(after[right] > k), rel=1e-5)
                    assert asr["n"] == right.sum()
                    points = 100 * (np.mean(right) - np.mean(after <= k))
                    assert found[f"{side}_drop@{k}"]["value"] == pytest.approx(points, abs=1e-3)
                    share = points / np.mean(right)
                    assert found[f"{side}_lost@{k}"]["value"] == pytest.approx(share, abs=1e-3)


def test_checks_are_written_down_and_the_flagged_ask_for_care(results, tmp_path):
    compare(results, tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    written = content["models"][0]["checks"]
    assert [check["verdict"] for check in written] == ["passed", "flagged", "not applicable"]
    cautions = results["before"].cautions
    assert cautions[:-1] == results["before"].flags
    assert cautions[-1] == "<steps>: before & more steps break more."


def test_every_number_stands_with_its_protocol(results, tmp_path):
    compare(results, tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["unit"] == "percent" and "Wilson" in content["intervals"]
    for model in content["models"]:
        for row in model["rows"]:
            protocol = row["protocol"]
            for name in ("model", "gallery", "images", "captions", "preset", "seed", "versions"):
                assert name in protocol
            if row["attack"] in ("pgd", "sep", "co_attack", "sga"):
                assert protocol["eps"] == pytest.approx(2 / 255, rel=1e-5)
                assert {"norm", "steps"} <= set(protocol)
            if row["attack"] in ("bert_attack", "sep", "co_attack", "sga"):
                assert {"words", "candidates"} <= set(protocol)


def test_json_has_no_nan(tmp_path):
    blind = made_up("blind", 0.5)
    blind.clean.ranks["tr"][:] = 9  # nothing right when clean: shares of it do not exist
    compare({"blind": blind}, tmp_path)

    def refuse(name):
        raise AssertionError(name)

    content = json.loads((tmp_path / "results.json").read_text(), parse_constant=refuse)
    assert content["models"][0]["rows"][-1]["figures"]["tr_asr@1"]["value"] is None
    assert math.isnan(blind.figures(blind.row("sga"))["tr_lost@1"]["value"])


def test_table_holds_the_models_side_by_side(results):
    lines = format_table(results).splitlines()
    assert "before" in lines[1] and "after" in lines[1]
    names = [line.split()[0] for line in lines[3:-1]]
    assert names == ["none", "pgd", "bert_attack", "sep", "co_attack", "sga"]
    sga = next(line for line in lines if line.startswith("sga")).split()
    expected = [results[n].figures(results[n].row("sga"))["tr@1"]["value"] for n in results]
    assert [float(sga[1]), float(sga[4])] == pytest.approx(expected, abs=0.05)
    assert max(map(len, lines)) <= 100


def test_the_first_line_tells_of_all_steps(results):
    one = results["before"]
    assert "linf eps=2/255, 10 steps; 1 word(s)" in format_table({"one": one}).splitlines()[0]
    few = replace(one.row("pgd"), protocol={**one.row("pgd").protocol, "steps": 1})
    blind = protocol_of("square", ThreatModel(steps=3), "strict", 40, {})
    blind = replace(one.row("pgd"), attack="square", protocol=blind)
    rows = [few if row.attack == "pgd" else row for row in one.rows]
    told = format_table({"one": replace(one, rows=(*rows, blind))})
    # Square tries fifty proposals for each step, and takes none.
    assert "2/255, 10 steps (pgd: 1 step, square: 150 proposals); 1 word(s)" in told
    assert "steps" not in blind.protocol


def test_cautions_are_said_of_whom_they_are(results):
    one = results["before"]
    flagged = "note: <steps>: before & more steps break more."
    assert format_cautions({"one": one}).splitlines() == [f"note: {one.flags[0]}", flagged]
    both = format_cautions(results)
    assert both.startswith("note: before: ") and "note: after: <steps>: " in both


def test_several_eps_make_several_tables():
    text = format_table({"one": made_up("one", 0.2, eps=(2 / 255, 4 / 255))})
    assert "eps=2/255" in text and "eps=4/255" in text and text.count("sga") == 2


def test_what_cannot_stand_side_by_side_is_refused(results, tmp_path):
    other = made_up("other", 0.1, images=20)
    with pytest.raises(ValueError, match="another gallery"):
        compare({"before": results["before"], "other": other}, tmp_path)
    more = made_up("more", 0.1, eps=(2 / 255, 4 / 255))
    with pytest.raises(ValueError, match="other attacks"):
        compare({"before": results["before"], "more": more}, tmp_path)
    with pytest.raises(ValueError, match="nothing to compare"):
        compare({}, tmp_path)
    assert not list(tmp_path.iterdir())
