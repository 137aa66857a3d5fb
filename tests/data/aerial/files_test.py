"""The world as files: RSICD's form, the same sites whatever the sizes, whole or not at all."""

import json

import numpy as np
import pytest
from PIL import Image

from mat_jax import data
from mat_jax.data.aerial.__main__ import main
from mat_jax.data.aerial.draw import SITES
from mat_jax.data.aerial.sites import CLASSES


def test_it_is_read_as_rsicd_and_has_no_picture_in_two_splits(tmp_path):
    folder = data.write_aerial(tmp_path / "a", train=60, val=5, test=7)
    files = set()
    for split, count in (("train", 60), ("val", 5), ("test", 7)):
        source = data.rsicd(folder, split)
        assert len(source) == count and len(source.classes) == 30
        names = {path.name for path in source.pairs.paths}
        assert len(names) == count and not names & files
        files |= names
        for i, path in enumerate(source.pairs.paths):
            assert CLASSES[source.label(i)] == path.name.rpartition("_")[0]
            assert len(source.captions(i)) == 5
    assert len(list((folder / "drawn").iterdir())) == 60


def test_a_site_is_the_same_in_a_larger_world(tmp_path):
    small = data.write_aerial(tmp_path / "s", train=3, val=1, test=4)
    large = data.write_aerial(tmp_path / "l", train=9, val=1, test=2)
    one, other = data.rsicd(small, "train"), data.rsicd(large, "train")
    for i in range(3):
        assert one.captions(i) == other.captions(i)
        np.testing.assert_array_equal(one[i].image, other[i].image)
        pictures = [Image.open(folder / f"drawn/{i}_0.png").tobytes() for folder in (small, large)]
        assert pictures[0] == pictures[1]


def test_it_is_drawn_once_and_another_world_is_not_drawn_over_it(tmp_path, capsys):
    folder = data.write_aerial(tmp_path / "a", train=3, val=1, test=1)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    data.write_aerial(folder, train=3, val=1, test=1)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")} == before
    with pytest.raises(ValueError, match=r"holds a world with train=3, not 4: choose another"):
        data.write_aerial(folder, train=4, val=1, test=1)
    (folder / "aerial.json").unlink()
    assert main(["--out", str(folder)]) == 2
    assert "holds an RSICD of others: choose another folder" in capsys.readouterr().err


def test_a_world_that_was_interrupted_is_no_world(tmp_path, monkeypatch):
    folder = tmp_path / "a"
    monkeypatch.setitem(SITES, CLASSES[0], lambda pen, site: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        data.write_aerial(folder, train=300, val=1, test=1)
    assert not (folder / "dataset_rsicd.json").exists()
    monkeypatch.undo()
    data.write_aerial(folder, train=300, val=1, test=1)
    assert len(data.rsicd(folder, "train")) == 300


def test_the_command_says_what_it_drew(tmp_path, capsys):
    assert main(f"--train 4 --val 2 --test 3 --out {tmp_path / 'a'}".split()) == 0
    assert capsys.readouterr().out.endswith("a: 4 train, 2 val, 3 test\n")
    rows = json.loads((tmp_path / "a/dataset_rsicd.json").read_text())["images"]
    assert [row["split"] for row in rows] == ["train"] * 4 + ["val"] * 2 + ["test"] * 3
