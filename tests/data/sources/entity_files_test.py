"""Flickr30k Entities as published, in files made here, and the project's excerpt of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mat_jax import data

SHARED = Path(__file__).parents[4] / "shared" / "data" / "formats"
SENTENCES = """[/EN#1/people Two men] in [/EN#2/clothing red "hats"] see [/EN#0/notvisual it] .
[/EN#1/people Übermütige men] near [/EN#3/scene the sea] .
"""
BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def xml(*objects):
    inside = "".join(
        "<object>" + "".join(f"<name>{n}</name>" for n in names) + box + "</object>"
        for names, box in objects
    )
    return (
        "<annotation><filename>7.jpg</filename><size><width>100</width><height>80</height>"
        f"<depth>3</depth></size>{inside}</annotation>"
    )


@pytest.fixture
def folder(tmp_path):
    for name in ("Sentences", "Annotations", "images"):
        (tmp_path / name).mkdir()
    (tmp_path / "Sentences" / "7.txt").write_text(SENTENCES, encoding="utf-8")
    boxes = xml(
        (("1",), BOX.format(10, 20, 30, 60)),
        (("1", "2"), BOX.format(50, 10, 90, 40)),
        (("3",), "<scene>1</scene><nobndbox>0</nobndbox>"),
    )
    (tmp_path / "Annotations" / "7.xml").write_text(boxes)
    (tmp_path / "test.txt").write_text("7\n")
    Image.new("RGB", (100, 80)).save(tmp_path / "images" / "7.jpg")
    return tmp_path


def test_a_phrase_means_the_box_around_all_of_its_chain(folder):
    found = data.flickr30k_entities(folder, folder / "images", "test")
    assert found.phrases == ("Two men", 'red "hats"', "Übermütige men")
    # The union of 10..30 x 20..60 and 50..90 x 10..40, as x, y, width, height.
    np.testing.assert_array_equal(found.meant[0], [10, 10, 80, 50])
    np.testing.assert_array_equal(found.meant[1], [50, 10, 40, 30])
    assert [found.right(i).tolist() for i in range(2)] == [[True, False], [False, True]]
    np.testing.assert_allclose(found.boxes(1)[1], [0.5, 0.125, 0.4, 0.375])
    assert found.picture(0) == found.picture(2)
    assert len(data.flickr30k_entities(folder, folder / "images", limit=2)) == 2


def test_a_detectors_boxes_are_what_is_chosen_from(folder):
    (folder / "dets.json").write_text('{"7": [[12, 12, 78, 48], [0, 0, 5, 5]]}')
    found = data.flickr30k_entities(
        folder, folder / "images", detections=folder / "dets.json", limit=1
    )
    assert found.right(0).tolist() == [True, False]


def test_what_is_no_entities_is_refused_in_a_sentence(folder):
    with pytest.raises(FileNotFoundError, match="has no 'val.txt', the list of the pictures"):
        data.flickr30k_entities(folder, folder / "images", "val")
    with pytest.raises(FileNotFoundError, match="has no folder 'Sentences'; give the folder of"):
        data.flickr30k_entities(folder / "images", folder / "images")
    file = folder / "Annotations" / "7.xml"
    file.write_text('<!DOCTYPE a [<!ENTITY b "c">]>' + xml())
    with pytest.raises(ValueError, match="declares entities, which"):
        data.flickr30k_entities(folder, folder / "images")
    file.write_text(xml()[:-5])
    with pytest.raises(ValueError, match="is no annotation of Flickr30k Entities"):
        data.flickr30k_entities(folder, folder / "images")
    file.write_bytes(xml().encode("utf-16")[2:])  # without its mark
    with pytest.raises(ValueError, match="is no text: it looks like .* UTF-16 without its mark"):
        data.flickr30k_entities(folder, folder / "images")
    file.unlink()
    with pytest.raises(FileNotFoundError, match="of a picture that is listed; unpack"):
        data.flickr30k_entities(folder, folder / "images")
    file.write_text(xml())
    with pytest.raises(ValueError, match="has no phrase with a box"):
        data.flickr30k_entities(folder, folder / "images")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/formats is not here")
def test_the_excerpt_as_published_is_read(folder):
    name = "1007129816"
    for kind, end in (("Sentences", "txt"), ("Annotations", "xml")):
        text = (SHARED / f"flickr30k_entities_{name}.{end}").read_text(encoding="utf-8")
        (folder / kind / f"{name}.{end}").write_text(text, encoding="utf-8")
    (folder / "val.txt").write_text(f"{name}\n")
    Image.new("RGB", (500, 461)).save(folder / "images" / f"{name}.jpg")
    found = data.flickr30k_entities(folder, folder / "images", "val")
    assert found.phrases[:2] == ("The man", "pierced ears")
    # The other public form of the same picture has the same phrases and boxes.
    rows = json.loads((SHARED.parent / "flickr8k/grounding_train.json").read_text())
    rows = [row for row in rows if Path(row["image"]).name.startswith(name)]
    assert found.phrases == tuple(row["text"] for row in rows)
    np.testing.assert_array_equal(found.meant, [row["bbox"] for row in rows])
    # Chain 208 has no box.
    assert "something" not in found.phrases and "Blitz hat" not in found.phrases
