"""The published sets: the sheet's names, and the prompts of MMCoA's program."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from mat_jax import data
from mat_jax.data import PUBLISHED_SETS
from mat_jax.data.sources import published_sets
from mat_jax.data.sources.labelled import Labelled
from mat_jax.evaluate import Evaluation
from mat_jax.evaluate.tasks.zero_shot import ZeroShot

# The fact sheet's sixteen names, and of MMCoA's datasets/*.py those that have a prompt.
NAMES = "cifar10 cifar100 tiny_imagenet imagenet stl10 caltech101 caltech256 food101 flowers102"
NAMES += " oxford_pets stanford_cars fgvc_aircraft sun397 dtd eurosat country211"
PROMPTS = {
    "dtd": "A surface with a banded texture.",
    "eurosat": "A centered satellite photo of a forest.",
    "food101": "A photo of baby back ribs, a type of food.",
    "flowers102": "A photo of a hard leaved pocket orchid, a type of flower.",
    "oxford_pets": "A photo of a american bulldog, a type of pet.",
    "stanford_cars": "A photo of a acura rl sedan.",
    "sun397": "This is a photo of a airplane cabin",
    "pcam": "This is a photo of lymph node containing metastatic tumor tissue",  # CLIP's prompts
    "stl10": "This is a photo of a 1",  # TFDS names them when it has the files
}


def test_all_sixteen_are_there():
    assert set(data.SET_LISTS["mmcoa"]) == set(NAMES.split())


def test_the_lists_of_tecoa_and_fare_are_of_sets_that_there_are():
    """Names as in the fact sheet, section 2.6; FARE has thirteen sets beside ImageNet."""
    tecoa = "cifar10 cifar100 stl10 sun397 stanford_cars food101 oxford_pets flowers102 dtd eurosat"
    tecoa += " fgvc_aircraft country211 pcam hateful_memes caltech101 caltech256 imagenet"
    assert set(data.SET_LISTS["tecoa"]) == set(tecoa.split())
    assert len(set(data.SET_LISTS["fare"]) - {"imagenet"}) == 13
    for names in data.SET_LISTS.values():
        assert len(set(names)) == len(names) and set(names) <= set(PUBLISHED_SETS)


@pytest.mark.parametrize("name", PUBLISHED_SETS)
def test_prompts_of_the_names_that_tfds_has(name, monkeypatch, tmp_path):
    """TFDS knows its classes before it has the pictures."""
    row = PUBLISHED_SETS[name]
    if row.tfds is None:
        with pytest.raises(ValueError, match=f"give the folder .*set:{name}=FOLDER"):
            data.published_set(name)
        return
    told = tfds.builder(row.tfds, data_dir=tmp_path).info.features["label"].names

    def images(tfds_name, split, *, directory):
        assert (tfds_name, split) == (row.tfds, row.split)
        classes = tuple(published_sets_plain(one) for one in told)
        nothing = np.zeros((0, 2, 2, 3), np.uint8)
        return Labelled(
            name="x", form="made up", images=nothing, labels=np.zeros(0, np.int32), classes=classes
        )

    monkeypatch.setattr(published_sets, "tfds_images", images)
    source = data.published_set(name)
    assert source.name == name and len(source.classes) == len(told)
    if name in PROMPTS:
        assert PROMPTS[name] in source.prompts


def published_sets_plain(name):
    """TeCoA's `refine_classname`, which MMCoA keeps, with single spaces."""
    for mark in "_-/":
        name = name.replace(mark, " ")
    return " ".join(name.lower().split())


def test_a_folder_at_hand_has_the_prompt_too(tmp_path):
    for kind in ("ak47", "american_flag"):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / kind / "1.png")
    asked = Evaluation(data=f"set:caltech256={tmp_path}", task="zero_shot")
    source = ZeroShot().source(asked)
    assert isinstance(source, Labelled) and source.name == "caltech256"
    assert source.prompts == ("A photo of a ak47.", "A photo of a american flag.")
    with pytest.raises(ValueError, match="'eurosat' has 10 classes and the folder has 2"):
        data.published_set("eurosat", tmp_path)
    with pytest.raises(ValueError, match="no published set 'mnist'; choose from cifar10, cifar100"):
        data.published_set("mnist")


def test_what_is_trained_on_is_not_what_is_tested(monkeypatch):
    asked = []

    def images(tfds_name, split, *, directory):
        asked.append(split)
        nothing = np.zeros((0, 2, 2, 3), np.uint8)
        labels = np.zeros(0, np.int32)
        return Labelled(name="x", form="", images=nothing, labels=labels, classes=("a", "b"))

    monkeypatch.setattr(published_sets, "tfds_images", images)
    for name, row in PUBLISHED_SETS.items():
        if row.tfds is None:
            continue
        if row.train is None:
            with pytest.raises(ValueError, match=f"'{name}' is tested on .* so nothing is left"):
                data.published_set(name, training=True)
        else:
            data.published_set(name, training=True)
            # No part of the sum of splits that is tested.
            assert asked[-1] not in row.split.split("+")
