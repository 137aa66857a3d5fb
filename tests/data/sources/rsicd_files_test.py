"""RSICD as published: captions, splits and classes; and what is wrong with other folders."""

import json

import numpy as np
import pytest
from PIL import Image

from mat_jax import data
from mat_jax.types.sources import HasClasses, TellsForm


@pytest.fixture
def folder(tmp_path):
    """Three pictures of two classes; one has a number for a name, as many of RSICD's have."""
    rows = []
    for name, split in (("airport_1.jpg", "train"), ("00623.jpg", "test"), ("pond_2.jpg", "test")):
        path = tmp_path / "RSICD_images" / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (len(rows), 0, 0)).save(path, "PNG")
        texts = [f"many planes {n} ." for n in range(5)]
        rows.append(
            {"filename": name, "split": split, "sentences": [{"raw": text} for text in texts]}
        )
    (tmp_path / "dataset_rsicd.json").write_text(json.dumps({"images": rows, "dataset": "rsicd"}))
    lists = tmp_path / "txtclasses_rsicd"
    lists.mkdir()
    (lists / "airport.txt").write_bytes(b"airport_1.jpg\r\n00623.jpg\r\n")
    (lists / "StorageTanks.txt").write_text("pond_2.jpg\n")
    return tmp_path


def test_images_have_captions_and_a_class(folder):
    source = data.rsicd(folder)
    assert isinstance(source, HasClasses) and isinstance(source, TellsForm)
    assert source.classes == ("airport", "storage tanks")
    assert [source.label(i) for i in range(len(source))] == [0, 1]
    assert source.captions(1) == tuple(f"many planes {n} ." for n in range(5))
    assert source[1].image[0, 0].tolist() == [2, 0, 0]
    assert data.rsicd(folder, "train").labels.tolist() == [0]
    assert source.form == "RSICD with 2 classes, Karpathy's form, split test, 10 captions"


def test_zero_shot_reads_the_folder_and_heeds_the_split(folder):
    from mat_jax.evaluate.config import Evaluation
    from mat_jax.evaluate.tasks.registry import task_named

    def found(**more):
        asked = Evaluation(data=folder, task="zero_shot", attacks=("none",), **more)
        return task_named("zero_shot").source(asked)

    assert len(found()) == 2 and len(found(split="train")) == 1
    assert len(found(limit=1)) == 1


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "txtclasses_rsicd/airport.txt").write_text("airport_1.jpg"), "00623.jpg"),
        (lambda f: (f / "txtclasses_rsicd/x.txt").write_text("pond_2.jpg"), "take it out of one"),
    ],
)
def test_a_picture_of_no_class_or_of_two_is_named(folder, spoil, told):
    spoil(folder)
    with pytest.raises(ValueError, match=told):
        data.rsicd(folder)


def test_lists_that_are_not_unpacked_are_asked_for(folder):
    for path in (folder / "txtclasses_rsicd").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"unpack txtclasses_rsicd.rar of RSICD_optimal"):
        data.rsicd(folder)


def test_the_class_of_an_image_is_found_by_position(folder):
    labels = data.rsicd(folder).labels
    assert labels.dtype == np.int32 and labels.tolist() == [0, 1]
