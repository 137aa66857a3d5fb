"""`mat-jax data check`: which form, how much, and every way in which data may be broken."""

import json

import numpy as np
import pytest
from PIL import Image

from mat_jax.cli import main
from mat_jax.data import inspect


@pytest.fixture
def root(tmp_path):
    for number in range(4):
        picture = np.full((8, 8, 3), 40 * number, np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    return tmp_path


def test_whole_data(root, capsys):
    rows = [{"image": f"{n}.png", "caption": [f"a dog {n}", "<b>grey</b>"]} for n in range(4)]
    (root / "c.json").write_text(json.dumps(rows))
    page = root / "page.html"
    assert main(["data", "check", str(root / "c.json"), "--page", str(page)]) == 0
    said = capsys.readouterr().out
    assert "4 pictures, 8 captions" in said and "ALBEF's evaluation form" in said
    assert "nothing is broken" in said
    html = page.read_text()
    assert html.count("<img ") == 3 and "<b>grey</b>" not in html


def test_each_kind_of_break_is_counted(root, capsys):
    rows = [
        {"image": "0.png", "caption": "a dog", "image_id": 1},
        {"image": "1.png", "caption": "a cat", "image_id": 1},
        {"image": "1.png", "caption": "a cat", "image_id": 2},
        {"image": "2.png", "caption": " ?! "},
        {"image": "gone.png", "caption": "a bird"},
        {"image": "text.png", "caption": "a fish"},
        {"picture": "3.png"},
    ]
    (root / "text.png").write_text("no picture")
    (root / "c.json").write_text(json.dumps(rows))
    found = inspect(root / "c.json")
    assert (found.pictures, found.captions) == (5, 4)
    counts = {problem.what: problem.count for problem in found.problems}
    assert counts == {
        "ids of two images": 1,
        "captions that an image has twice": 1,
        "captions without a word": 1,
        "images that are not there": 1,
        "files that are no pictures": 1,
        "rows that are no image with captions": 1,
    }
    page = str(root / "page.html")
    assert main(["data", "check", str(root / "c.json"), "--page", page]) == 1
    assert "gone.png" in capsys.readouterr().out


def test_forms(root):
    """A token file, Karpathy's splits, COCO's, class folders."""
    (root / "t.txt").write_text("0.png#0\ta dog\n0.png#1\t\n1.png#0\ta cat\n")
    found = inspect(root / "t.txt")
    assert (found.form, found.pictures, found.captions) == ("Flickr's token file", 2, 2)
    assert [(p.what, p.count) for p in found.problems] == [("captions without a word", 1)]
    images = [
        {"filename": f"{n}.png", "split": split, "sentences": [{"raw": "a dog"}, {"raw": "dogs"}]}
        for n, split in enumerate(("train", "restval", "val", "test"))
    ]
    (root / "k.json").write_text(json.dumps({"images": images}))
    found = inspect(root / "k.json")
    assert (found.pictures, found.captions, found.problems) == (4, 8, ())
    assert found.form == "Karpathy's form, splits restval, test, train, val"
    coco = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(3)],
        "annotations": [{"image_id": 0, "caption": "a dog"}, {"image_id": 1, "caption": " "}],
    }
    (root / "o.json").write_text(json.dumps(coco))
    found = inspect(root / "o.json")
    assert (found.pictures, found.captions) == (1, 1)
    assert [(p.what, p.count) for p in found.problems] == [("captions without a word", 1)]
    for name in "ab":
        (root / "classes" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(root / "classes" / name / "x.png")
    found = inspect(root / "classes")
    assert found.pictures == 2 and "2 classes" in found.form


def test_a_wrong_root_is_said_once(root, tmp_path, capsys):
    (root / "c.json").write_text(json.dumps([{"image": "x/0.png", "caption": "a dog"}] * 1))
    assert main(["data", "check", str(root / "c.json"), "--page", str(root / "p.html")]) == 1
    assert "--images ROOT says where" in capsys.readouterr().out
    assert main(["data", "check", str(root / "none.json")]) == 2
    assert "there is no file or folder" in capsys.readouterr().err
