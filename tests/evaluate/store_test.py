"""A stopped evaluation goes on where it was, to the same numbers; its files are no code."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mat_jax import attacks, evaluate
from mat_jax.evaluate.shelf import FOLDER
from mat_jax.evaluate.store import KEY, Store, digest_of
from tests import cheap
from tests.evaluate import runner_test
from tests.tools.narrow import some

toys, clip, own_cache = runner_test.toys, runner_test.clip, runner_test.own_cache
asked = runner_test.asked


class Killed(BaseException):
    """What ends a program from outside."""


def dying_after(monkeypatch, batches):
    """Let the program be killed when an attack is asked for one batch more than so many."""
    real, made = evaluate.gallery.compile_attack, []

    def compile_attack(*arguments, **settings):
        attack = real(*arguments, **settings)

        def counted(batch, key, **more):
            if len(made) == batches:
                raise Killed
            made.append(batch.ids.tolist())
            return attack(batch, key, **more)

        return counted

    monkeypatch.setattr(evaluate.gallery, "compile_attack", compile_attack)
    return made


def numbers(result):
    """Everything that a stop must not change."""
    found: dict[str, Any] = {}
    for row in result.rows:
        ranks = {kind: row.ranks[kind].tolist() for kind in row.ranks.kinds}
        rounded = row.rounded and {kind: row.rounded[kind].tolist() for kind in row.rounded.kinds}
        found[row.name] = ranks, rounded, row.captions, dict(row.checks), row.changed
        if row.sights is not None:
            parts = [part for part in vars(row.sights).values() if part is not None]
            found[row.name] += tuple(part.tolist() for part in parts)
        found[f"{row.name} looks"] = {
            place: {part: np.asarray(one).tolist() for part, one in vars(view).items()}
            for place, view in row.views.items()
        }
    return found


@pytest.mark.parametrize("batches", [0, 1, 3, 6])
@pytest.mark.parametrize("suite", [None, "quick"])
def test_killed_after_any_batch_it_ends_with_the_same_numbers(
    toys, clip, tmp_path, monkeypatch, batches, suite
):
    cheap.on_words(monkeypatch)
    monkeypatch.setitem(attacks.ensembles.ENSEMBLES, "quick", (attacks.ensembles.Member("pgd", 3),))
    evaluation = asked(toys, attacks=("pgd", "bert_attack"), suite=suite, batch_size=3)
    whole = evaluate.evaluate(evaluation, *clip, quiet=True)
    with monkeypatch.context() as patch:
        dying_after(patch, batches)
        with pytest.raises(Killed):
            evaluate.evaluate(evaluation, *clip, progress=tmp_path, quiet=True)
    with monkeypatch.context() as patch:
        made = dying_after(patch, 10_000)
        again = evaluate.evaluate(evaluation, *clip, progress=tmp_path, quiet=True)
    assert numbers(again) == numbers(whole)
    assert all(view.picture is not None for view in whole.row("pgd").views.values())
    assert not (tmp_path / FOLDER).exists()  # of pictures, once nothing more is wanted of them
    # Seven images in batches of three: three batches for each attack. None is made twice.
    members = 0 if suite is None else some(whole.worst()).protocol["members"][-1]["attacked"]
    assert len(made) == 9 + -(-members // 3) - batches


def test_a_finished_evaluation_is_only_read(toys, clip, tmp_path, monkeypatch):
    evaluation = asked(toys, attacks=("pgd",))
    first = evaluate.evaluate(evaluation, *clip, progress=tmp_path, quiet=True)
    made = dying_after(monkeypatch, 0)
    assert numbers(evaluate.evaluate(evaluation, *clip, progress=tmp_path, quiet=True)) == numbers(
        first
    )
    assert not made
    # Only finished rows stay: what batches left is removed.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checks.npz", KEY, "rows"]


def test_other_settings_are_measured_anew(toys, clip, tmp_path):
    few = asked(toys, attacks=("none",), limit=3)
    evaluate.evaluate(few, *clip, progress=tmp_path, quiet=True)
    all_of_them = asked(toys, attacks=("none",))
    assert evaluate.evaluate(
        all_of_them, *clip, progress=tmp_path, quiet=True
    ).clean.ranks.examples == len(runner_test.CAPTIONS)


def test_other_pictures_under_the_same_names_are_measured_anew(toys, clip, tmp_path):
    """The last of them is another, which no batch so far and no caption tells."""
    again = tmp_path / "toys"
    shutil.copytree(toys.images, again)
    own = toys._replace(json=again / "test.json", images=again)
    evaluation = asked(own, attacks=("none",))
    first = evaluate.evaluate(evaluation, *clip, progress=tmp_path / "progress", quiet=True)
    last = again / f"{len(runner_test.CAPTIONS) - 1}.png"
    Image.new("RGB", (24, 24), "white").save(last)
    other = asked(own, attacks=("none",))
    found = evaluate.evaluate(other, *clip, progress=tmp_path / "progress", quiet=True)
    assert numbers(found) == numbers(evaluate.evaluate(other, *clip, quiet=True))
    assert numbers(found) != numbers(first)


class Planted:
    """A pickle of it runs a shell command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_what_somebody_else_planted_is_not_run(toys, clip, tmp_path):
    evaluation = asked(toys, attacks=("none",))
    folder, mark = tmp_path / "progress", tmp_path / "mark"
    evaluate.evaluate(evaluation, *clip, progress=folder, quiet=True)
    hostile = np.array([Planted(mark)], object)
    for path in folder.rglob("*.npz"):
        np.savez(path, facts=hostile, rows=hostile)
    result = evaluate.evaluate(evaluation, *clip, progress=folder, quiet=True)
    assert not mark.exists()
    assert result.clean.ranks.examples == len(runner_test.CAPTIONS)


def test_a_file_cut_short_is_not_there(tmp_path):
    store = Store.open(tmp_path / "a", "one")
    store.save("x", {"numbers": np.arange(5)}, {"text": "ä", "number": 1 / 3})
    saved = some(store.load("x"))
    assert saved.arrays["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert saved.facts == {"text": "ä", "number": 1 / 3}
    path = tmp_path / "a/x.npz"
    path.write_bytes(path.read_bytes()[:40])
    assert store.load("x") is None and store.load("y") is None
    store.save("x", {}, {})
    other = Store.open(tmp_path / "a", "other")
    assert other.load("x") is None
    other.save("x", {}, {})
    assert json.loads((tmp_path / "a" / KEY).read_text())["measurement"] == "other"


def test_the_digest_differs_where_a_weight_does():
    one, other = np.ones(3, np.float32), np.ones(3, np.float32)
    assert digest_of("a", [one]) == digest_of("a", [other])
    other[2] = np.nextafter(other[2], 2)
    assert digest_of("a", [one]) != digest_of("a", [other]) != digest_of("b", [other])
