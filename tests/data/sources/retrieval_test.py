import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mat_jax.data import Source, images, retrieval_json


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An image root with two folders of one-coloured images."""
    for name, colour in [("a/1.png", "red"), ("a/2.png", "green"), ("b/3.png", "blue")]:
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), colour).save(file)
    return tmp_path / "images"


def write(folder: Path, rows: Any) -> Path:
    file = folder / "set.json"
    file.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return file


def test_evaluation_form(root: Path) -> None:
    rows = [
        {"image": "b/3.png", "caption": ["Blue.", "All blue"]},
        {"image": "a/1.png", "caption": ["Red", "It is red", "so red"]},
    ]
    source = retrieval_json(write(root, rows), root)
    assert isinstance(source, Source) and source.name == "set"
    assert len(source) == 2
    assert source[1].captions == ("Red", "It is red", "so red") == source.captions(1)
    assert [example.image_id for example in source] == [0, 1]
    assert (source[0].image == np.array([0, 0, 255])).all() and source[0].image.shape == (3, 4, 3)


def test_training_form_groups_rows_of_an_image(root: Path) -> None:
    rows = [
        {"image": "a/1.png", "caption": "red", "image_id": "x"},
        {"image": "b/3.png", "caption": "blue", "image_id": 7},
        {"image": "a/1.png", "caption": ["crimson", "dark red"], "image_id": "x"},
    ]
    source = retrieval_json(write(root, rows), root)
    assert [source.captions(i) for i in range(len(source))] == [
        ("red", "crimson", "dark red"),
        ("blue",),
    ]


def test_partners_of_all_rows_of_an_image(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts and paths in order, none twice; no picture is opened before it is asked for."""
    rows = [
        {"image": "a/1.png", "image_id": 7, "caption": "red", "partner_captions": ["wine", "ruby"]},
        {"image": "b/3.png", "image_id": 8, "caption": "blue", "partner_images": ["a/2.png"]},
        {
            "image": "a/1.png",
            "image_id": 7,
            "caption": ["crimson"],
            "partner_captions": ["rose", "wine"],
            "partner_images": ["b/3.png", "a/2.png"],
        },
    ]
    source = retrieval_json(write(root, rows), root)
    assert source.captions(0) == ("red", "crimson") and source.captions(1) == ("blue",)
    assert source.partner_captions(0) == ("wine", "ruby", "rose")
    assert source.partner_captions(1) == ()
    opened = []
    read = images.read_image
    monkeypatch.setattr(images, "read_image", lambda path: opened.append(path.name) or read(path))
    pictures = source.partner_images(0)
    assert len(pictures) == 2 and len(source.partner_images(1)) == 1 and not opened
    assert (pictures[1] == np.array([0, 128, 0])).all() and opened == ["2.png"]


def test_a_file_without_partners_has_none(root: Path) -> None:
    source = retrieval_json(write(root, [{"image": "a/1.png", "caption": "c"}]), root)
    assert source.partner_captions(0) == () and len(source.partner_images(0)) == 0


def test_limit_counts_images(root: Path) -> None:
    rows = [{"image": name, "caption": "c"} for name in ("a/1.png", "a/1.png", "a/2.png")]
    file = write(root, rows)
    assert len(retrieval_json(file, root)) == 2
    assert len(retrieval_json(file, root, limit=1)) == 1
    assert retrieval_json(file, root, limit=1).captions(0) == ("c", "c")


@pytest.mark.parametrize(
    "rows, error, words",
    [
        ("[{", ValueError, "is not valid JSON"),
        ({}, ValueError, "holds a dict .*, expected JSON as a list"),
        ([], ValueError, "empty list"),
        (["a/1.png"], ValueError, "row 0 is 'a/1.png'"),
        ([{"caption": "red"}], ValueError, 'row 0 has "image": None'),
        ([{"image": "a/1.png"}], ValueError, 'row 0 has "caption": None'),
        ([{"image": "a/1.png", "caption": ["red", 3]}], ValueError, "a text or a list of texts"),
        ([{"image": "a/1.png", "caption": []}], ValueError, "has no caption"),
        ([{"image": "a/1.png", "caption": ["red", ""]}], ValueError, r"without words \(''\)"),
        ([{"image": "a/1.png", "caption": " . "}], ValueError, "without words"),
        ([{"image": "a/1.png", "caption": "c", "image_id": [1]}], ValueError, "a number or a stri"),
        (
            [
                {"image": "a/1.png", "caption": "c", "image_id": 1},
                {"image": "a/2.png", "caption": "c", "image_id": 1},
            ],
            ValueError,
            "image_id 1 stands for 'a/1.png' and for 'a/2.png'",
        ),
        (
            [{"image": "a/1.png", "caption": "c"}, {"image": "a/9.png", "caption": "c"}],
            FileNotFoundError,
            r"image 'a/9.png' of .*set\.json' is not under the image root .*images'; check",
        ),
        (
            [{"image": "a/1.png", "caption": "c", "partner_captions": "d"}],
            ValueError,
            "'d'; expected",
        ),
        (
            [{"image": "a/1.png", "caption": "c", "partner_captions": ["."]}],
            ValueError,
            "without w",
        ),
        ([{"image": "a/1.png", "caption": "c", "partner_images": [3]}], ValueError, "a list of te"),
        (
            [{"image": "a/1.png", "caption": "c", "partner_images": ["a/8.png"]}],
            FileNotFoundError,
            r"image 'a/8.png' of",
        ),
    ],
)
def test_bad_files(root: Path, rows: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        retrieval_json(write(root, rows), root)
    assert "\n" not in str(caught.value)


def test_missing_json(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no annotation file .*none\.json"):
        retrieval_json(tmp_path / "none.json", tmp_path)


def test_folder_instead_of_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder"):
        retrieval_json(tmp_path, tmp_path)


def test_missing_root(root: Path) -> None:
    file = write(root, [{"image": "a/1.png", "caption": "c"}])
    with pytest.raises(FileNotFoundError, match=r"no image root '/nowhere'.*'a/1\.png'"):
        retrieval_json(file, "/nowhere")


def test_wrong_root_is_told_the_right_one(root: Path) -> None:
    file = write(root, [{"image": "a/1.png", "caption": "c"}])
    with pytest.raises(FileNotFoundError, match=rf"use images='{root}'"):
        retrieval_json(file, root / "a")
    with pytest.raises(FileNotFoundError, match=rf"use images='{root}'"):
        retrieval_json(file, root.parent)


def test_limit_zero(root: Path) -> None:
    with pytest.raises(ValueError, match="limit=0 leaves no image"):
        retrieval_json(write(root, [{"image": "a/1.png", "caption": "c"}]), root, limit=0)


def test_unreadable_image_is_named_when_it_is_read(root: Path) -> None:
    (root / "a/1.png").write_bytes(b"broken")
    source = retrieval_json(write(root, [{"image": "a/1.png", "caption": "c"}]), root)
    with pytest.raises(ValueError, match=r"cannot read the image .*a/1\.png"):
        source[0]


@pytest.mark.parametrize(
    "excerpt, captions",
    [
        ("retrieval_eval_coco_test", (5, 5)),
        ("retrieval_eval_flickr30k_test", (5, 5)),
        ("retrieval_train_albef_form", (2,)),
    ],
)
def test_published_files(shared: Path, tmp_path: Path, excerpt: str, captions: Any) -> None:
    file = shared / "data/formats" / f"{excerpt}.json"
    for row in json.loads(file.read_text()):
        (tmp_path / row["image"]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / row["image"]).touch()
    source = retrieval_json(file, tmp_path)
    assert tuple(len(source.captions(i)) for i in range(len(source))) == captions


def test_flickr8k(shared: Path) -> None:
    root = shared / "data/flickr8k"
    sizes = {"train": 6000, "val": 500, "test": 1000}  # the split of Hodosh et al. (2013)
    sources = {split: retrieval_json(root / f"flickr8k_{split}.json", root) for split in sizes}
    for split, size in sizes.items():
        source = sources[split]
        assert len(source) == size
        assert all(len(source.captions(i)) == 5 for i in range(size))
    assert sources["test"][0].image.shape == (128, 128, 3)
    assert sources["test"].captions(0)[1] == "The dogs play on the snow ."
