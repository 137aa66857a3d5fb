"""Classified sets of TFDS: prepared here in the real format, and read without TensorFlow."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from mat_jax import data
from mat_jax.data.scenes.tfds_scenes import LocalInfo
from mat_jax.evaluate import Evaluation
from mat_jax.evaluate.tasks.zero_shot import ZeroShot
from mat_jax.types.sources import HasClasses

NAMES = ("apple_pie", "baby-back ribs", "sushi")
COUNTS = {"train": 7, "test": 5}


def pixels(split, row):
    return np.random.default_rng([len(split), row]).integers(0, 255, (9, 7, 3)).astype(np.uint8)


class TinyFood(tfds.core.GeneratorBasedBuilder):
    """A set with two kinds of classes, as CIFAR-100 has."""

    VERSION = tfds.core.Version("1.2.0")
    pkg_dir_path = None
    url_infos: dict = {}  # noqa: RUF012

    def _info(self):
        features = {
            "coarse_label": tfds.features.ClassLabel(names=["sweet", "salty"]),
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=NAMES),
        }
        return LocalInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in COUNTS}

    def _generate_examples(self, split):
        for row in range(COUNTS[split]):
            png = io.BytesIO()
            Image.fromarray(pixels(split, row)).save(png, "PNG")
            facts = {"label": NAMES[row % 3], "coarse_label": row % 2, "id": str(row)}
            yield row, {"image": png.getvalue(), **facts}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    builder = TinyFood(data_dir=root, file_format="array_record")
    builder.download_and_prepare()
    return root


@pytest.fixture(scope="module")
def folder(prepared):
    return prepared / "tiny_food" / "1.2.0"


def check(source, split):
    """Every picture once, with its own class."""
    assert isinstance(source, HasClasses) and len(source) == COUNTS[split]
    assert source.classes == ("apple pie", "baby back ribs", "sushi")
    wanted = {pixels(split, row).tobytes(): row % 3 for row in range(COUNTS[split])}
    found = {source[i].image.tobytes(): source.label(i) for i in range(len(source))}
    assert found == wanted


def test_a_prepared_folder_is_read(folder):
    source = data.tfds_images(folder)
    assert source.name == "tiny_food/test"
    check(source, "test")
    check(data.tfds_images(folder, "train"), "train")
    part = data.tfds_images(folder, "train[:3]")
    assert len(part) == 3 and part.captions(0)[0].startswith("This is a photo of a ")


def test_a_set_is_found_by_name(prepared):
    check(data.tfds_images("tiny_food", directory=prepared), "test")


def test_the_task_takes_a_set_and_its_split(folder):
    asked = Evaluation(data=f"tfds:{folder}@train", task="zero_shot", limit=4)
    source = ZeroShot().source(asked)
    assert source.name == "tiny_food/train" and len(source) == 4
    check(ZeroShot().source(Evaluation(data=f"tfds:{folder}", task="zero_shot")), "test")


def test_tensorflow_is_not_imported(folder):
    code = f"""
import sys
from mat_jax import data
source = data.tfds_images({str(folder)!r})
source[0]
assert "tensorflow" not in sys.modules and "cv2" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stdout


def test_what_is_not_there_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"has no split 'valid'; name one of test, train"):
        data.tfds_images(folder, "valid")
    with pytest.raises(ValueError, match="TensorFlow Datasets has no set 'no_such_set_at_all'"):
        data.tfds_images("no_such_set_at_all", directory=tmp_path)


def test_what_cannot_be_prepared_is_said(tmp_path, monkeypatch):
    def fails(self, **given):
        raise ConnectionError("no route to the host\nand more")

    monkeypatch.setattr(TinyFood, "download_and_prepare", fails)
    with pytest.raises(ValueError, match=r"could not be downloaded and prepared \(no route to the"):
        data.tfds_images("tiny_food", directory=tmp_path)


def test_a_set_without_classes_is_refused(tmp_path):
    class Unnamed(TinyFood):
        """Pictures alone."""

        def _info(self):
            image = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
            return LocalInfo(builder=self, features=tfds.features.FeaturesDict({"image": image}))

        def _generate_examples(self, split):
            for key, row in super()._generate_examples(split):
                yield key, {"image": row["image"]}

    Unnamed(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    with pytest.raises(ValueError, match="has no picture with a class; its records hold image"):
        data.tfds_images(tmp_path / "unnamed" / "1.2.0")


def test_files_that_only_tensorflow_reads_are_refused(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    (tmp_path / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "tfrecord"}))
    with pytest.raises(ValueError, match="was prepared as tfrecord, which only TensorFlow reads"):
        data.tfds_images(tmp_path)
