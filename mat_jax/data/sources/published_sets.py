"""The sets that zero-shot robustness is published on: where each is, what is tested, its prompt.

Sixteen names of MMCoA (arXiv:2404.19287). Prompts and splits are those of its released program,
whose sets TeCoA's and FARE's lists share. Four more are in those lists alone (`SET_LISTS`); the
prompts of PCAM and HatefulMemes are those that CLIP was published with.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

from mat_jax.data.sources.cifar_pickles import cifar
from mat_jax.data.sources.class_folders import image_folder
from mat_jax.data.sources.labelled import TEMPLATE, Labelled
from mat_jax.data.sources.tfds_sets import tfds_images


class PublishedSet(NamedTuple):
    """One set of the literature.

    Attributes:
        tfds: its name in TensorFlow Datasets; None where it is not there.
        split: what is tested, as TFDS has it.
        template: of a class's prompt.
        train: what is trained on, apart from `split`; None where TFDS has no such part.
        cut: characters that a class name of TFDS loses, at the front and at the end.
        classes: what the classes are called; None takes the set's own names.
    """

    tfds: str | None
    split: str = "test"
    template: str = TEMPLATE
    train: str | None = "train"
    cut: tuple[int, int] = (0, 0)
    classes: tuple[str, ...] | None = None


_LAND = (
    "annual crop land",
    "a forest",
    "brushland or shrubland",
    "a highway or a road",
    "industrial buildings",
    "pasture land",
    "permanent crop land",
    "residential buildings",
    "a river",
    "a sea or a lake",
)
# TFDS has the classes of ImageNet, ImageNet-R and ImageNet-Sketch by their numbers: give --classes.
# ImageNet-R has images of 200 of the 1,000. Caltech101 has one more class there,
# of backgrounds, which the program leaves out. Country211's classes are codes of countries.

PUBLISHED_SETS = {
    "cifar10": PublishedSet("cifar10"),
    "cifar100": PublishedSet("cifar100"),
    "tiny_imagenet": PublishedSet(None),
    "imagenet": PublishedSet("imagenet2012", "validation"),
    "stl10": PublishedSet("stl10"),
    "caltech101": PublishedSet("caltech101", "train+test", train=None),
    "caltech256": PublishedSet(None, template="A photo of a {}."),
    "food101": PublishedSet("food101", "validation", "A photo of {}, a type of food."),
    "flowers102": PublishedSet("oxford_flowers102", template="A photo of a {}, a type of flower."),
    "oxford_pets": PublishedSet("oxford_iiit_pet", template="A photo of a {}, a type of pet."),
    "stanford_cars": PublishedSet("cars196", template="A photo of a {}.", cut=(0, 5)),  # the year
    "fgvc_aircraft": PublishedSet(None, template="A photo of a {}, a type of aircraft."),
    "sun397": PublishedSet("sun397", "train+validation+test", train=None, cut=(2, 0)),  # "a abbey"
    "dtd": PublishedSet("dtd", template="A surface with a {} texture."),
    "eurosat": PublishedSet(
        "eurosat", "train", "A centered satellite photo of {}.", train=None, classes=_LAND
    ),
    "country211": PublishedSet(None, template="A photo I took in {}."),
    "pcam": PublishedSet(
        "patch_camelyon",
        template="This is a photo of {}",
        classes=("lymph node", "lymph node containing metastatic tumor tissue"),
    ),
    "hateful_memes": PublishedSet(None, template="a {}.", classes=("meme", "hatespeech meme")),
    "imagenet_r": PublishedSet("imagenet_r", train=None),
    "imagenet_sketch": PublishedSet("imagenet_sketch", train=None),
}

_SIXTEEN = tuple(PUBLISHED_SETS)[:16]
_FINE = ("stanford_cars", "oxford_pets", "flowers102", "dtd", "eurosat", "fgvc_aircraft")
# Paper -> the sets that it measures, of the fact sheet (TeCoA, with HatefulMemes, which its code
# leaves out) and of FARE's Table 4 (ImageNet apart), which is from memory.
SET_LISTS = {
    "mmcoa": _SIXTEEN,
    "tecoa": (
        *("cifar10", "cifar100", "stl10", "sun397", "food101", *_FINE, "country211", "pcam"),
        *("hateful_memes", "caltech101", "caltech256", "imagenet"),
    ),
    "fare": (
        *("imagenet", "caltech101", "cifar10", "cifar100", "stl10", *_FINE, "pcam"),
        *("imagenet_r", "imagenet_sketch"),
    ),
}


def published_set(
    name: str,
    folder: str | Path | None = None,
    *,
    training: bool = False,
    directory: str | Path | None = None,
) -> Labelled:
    """A set of `PUBLISHED_SETS`, what of it is tested, with the prompt it is published with.

    Args:
        name: its key there.
        folder: its files, where they are at hand: a folder of pictures for each class, or CIFAR's
            own; None takes them from TensorFlow Datasets.
        training: read what is trained on instead; of a folder of class folders give its training
            folder, which is read whole.
        directory: where TFDS keeps its sets, see `tfds_images`.

    Raises:
        ValueError: no such set; it is not in TFDS and no folder is given; or all that TFDS has of
            it is tested.
    """
    if name not in PUBLISHED_SETS:
        raise ValueError(f"no published set {name!r}; choose from {', '.join(PUBLISHED_SETS)}")
    row = PUBLISHED_SETS[name]
    if folder is not None:
        pickled = any((Path(folder) / facts).is_file() for facts in ("meta", "batches.meta"))
        source = cifar(folder, "train" if training else "test") if pickled else image_folder(folder)
        front = end = 0
    elif row.tfds is not None:
        split = row.train if training else row.split
        if split is None:
            raise ValueError(
                f"{name!r} is tested on {row.split!r} of TensorFlow Datasets, so nothing is left "
                f"to train on: give a folder of other pictures, {name}=FOLDER"
            )
        source = tfds_images(row.tfds, split, directory=directory)
        front, end = row.cut
    else:
        raise ValueError(
            f"{name!r} is not in TensorFlow Datasets: give the folder with a folder of pictures "
            f"for each class, set:{name}=FOLDER"
        )
    own = tuple(one[front : len(one) - end] for one in source.classes)
    classes = row.classes or own
    if len(classes) != len(own):
        raise ValueError(
            f"{name!r} has {len(classes)} classes and the folder has {len(own)}; expected one "
            "folder for each"
        )
    return dataclasses.replace(source, name=name, classes=classes, template=row.template)
