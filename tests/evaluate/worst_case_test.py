"""The worst case of whole evaluations: a gallery whose ranks are known, and tiny models."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax import attacks, data, evaluate
from mat_jax.attacks import ThreatModel
from mat_jax.attacks.ensembles import ENSEMBLES, Member, damage
from mat_jax.data import Corpus, Example
from mat_jax.evaluate import __main__ as command
from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.tasks.cosine_ranks import both_ways
from mat_jax.evaluate.tasks.retrieval import Pairs
from mat_jax.evaluate.worst_case import worst_of
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.text_format import TextFormat
from tests import cheap
from tests.evaluate import runner_test
from tests.made_up import made_up
from tests.tools.narrow import host, some

toys, clip, own_cache = runner_test.toys, runner_test.clip, runner_test.own_cache

NUMBERS = ("zero", "one", "two", "three", "four", "five")
FORMAT = TextFormat(1, 2, 0, 6)


class Greys:
    """Six grey pictures, number i at level i/10, each called by its number twice."""

    name = "greys"

    def __len__(self):
        return len(NUMBERS)

    def __getitem__(self, i):
        level = np.full((2, 2, 3), round(25.5 * i), np.uint8)
        return Example(level, (NUMBERS[i], f"{NUMBERS[i]} again"), i)


class Read:
    """A tokenizer that knows numbers."""

    text_format = FORMAT

    def parts(self, word):
        return [10 + NUMBERS.index(word) if word in NUMBERS else 3]

    def __call__(self, captions, /, *, clean=None):
        return read(captions)


def read(captions):
    ids = np.zeros((len(captions), FORMAT.length), np.int32)
    for row, text in zip(ids, captions, strict=True):
        words = [10 + NUMBERS.index(w) if w in NUMBERS else 3 for w in text.split()]
        row[: len(words) + 2] = [FORMAT.start, *words, FORMAT.end]
    return Tokens(host(ids), host(ids > 0))


class Reader(nnx.Module):
    """Puts a grey and a number at the same angle: level 0.1 i and number i at 0.1 i."""

    vision = SimpleNamespace(dtype=np.dtype("float32"))

    def __init__(self):
        self.one = nnx.Param(jnp.ones(()))
        self.text_format = FORMAT

    config = SimpleNamespace(image_size=2)
    pixels = SimpleNamespace(fit="crop")

    @property
    def scale(self):
        return self.one[...]

    def _at(self, angle):
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1) * self.one[...]

    def encode_image(self, images):
        found = self._at(jnp.mean(images, axis=(1, 2, 3)))
        return ImageFeatures(found[:, None], found)

    def encode_text(self, tokens, shift=None, /):
        number = jnp.max(jnp.where(tokens.ids >= 10, tokens.ids - 10, 0), axis=1)
        found = self._at(number.astype(jnp.float32) / 10)
        return TextFeatures(found[:, None], found, tokens.mask)


def moving(goals, traced):
    """An attack that gives images of these ids another level, and leaves the others alone."""

    def attack(model, batch, key, *, threat, preset):
        traced.append(batch.images.shape)
        images = batch.images
        for identity, level in goals.items():
            mine = (batch.ids == identity)[:, None, None, None]
            images = jnp.where(mine, jnp.float32(level), images)
        return attacks.no_attack(model, batch, key, threat=threat)._replace(images=images)

    return attack


@pytest.fixture
def asked(monkeypatch):
    """(attack, rows) of every attack crafted."""
    found, real = [], Bench.craft

    def craft(self, attack, threat, chosen=None, **more):
        found.append((attack, None if chosen is None else chosen.tolist()))
        return real(self, attack, threat, chosen, **more)

    monkeypatch.setattr(Bench, "craft", craft)
    return found


def planned(monkeypatch, plan):
    """A suite of fake attacks; returns the shapes they were compiled for."""
    shapes = {}
    for name, goals in plan.items():
        shapes[name] = []
        fake = attacks.ATTACKS[name]._replace(function=moving(goals, shapes[name]))
        monkeypatch.setitem(attacks.ATTACKS, name, fake)
    monkeypatch.setitem(ENSEMBLES, "quick", tuple(Member(name, 1) for name in plan))
    return shapes


def greys(**settings: Any):
    corpus = Corpus.prepare(Greys(), Read(), image_size=2)
    given: dict[str, Any] = {"attacks": (), "suite": "quick", "batch_size": 4, "shown": 6}
    given.update({"eps": 1.0, **settings})
    asked = evaluate.Evaluation(data=Greys(), mlm="none", **given)
    victim = evaluate.Victim(Reader(), Read(), Pairs(corpus))
    return evaluate.evaluate(asked, Reader(), Read(), victim=victim, quiet=True)


def test_a_suite_attacks_what_stands_in_fixed_shapes_and_keeps_the_worst(monkeypatch, asked):
    plan = {
        # 0 and 1 go beyond 5: both queries of each of them fall. 2 goes near 3: it falls, and so
        # do its captions (3 is nearer to them than 2 is). 3 itself is still nearest to 3.
        "fgsm": {0: 0.55, 1: 0.56, 2: 0.31},
        # 2 is not asked again, 3 falls; 4 moves, and is still the nearest to itself.
        "pgd": {2: 0.2, 3: 0.0, 4: 0.42},
        "apgd": {4: 0.1, 5: 0.1},
        "square": {0: 0.0},
    }
    shapes = planned(monkeypatch, plan)
    result = greys()
    assert asked == [
        ("none", None),
        ("fgsm", [0, 1, 2, 3, 4, 5]),
        ("pgd", [3, 4, 5]),
        ("apgd", [4, 5]),
    ]
    # Two batches of four, one of three filled up, one of two: one shape, so compiled once.
    assert shapes == {"fgsm": [(4, 2, 2, 3)], "pgd": [(4, 2, 2, 3)], "apgd": [(4, 2, 2, 3)]} | {
        "square": []
    }
    row = some(result.worst())
    assert row is result.rows[-1] and row.name == "worst_case_255-255"
    levels = some(row.sights).images.mean(axis=(1, 2, 3))
    # Of 3 the second attack's point is kept, of 4 and 5 the third's, of the others the first's.
    wanted = [0.55, 0.56, 0.31, 0.0, 0.1, 0.1]
    np.testing.assert_allclose(levels, wanted, atol=1e-3)
    # So are the pictures of the failures, each with the attack that made it and what it changed.
    assert sorted(row.views) == list(range(6))
    makers = ["fgsm", "fgsm", "fgsm", "pgd", "apgd", "apgd"]
    assert [row.views[i].attack for i in range(6)] == makers
    for i, level in enumerate(wanted):
        grey = some(row.views[i].picture).astype(int)
        assert (abs(grey - 255 * level) <= 0.5).all() and grey.shape == (2, 2, 3)
        # Clean is 0.1 i and eps is 1, so that black is 1 below and white is 1 above.
        wanted_change = 127.5 + 127.5 * (level - 0.1 * i)
        assert (abs(some(row.views[i].difference).astype(int) - wanted_change) <= 1).all()
    assert result.clean.ranks["tr"].tolist() == [1] * 6
    assert row.ranks.recall("tr", 1) == 0 and row.ranks.recall("ir", 1) == 0
    # Picture 0 at 0.55 has the two captions of all five others nearer than its own.
    assert row.ranks["tr"][0] == 11
    told = [(one["attack"], one["attacked"]) for one in row.protocol["members"]]
    assert told == [("fgsm", 6), ("pgd", 3), ("apgd", 2), ("square", 0)]
    assert row.protocol["suite"] == "quick"


def test_the_worst_case_is_no_better_than_any_of_its_galleries(monkeypatch, asked):
    """One attack in full, another as a suite on what that leaves: worse than either alone."""
    plan = {"fgsm": {0: 0.3, 1: 0.3, 5: 0.0}, "pgd": {2: 0.0, 3: 0.0, 5: 0.45}}
    planned(monkeypatch, plan)
    both = greys(attacks=("fgsm", "pgd"), suite=None)
    monkeypatch.setitem(ENSEMBLES, "quick", (Member("pgd", 7),))
    suite = greys(attacks=("fgsm",))
    for result in (both, suite):
        worst = some(result.worst())
        for row in result.rows[:-1]:
            assert (worst.ranks["tr"] >= row.ranks["tr"]).all()
            assert (worst.ranks["ir"] >= row.ranks["ir"]).all()
            assert (some(worst.rounded)["ir"] >= (row.rounded or row.ranks)["ir"]).all()
    # A failure looks as it did in the row that did it the most damage.
    rows = both.rows[:-1]
    harm = [damage(*row.ranks.flat, 6) for row in rows]
    views = some(both.worst()).views
    assert sorted(views) == sorted(failing(some(both.worst()).ranks))
    for i, view in views.items():
        most = max(tuple(one[i]) for one in harm)
        first = next(row for row, one in zip(rows, harm, strict=True) if tuple(one[i]) == most)
        assert view.attack == first.attack
        if first.attack != "none":
            np.testing.assert_array_equal(some(view.picture), some(first.views[i].picture))
    # Measured in full, both on all images, it is the maximum and nothing else.
    for side in ("tr", "ir"):
        members = [row.ranks[side] for row in both.rows[:-1]]
        assert some(both.worst()).ranks[side].tolist() == np.max(members, axis=0).tolist()
    # The suite goes on from the rows: 5, which fell under the first, is not attacked again.
    assert 5 not in asked[-1][1] and asked[-1][0] == "pgd"
    assert some(some(suite.worst()).sights).images[5].mean() == pytest.approx(0.0, abs=1e-3)


def test_a_suite_says_nothing_of_ranks_it_was_not_after(monkeypatch, asked):
    """Who fell to rank 2 is attacked no more, so R@5 of the worst case would be too high."""
    planned(monkeypatch, {"fgsm": {0: 0.12}, "pgd": {0: 0.55}})
    row = some(greys().worst())
    # Image 0 at 0.12 has the captions of 1 before its own, and is then left alone by the second.
    assert asked[-1] == ("pgd", [1, 2, 3, 4, 5])
    assert row.depths == (1,)
    result = greys()
    found = result.figures(some(result.worst()))
    assert found["tr@1"]["value"] < 100
    assert all(np.isnan(found[name]["value"]) for name in ("tr@5", "ir@10", "tr_asr@5"))
    # Measured in full, both on all images, every k was attacked for.
    full = greys(attacks=("fgsm", "pgd"), suite=None)
    assert some(full.worst()).depths == (1, 5, 10)
    assert full.figures(some(full.worst()))["tr@5"]["value"] < 100
    # At 0.55 the five others are all before 0 in both directions: rank 6 at least, so a suite that
    # passes it by leaves nothing out up to 5. Of six images every one is among the first 10.
    assert some(greys(attacks=("fgsm", "pgd")).worst()).depths == (1, 5)


def test_a_member_measured_in_full_is_not_run_again(monkeypatch, asked):
    planned(monkeypatch, {"fgsm": {0: 0.3}, "pgd": {1: 0.5}})
    greys(attacks=("fgsm",))
    assert [attack for attack, _ in asked] == ["none", "fgsm", "pgd"]


def test_the_margin_leads_every_picture_to_the_caption_of_another():
    """Neighbours are 0.1 apart, so that from 0.06 away another number is nearer than one's own.

    Away from its captions the last picture may flee upwards as well, where no other number is.
    """
    result = greys(attacks=("apgd", "apgd_margin"), suite=None, checks=0, eps=0.06, steps=10)
    left = {row.attack: row.ranks.recall("tr", 1) for row in result.rows}
    assert left["none"] == 1 and left["apgd_margin"] == 0 <= left["apgd"]
    assert result.row("apgd_margin").protocol["passes_per_image"] == {
        "image_forwards": 11,
        "image_backwards": 10,
    }


def test_nothing_attacked_has_no_worst_case(monkeypatch):
    assert greys(suite=None).worst() is None


def test_captions_of_the_row_that_did_most_damage_stand_for_the_worst_case():
    made = made_up("m", 0.3, images=3, captions=2)
    rows = {row.attack: row for row in made.rows}
    easy, hard = np.ones(3, np.int32), np.ones(6, np.int32)
    owner = made.clean.ranks.owners["ir"]

    def ranked(name, tr, ir):
        return replace(
            rows[name], ranks=both_ways(np.asarray(tr, np.int32), np.asarray(ir, np.int32), owner)
        )

    clean = ranked("none", easy, hard)
    bert = ranked("bert_attack", [2, 1, 1], [1, 3, 1, 2, 1, 1])
    row = worst_of([clean, bert], ThreatModel(), owner)
    assert row.name == "worst_case" and row.eps is None and row.rounded is None
    assert row.ranks["tr"].tolist() == [2, 1, 1] and row.ranks["ir"].tolist() == [1, 3, 1, 2, 1, 1]
    assert row.captions == (*bert.captions[:4], *clean.captions[4:])
    assert row.changed == pytest.approx(
        np.mean([a != b for a, b in zip(row.captions, clean.captions, strict=True)])
    )
    assert "norm" not in row.protocol and row.protocol["words"] == 1


def test_a_suite_from_the_command_line(toys, tmp_path, capsys, monkeypatch, asked):
    """Two members on a tiny CLIP: what is printed, and that the forecast was right."""
    cheap.on_words(monkeypatch)
    monkeypatch.setitem(ENSEMBLES, "quick", (Member("pgd", 2), Member("bert_attack")))
    out = tmp_path / "report"
    status = command.main(
        f"--model {toys.clip} --data {toys.json} --images {toys.images} --mlm {toys.bert} --eps "
        f"8/255 --attacks none --suite quick --limit 4 --batch-size 2 --out {out}".split()
    )
    printed = capsys.readouterr()
    assert status == 0, printed.err
    lines = [line.split() for line in printed.err.splitlines()]
    forecast = next(line for line in lines if line[:1] == ["pgd"])
    assert forecast[1:3] == ["4", "2"]
    assert [attack for attack, _ in asked][:2] == ["none", "pgd"]
    model = json.loads((out / "results.json").read_text())["models"][0]
    worst = model["rows"][-1]
    assert worst["attack"] == "worst_case" and worst["protocol"]["suite"] == "quick"
    pgd, bert = worst["protocol"]["members"]
    assert (pgd["attack"], bert["attack"]) == ("pgd", "bert_attack")
    assert 4 >= pgd["attacked"] >= bert["attacked"]
    assert pgd["passes_per_image"]["image_forwards"] == 4
    assert pgd["passes_per_image"]["image_backwards"] == 2
    spent = worst["protocol"]["passes_per_image"]["image_backwards"]
    assert spent == pytest.approx(2 * pgd["attacked"] / 4)
    for name in ("tr@1", "ir@1"):
        values = [row["figures"][name]["value"] for row in model["rows"]]
        assert values[-1] == min(values)
    # All 4 images are within the first 5: who attacks all of them is after any k.
    whole = pgd["attacked"] == bert["attacked"] == 4
    assert (worst["figures"]["ir@5"]["value"] is not None) == whole
    assert any("inside its ball" in check["sentence"] for check in model["checks"])
    assert model["headline"][0]["tr@1"] == pytest.approx(worst["figures"]["tr@1"]["value"])
    table = [line.split() for line in printed.out.splitlines() if line]
    assert [line[0] for line in table[-3:-1]] == ["none", "worst_case"]
    page = (out / "index.html").read_text()
    assert "in the worst case at 8/255" in page and "(suite quick: each attack sees" in page


def test_a_suite_is_for_the_model_itself(toys, clip):
    evaluation = runner_test.asked(toys, attacks=("none",), suite="quick")
    victim = evaluate.prepare(evaluation, *clip, quiet=True)
    surrogate = victim._replace(model=Reader())
    with pytest.raises(ValueError, match="'quick' attacks what still stands of the model itself"):
        evaluate.evaluate(evaluation, *clip, name="x", victim=victim, surrogate=surrogate)


def test_an_evaluation_knows_that_a_suite_changes_words():
    plain = evaluate.Evaluation(data="scenes", attacks=("none",))
    assert not plain.on_text and plain.facts == {}
    asked = evaluate.Evaluation(data="scenes", attacks=("none",), suite="quick")
    assert asked.on_text and asked.facts["mlm"] == "scenes-bert"
    assert isinstance(asked.substitutes, data.Substitutes)
