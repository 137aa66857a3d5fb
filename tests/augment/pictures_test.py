"""Generated pictures are found by the names of their images."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mat_jax.augment.manifest import Entry
from mat_jax.augment.pictures import find

ENTRIES = [
    Entry(image_id=image_id, image=Path("a.png"), captions=("a dog",))
    for image_id in (7, "a_1", "x/y", 8)
]
NAMES = ("7_0.png", "7_2.png", "7_10.jpg", "a_1_0.png", "x-y_3.webp", "9_0.png", "7.png", "7_a.png")


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "7_3.txt").write_text("no picture")
    return tmp_path


def test_a_folder_by_its_names(folder):
    found = [[path.name for path in own] for own in find(folder, ENTRIES)]
    assert found == [["7_0.png", "7_2.png", "7_10.jpg"], ["a_1_0.png"], ["x-y_3.webp"], []]


def test_a_list_of_paths(folder):
    path = folder / "list.json"
    path.write_text(json.dumps({"8": ["7_a.png", "7.png"], "x/y": ["9_0.png"]}))
    assert find(path, ENTRIES) == [
        (),
        (),
        (folder / "9_0.png",),
        (folder / "7_a.png", folder / "7.png"),
    ]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, FileNotFoundError, "no folder or JSON file of pictures"),
        ("{", ValueError, "is not valid JSON"),
        ('{"7": "7.png"}', ValueError, "is not of the form"),
        ('{"7": ["gone.png"]}', FileNotFoundError, "lists .*gone.png', which is not there"),
        ("{}", ValueError, "has no picture of any image: name them .*, 7_0.png for example"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, text, error, message):
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    with pytest.raises(error, match=message):
        find(tmp_path / "x.json", ENTRIES)
