"""SNLI-VE as published and in ALBEF's form."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mat_jax import data


@pytest.fixture()
def root(tmp_path: Path) -> Path:
    for name in ("17.jpg", "sub/23.jpg"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((8, 12, 3), 7, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / name)
    return tmp_path


def lines(root: Path, *rows: dict) -> Path:
    file = root / "snli_ve_dev.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return file


def published(image: str, sentence: str, label: str) -> dict:
    return {"Flickr30K_ID": image, "sentence1": "x", "sentence2": sentence, "gold_label": label}


def test_the_published_lines_without_what_is_undecided(root: Path) -> None:
    file = lines(
        root,
        published("17", 'A "dog" läuft.', "entailment"),
        published("17", "It rains", "-"),
        published("sub/23", "A cat", "contradiction"),
        published("17", "A man is sad", "neutral"),
    )
    source = data.entailment_json(file, root / "images")
    assert source.name == "snli_ve_dev" and len(source) == 3
    assert source.sentences == ('A "dog" läuft.', "A cat", "A man is sad")
    assert [source.label(i) for i in range(3)] == [2, 0, 1]  # ALBEF: ve_dataset.py's classes
    assert [source.picture(i) for i in range(3)] == [0, 1, 0]
    example = source[1]
    assert example.image.shape == (8, 12, 3) and example.captions == ("A cat",)
    assert len(data.entailment_json(file, root / "images", limit=2)) == 2


def test_albefs_form_with_and_without_the_ending(root: Path) -> None:
    file = root / "ve.json"
    rows = [
        {"image": "17", "sentence": "A dog", "label": "neutral"},
        {"image": "sub/23.jpg", "sentence": "A dog", "label": "entailment"},
    ]
    file.write_text(json.dumps(rows))
    source = data.entailment_json(file, root / "images")
    assert source.paths == (root / "images/17.jpg", root / "images/sub/23.jpg")
    assert source.verdicts == (1, 2)


def test_real_rows_are_read(shared: Path) -> None:
    folder = shared / "data/flickr8k"
    source = data.entailment_json(folder / "ve_test.json", folder)
    assert len(source) == 86 and source[0].captions == ("the animal is running",)
    assert {source.label(i) for i in range(86)} == {0, 1, 2}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (published("17", "A dog", "maybe"), "has the label 'maybe'; expected contradiction, neu"),
        (published("17", " . ", "neutral"), "has no word; drop the row"),
        (published("99", "A dog", "neutral"), "image '99.jpg' of .* is not under the image root"),
        (published("17", "A dog", "-"), "has no row with a verdict"),
        ({"sentence1": "a", "sentence2": "b", "gold_label": "neutral"}, "is of SNLI, whose prem"),
        ({"image": "17", "caption": "A dog"}, "row 0 is no row of ALBEF's list"),
    ],
)
def test_bad_rows_are_one_sentence(root: Path, row: dict, said: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        data.entailment_json(lines(root, row), root / "images")


def test_files_of_another_form_are_refused(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file .*; give the JSON file of sentences"):
        data.entailment_json(root / "none.jsonl", root)
    (root / "torn.jsonl").write_text('{"a": 1}\n{"b": ')
    with pytest.raises(ValueError, match="line 2, is not valid JSON"):
        data.entailment_json(root / "torn.jsonl", root)
    (root / "one.json").write_text("{}")
    with pytest.raises(ValueError, match="row 0 is no row of ALBEF's list"):
        data.entailment_json(root / "one.json", root)
    with pytest.raises(ValueError, match="limit=0 leaves no sentence"):
        data.entailment_json(root / "one.json", root, limit=0)
