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


COCO = {
    "info": {},
    "images": [
        {"id": 9, "file_name": "4.jpg", "height": 2},
        {"id": 3, "file_name": "1.jpg"},
        {"id": 5, "file_name": "none.jpg"},
    ],
    "annotations": [
        {"image_id": 3, "id": 1, "caption": "A dog."},
        {"image_id": 9, "id": 2, "caption": "An ox."},
        {"image_id": 3, "id": 3, "caption": "A brown dog."},
        {"image_id": 9, "id": 4, "caption": "..."},
    ],
}


def test_cocos_captions_as_published(root):
    """Captions go to their image by its id; images without any, as COCO's test images, are out."""
    assert read(root, COCO) == [("4.jpg", ("An ox.",)), ("1.jpg", ("A dog.", "A brown dog."))]


@pytest.mark.parametrize("name", ["coco_captions.json", "rsicd_coco_style.json"])
def test_published_files_of_cocos_form(shared, tmp_path, name):
    """Every caption of the published excerpt comes to the image that it names."""
    contents = json.loads((shared / "data/formats" / name).read_text())
    # The excerpts are the first two records of each list, of other images in COCO's.
    there = {image["id"] for image in contents["images"]}
    own = [one for one in contents["annotations"] if one["image_id"] in there]
    contents["annotations"] = own or [
        one | {"image_id": image} for one, image in zip(contents["annotations"], there, strict=True)
    ]
    for image in contents["images"]:
        (tmp_path / image["file_name"]).touch()
    found = dict(read(tmp_path, contents))
    names = {image["id"]: image["file_name"] for image in contents["images"]}
    for one in contents["annotations"]:
        assert one["caption"] in found[names[one["image_id"]]]
    assert sum(map(len, found.values())) == len(contents["annotations"])


@pytest.mark.parametrize(
    ("text", "looks"),
    [("A dog .\nA cat .\n", "looks like plain text"), ("", "looks like an empty file")],
)
def test_other_forms_are_named(root, text, looks):
    """A whole file of another form is not called damaged; the forms that are read are named."""
    (root / "other.txt").write_text(text)
    with pytest.raises(ValueError, match=looks) as caught:
        retrieval_json(root / "other.txt", root)
    assert "expected JSON as a list of" in str(caught.value) and "COCO's" in str(caught.value)
    assert "download" not in str(caught.value) and "\n" not in str(caught.value)


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
        (COCO, "train", "does not say which rows are of the split"),
        (COCO | {"images": [{"file_name": "1.jpg"}]}, None, "image 0 is not of the form"),
        (COCO | {"annotations": []}, None, "has images but no caption"),
        (
            COCO | {"annotations": [{"image_id": 3, "bbox": [0, 0, 1, 1]}]},
            None,
            "annotation 0 .* looks like COCO's instances",
        ),
        (
            COCO | {"annotations": [{"image_id": 7, "caption": "a"}]},
            None,
            "has images but no caption of any of them; give COCO's captions file",
        ),
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


def test_captions_of_coco_images_that_are_not_listed_are_left_out(root):
    more = [*COCO["annotations"], {"image_id": 7, "caption": "of another part"}]
    found = read(root, COCO | {"annotations": more})
    assert found == read(root, COCO)
