"""Phrases with boxes: each published form by hand, and RefCOCO's overlap against its own loop."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from mat_jax.data import grounding_json, refcoco
from mat_jax.data.sources.boxed_phrases import overlap
from mat_jax.types.sources import HasBoxes


def rows():
    """A picture of three boxes, one of them told twice, and a picture of one."""
    told = [("a.png", "the dog", [0, 0, 10, 10]), ("a.png", "a log", [20, 0, 10, 20])]
    told += [("a.png", "brown dog", [0, 0, 10, 10]), ("a.png", "sky", [0, 0, 40, 5])]
    told += [("b.png", "a cat", [2, 2, 4, 4])]
    return [
        {"image": image, "text": text, "bbox": box, "width": 40, "height": 20, "ref_id": n}
        for n, (image, text, box) in enumerate(told)
    ]


@pytest.fixture
def root(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 20)).save(tmp_path / name)
    (tmp_path / "rows.json").write_text(json.dumps(rows()))
    return tmp_path


def test_boxes_of_a_pictures_phrases_are_the_choice(root):
    source = grounding_json(root / "rows.json", root)
    assert isinstance(source, HasBoxes) and len(source) == 5 and source.name == "rows"
    np.testing.assert_allclose(
        source.boxes(2), [[0, 0, 0.25, 0.5], [0.5, 0, 0.25, 1], [0, 0, 1, 0.25]]
    )
    assert source.right(2).tolist() == [True, False, False]
    assert [source.picture(i) for i in range(5)] == [0, 0, 0, 0, 1]
    assert source[2].captions == ("brown dog",) and source[2].image.shape == (20, 40, 3)
    # The first phrases keep all boxes of their picture.
    assert len(grounding_json(root / "rows.json", root, limit=1).boxes(0)) == 3


def test_a_detectors_boxes_are_right_from_half_an_overlap_on(root):
    found = {"a": [[0, 0, 10, 9], [0, 0, 10, 4], [1, 0, 10, 10]], "b.png": []}
    (root / "dets.json").write_text(json.dumps(found))
    source = grounding_json(root / "rows.json", root, detections=root / "dets.json")
    assert source.right(0).tolist() == [True, False, True] and not source.right(1).any()
    assert source.boxes(4).shape == (0, 4)


def as_published(first, second):
    """RefCOCO's overlap, one pair at a time, by the pixels that boxes cover."""
    cover = [
        {(x, y) for x in range(a, a + w) for y in range(b, b + h)} for a, b, w, h in (first, second)
    ]
    both = cover[0] & cover[1]
    sides = [len({point[axis] for point in both}) for axis in (0, 1)]
    if min(sides) < 2:  # first and last pixel must differ
        both = set()
    return len(both) / (len(cover[0]) + len(cover[1]) - len(both))


def test_overlap_counts_pixels():
    draw = np.random.default_rng(0)
    boxes = np.concatenate([draw.integers(0, 8, (60, 2)), draw.integers(1, 9, (60, 2))], axis=1)
    other = np.array([3, 2, 5, 6])
    expected = [as_published(box, other) for box in boxes.tolist()]
    np.testing.assert_allclose(overlap(boxes.astype(float), other.astype(float)), expected)
    assert 0 < np.mean(np.array(expected) == 0) < 1


def refer(root, refs, by="unc", protocol=2):
    folder = root / "refcoco+"
    folder.mkdir(exist_ok=True)
    images = [{"id": 7, "file_name": "a.png", "width": 40, "height": 20}]
    annotations = [
        {"id": 1, "image_id": 7, "bbox": [0.0, 0.0, 10.0, 10.0]},
        {"id": 2, "image_id": 7, "bbox": [20.0, 0.0, 10.0, 20.0]},
    ]
    told = {"images": images, "annotations": annotations}
    (folder / "instances.json").write_text(json.dumps(told))
    (folder / f"refs({by}).p").write_bytes(pickle.dumps(refs, protocol=protocol))
    return folder


def ref(split, annotation, *sentences):
    told = [{"sent": text, "raw": text.upper(), "sent_id": n} for n, text in enumerate(sentences)]
    return {"split": split, "ann_id": annotation, "image_id": 7, "sentences": told}


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_refers_files(root, protocol):
    """In every form of pickle that has been usual: nobody says in which it is published."""
    told = [ref("testA", 1, "the dog", "left dog"), ref("val", 2, "log")]
    folder = refer(root, told, protocol=protocol)
    source = refcoco(folder, root, "testA")
    assert [source.captions(i)[0] for i in range(2)] == ["the dog", "left dog"]
    assert source.name == "refcoco+/testA" and source.right(1).tolist() == [True, False]
    (root / "dets.json").write_text(json.dumps({"a": [[21, 0, 9, 20]]}))
    found = refcoco(folder, root, "val", detections=root / "dets.json")
    assert found.right(0).tolist() == [True]
    with pytest.raises(ValueError, match="holds the splits testA, val, and not 'testB'"):
        refcoco(folder, root, "testB")


class Planted:
    def __reduce__(self):
        return print, ("run",)


def test_no_code_in_a_pickle_is_run(root, capsys):
    folder = refer(root, [Planted()])
    with pytest.raises(ValueError, match=r"is refused, nothing in it was run: it asks for"):
        refcoco(folder, root)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bbox": [0, 0, 0, 5]}, "row 0 is not of the form"),
        ({"text": "..."}, "the phrase '...' has no word"),
        ({"image": "c.png"}, "image 'c.png' of .* is not under the image root"),
        ({"bbox": None, "width": None}, "is of ALBEF's training form, which has no boxes"),
    ],
)
def test_bad_rows_are_one_sentence(root, change, sentence):
    told = rows()
    told[0] = {key: value for key, value in (told[0] | change).items() if value is not None}
    (root / "rows.json").write_text(json.dumps(told))
    with pytest.raises((ValueError, FileNotFoundError), match=sentence) as caught:
        grounding_json(root / "rows.json", root)
    assert "\n" not in str(caught.value)


def test_flickr30k_entities(shared):
    folder = shared / "data" / "flickr8k"
    source = grounding_json(folder / "grounding_test.json", folder, limit=50)
    told = json.loads((folder / "grounding_test.json").read_text())
    for i in range(50):
        assert source.captions(i) == (told[i]["text"],) and source.right(i).any()
        boxes = source.boxes(i)
        assert (boxes >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= 1.001).all()
