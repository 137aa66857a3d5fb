"""The matrix of surrogates and targets: every cell from its definition."""

import json

import numpy as np
import pytest

from mat_jax.evaluate import __main__ as command
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.tables import format_matrix
from mat_jax.evaluate.transfer import _with_flags, cells, columns
from tests import cheap
from tests.evaluate import runner_test
from tests.evaluate.runner_test import ranks_of
from tests.made_up import made_up
from tests.tools.narrow import some

toys, clip, own_cache = runner_test.toys, runner_test.clip, runner_test.own_cache


@pytest.fixture(scope="module", autouse=True)
def quick_words():
    with pytest.MonkeyPatch.context() as patch:
        cheap.on_words(patch)
        yield


@pytest.fixture(scope="module")
def run(toys, tmp_path_factory):
    """Two tiny CLIPs of other image sizes and tokenizers, each way, from the command line."""
    out = tmp_path_factory.mktemp("matrix") / "report"
    crafted, real = [], Bench.craft

    def craft(self, attack, threat, chosen=None, **more):
        crafted.append(attack)
        return real(self, attack, threat, chosen, **more)

    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAT_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(Bench, "craft", craft)
        compare = command.compare
        patch.setattr(
            command, "compare", lambda *a, **k: found.append(k["matrix"]) or compare(*a, **k)
        )
        both = f"{toys.clip},{toys.other}"
        status = command.main(
            f"--surrogate {both} --model {both} --data {toys.json} --images {toys.images} --mlm "
            f"{toys.bert} --attacks pgd,bert_attack --eps 8/255 --steps 2 --batch-size 4 "
            f"--out {out}".split()
        )
    assert status == 0
    return found[0], crafted, out


def test_every_attack_is_crafted_once_on_each_surrogate(run):
    _, crafted, _ = run
    # Once clean for both targets; and the clean pictures of each at the other's size.
    assert sorted(crafted) == sorted(["none", *2 * ["pgd", "bert_attack", "none"]])


def test_the_diagonal_is_the_white_box(run, toys, clip):
    matrix = run[0]
    own = runner_test.measure(toys, clip, attacks=("none", "pgd", "bert_attack"))
    for row in matrix["clip"]["clip"].rows:
        alone = own.row(row.attack, row.eps)
        assert row.ranks["tr"].tolist() == alone.ranks["tr"].tolist()
        assert row.ranks["ir"].tolist() == alone.ranks["ir"].tolist()
        assert row.captions == alone.captions
        if row.sights is not None:
            np.testing.assert_array_equal(row.sights.images, some(alone.sights).images)
    assert matrix["clip"]["clip"].protocol["crafted_on"] == "the model itself"


def test_off_the_diagonal_a_model_reads_what_the_other_made(run, toys, clip):
    matrix = run[0]
    cell = matrix["other"]["clip"]
    assert cell.protocol["crafted_on"] == "a surrogate"
    assert cell.protocol["surrogate"] == "other"
    # Captions alone are attacked: the model sees its own pictures, and the surrogate's captions.
    row = cell.row("bert_attack")
    assert row.captions == matrix["other"]["other"].row("bert_attack").captions
    assert row.changed > 0.5
    tr, ir = ranks_of(clip, runner_test.clean_images(toys), list(row.captions))
    assert (row.ranks["tr"].tolist(), row.ranks["ir"].tolist()) == (tr, ir)
    # Pictures come at the target's size, near what they were.
    images = cell.row("pgd").sights.images
    assert images.shape[1:] == (16, 16, 3)
    clean = runner_test.clean_images(toys)[list(cell.shown)]
    assert 0 < np.abs(images - clean).mean() < 0.15
    made = matrix["other"]["other"].row("pgd").sights.images
    assert made.shape[1:] == (24, 24, 3)
    # Of a failure both see one attacked picture: the surrogate's, at the surrogate's size.
    here, there = (matrix["other"][name].row("pgd").views for name in ("clip", "other"))
    assert all(
        some(view.picture).shape == (24, 24, 3) for view in (*here.values(), *there.values())
    )
    assert here.keys() & there.keys()
    for place in here.keys() & there.keys():
        np.testing.assert_array_equal(some(here[place].picture), some(there[place].picture))
    # Clean is clean, whatever the surrogate.
    for target in ("clip", "other"):
        one, two = (matrix[name][target].clean.ranks for name in ("clip", "other"))
        assert one["tr"].tolist() == two["tr"].tolist()
    assert any("went through other's image size" in note for note in cell.notes)
    assert not any("image size" in note for note in matrix["other"]["other"].notes)


def test_an_ensemble_is_a_surrogate(toys, tmp_path, capsys):
    """Its attacks are measured on each model, and it is named after its members."""
    asked = (
        f"--data {toys.json} --images {toys.images} --mlm {toys.bert} --attacks pgd,bert_attack "
        f"--eps 8/255 --steps 2 --batch-size 4 --checks 0 --out {tmp_path / 'out'}"
    )
    both = f"{toys.clip}+{toys.other}"
    assert command.main(f"--surrogate {both} --model {toys.clip},{toys.other} {asked}".split()) == 0
    content = json.loads((tmp_path / "out/results.json").read_text())
    names = [model["model"] for model in content["models"]]
    assert names == ["clip from clip+other", "other from clip+other"]
    for model in content["models"]:
        assert model["protocol"]["crafted_on"] == "a surrogate"
    assert command.main(f"--model {both} {asked}".split()) == 2
    assert "is an ensemble, and attacks are measured on models" in capsys.readouterr().err


def test_every_cell_is_written_down(run):
    matrix, _, out = run
    content = json.loads((out / "results.json").read_text())
    names = {"clip", "other", "other from clip", "clip from other"}
    assert {model["model"] for model in content["models"]} == names
    ranks = np.load(out / "ranks.npz")
    for found in content["transfer"]:
        for metric, direction in (("tr@1", "tr"), ("ir@1", "ir")):
            for surrogate, own in found[metric].items():
                for target, value in own.items():
                    name = target if target == surrogate else f"{target}_from_{surrogate}"
                    eps = "" if found["eps"] is None else "_8-255"
                    saved = ranks[f"{name}_{found['attack']}{eps}_{direction}"]
                    assert value == pytest.approx(100 * np.mean(saved <= 1), rel=1e-5)
    attacks = [found["attack"] for found in content["transfer"]]
    assert attacks == ["none", "pgd", "bert_attack", "worst_case"]
    assert 'class="transfer"' in (out / "index.html").read_text()


def test_one_target_without_a_white_box_is_named_after_its_surrogate():
    matrix = {"a": {"c": made_up("c", 0.1)}, "b": {"c": made_up("c", 0.2)}}
    assert list(columns(matrix)) == ["c from a"]
    assert list(cells(matrix)) == ["c from a", "c from b"]
    assert cells(matrix)["c from b"].model == "c from b"


def test_the_table_has_a_row_for_each_surrogate_and_stars_at_white_boxes():
    matrix = {a: {b: made_up(b, 0.4 - 0.3 * (a == b)) for b in "ab"} for a in "ab"}
    tables = format_matrix(matrix).split("\n\n")
    assert [table[:4] for table in tables] == ["TR@1", "IR@1"]
    lines = tables[1].splitlines()
    assert lines[1].split() == ["attack", "crafted", "on", "a", "b"]
    row = next(line.split() for line in lines if line.startswith("sga"))
    white, across = (100 * matrix["a"][b].row("sga").ranks.recall("ir", 1) for b in "ab")
    assert row == ["sga", "a", f"{white:.1f}*", f"{across:.1f}"]
    assert lines[2].split()[0] == "none" and len(lines[2].split()) == 3


def test_a_transfer_that_outdoes_the_white_box_is_flagged():
    strong, weak = (made_up("a", strength, images=400, captions=1) for strength in (0.1, 0.6))
    matrix = _with_flags({"a": {"a": weak}, "b": {"a": strong}})
    assert any(
        "sga at 2/255 does more damage when crafted on b than on the model itself" in flag
        for flag in matrix["a"]["a"].flags
    )
    assert matrix["b"]["a"].flags == strong.flags
    fine = _with_flags({"a": {"a": strong}, "b": {"a": weak}})
    assert fine["a"]["a"].flags == strong.flags


def test_models_of_one_name_are_told_apart():
    assert command._names(["runs/a/export", "scenes-clip", "runs/b/export"]) == {
        "runs/a/export": "a",
        "scenes-clip": "scenes-clip",
        "runs/b/export": "b",
    }
    assert command._names(["runs/a/export", "x"]) == {"runs/a/export": "a", "x": "x"}


def test_several_models_stand_side_by_side(toys, tmp_path, capsys):
    out = tmp_path / "report"
    status = command.main(
        f"--model {toys.clip},{toys.other} --data {toys.json} --images {toys.images} "
        f"--attacks none --limit 4 --out {out}".split()
    )
    assert status == 0
    models = json.loads((out / "results.json").read_text())["models"]
    assert [model["model"] for model in models] == ["clip", "other"]
    assert "clip" in capsys.readouterr().out
