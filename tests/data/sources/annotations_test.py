import json

import pytest

from mat_jax.data import retrieval_json


def image(name, split, *captions, **more):
    sentences = [{"raw": text, "tokens": text.split()} for text in captions]
    return {"filename": name, "split": split, "sentences": sentences, **more}


KARPATHY = {
    "dataset": "made up",
    "images": [
        image("1.jpg", "train", "A dog.", "A brown dog."),
        image("2.jpg", "test", "A cat."),
        image("3.jpg", "restval", "A hen.", filepath="val2014"),
        image("4.jpg", "val", "An ox."),
    ],
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "val2014").mkdir()
    for name in ("1.jpg", "2.jpg", "val2014/3.jpg", "4.jpg"):
        (tmp_path / name).touch()
    return tmp_path


def read(root, contents, **settings):
    (root / "dataset.json").write_text(json.dumps(contents))
    source = retrieval_json(root / "dataset.json", root, **settings)
    return [(str(p.relative_to(root)), t) for p, t in zip(source.paths, source.texts, strict=True)]


def test_karpathys_splits(root):
    assert read(root, KARPATHY, split="test") == [("2.jpg", ("A cat.",))]
    assert read(root, KARPATHY, split="val") == [("4.jpg", ("An ox.",))]
    # The field's 113,287 training images of COCO are "train" and "restval" together.
    assert read(root, KARPATHY, split="train") == [
        ("1.jpg", ("A dog.", "A brown dog.")),
        ("val2014/3.jpg", ("A hen.",)),
    ]
    assert len(read(root, KARPATHY, split="train", limit=1)) == 1


def test_captions_by_image(root):
    found = read(root, {"4.jpg": "An ox.", "val2014/3.jpg": ["A hen.", "Hens"]})
    assert found == [("4.jpg", ("An ox.",)), ("val2014/3.jpg", ("A hen.", "Hens"))]


@pytest.mark.parametrize(
    ("contents", "split", "sentence"),
    [
        (KARPATHY, None, "holds the splits train, test, restval, val, and no split was asked for"),
        (KARPATHY, "dev", "and it has no split 'dev'; give one of them"),
        ([{"image": "1.jpg", "caption": "a"}], "train", "does not say which rows are of the split"),
        ({"images": [{"id": 1, "file_name": "1.jpg"}]}, "train", "image 0 is not of the form"),
        (
            {"images": [image("1.jpg", "train") | {"sentences": ["a"]}]},
            "train",
            "image 0 is not of",
        ),
        ({"images": [image("1.jpg", "train")]}, "train", "image '1.jpg' has no caption"),
        ({"1.jpg": 3}, None, 'row 0 has "caption": 3'),
    ],
)
def test_bad_files(root, contents, split, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read(root, contents, split=split)
    assert "\n" not in str(caught.value)


def test_the_published_form(shared, tmp_path):
    file = shared / "data/formats/karpathy_style_dataset_json_rsicd_ucm_sydney.json"
    contents = json.loads(file.read_text())
    (tmp_path / "1.tif").touch()
    (tmp_path / "2.tif").touch()
    there = {one["split"] for one in contents["images"]}
    found = [one for split in there for one in read(tmp_path, contents, split=split)]
    assert len(found) == len(contents["images"])
    assert found[0][1][0] == "A residential area with houses arranged neatly ."
