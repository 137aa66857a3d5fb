"""A manifest is the field's retrieval JSON, and reads back as it was written."""

import json

import numpy as np
import pytest
from PIL import Image

from mat_jax import augment, data
from mat_jax.augment.manifest import HEADER, MANIFEST, Entry, row

GREY = Image.fromarray(np.full((4, 4, 3), 99, np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Two images beside the folder, a partner of one of them in it."""
    for name in ("photos/a.png", "photos/b.png", "out/partners/7_0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        GREY.save(tmp_path / name)
    return tmp_path / "out"


def written(folder):
    photos = folder.parent / "photos"
    entries = (
        Entry(
            image_id=7,
            image=photos / "a.png",
            captions=("a dog", "a brown dog"),
            partner_images=(folder / "partners/7_0.png",),
        ),
        Entry(
            image_id="b",
            image=photos / "b.png",
            captions=("a cat",),
            partner_captions=("ein Löwe", "a kitten"),
        ),
    )
    rows = [row(entry, folder) for entry in entries]
    (folder / MANIFEST).write_text(json.dumps(rows), encoding="utf-8")
    return entries, rows


def test_what_is_written_is_what_is_read(folder):
    entries, rows = written(folder)
    (folder / HEADER).write_text(json.dumps({"how": "t2i", "count": 1}))
    manifest = augment.read_manifest(folder)
    assert manifest.header == {"how": "t2i", "count": 1} and len(manifest) == 2
    for found, expected in zip(manifest.entries, entries, strict=True):
        assert found.captions == expected.captions and found.image_id == expected.image_id
        assert found.partner_captions == expected.partner_captions
        assert found.image.samefile(expected.image)
        for one, other in zip(found.partner_images, expected.partner_images, strict=True):
            assert one.samefile(other)
    assert augment.read_manifest(folder / MANIFEST) == manifest
    # Paths start from the folder, so both may be moved together.
    assert rows[0]["image"] == "../photos/a.png"
    assert rows[0]["partner_images"] == ["partners/7_0.png"]


def test_the_readers_of_the_field_take_it(folder):
    entries, _ = written(folder)
    source = data.retrieval_json(folder / MANIFEST, images=folder)
    assert [source.captions(i) for i in range(2)] == [entry.captions for entry in entries]
    assert source[1].image.shape == (4, 4, 3)


def test_a_link_to_the_folder_does_not_mislead(folder, tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    link = tmp_path / "deep/er/link"
    link.symlink_to(folder)
    entry = Entry(image_id=1, image=tmp_path / "photos/a.png", captions=("a dog",))
    path = row(entry, link)["image"]
    assert (folder / path).is_file() and (link / path).is_file()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, FileNotFoundError, "no manifest.json in .*; make one: mat_jax.augment"),
        ("[", ValueError, "is not valid JSON"),
        ("{}", ValueError, "is not a list of rows"),
        ('[{"caption": "a"}]', ValueError, "row 0 is .*; expected"),
        ('[{"image": "a.png"}]', ValueError, "row 0 has 'caption': None; expected a list of texts"),
        (
            '[{"image": "a.png", "caption": "a", "partner_images": [1]}]',
            ValueError,
            r"row 0 has 'partner_images': \[1\]; expected a list of texts",
        ),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, text, error, message):
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(error, match=message):
        augment.read_manifest(tmp_path)


def test_an_unfinished_folder_says_how_to_go_on(tmp_path):
    (tmp_path / HEADER).write_text('{"how": "eda"}')
    with pytest.raises(FileNotFoundError, match="run its command again, it goes on"):
        augment.read_manifest(tmp_path)
