"""RSICD: aerial pictures with five sentences and one of thirty classes each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from mat_jax.data.sources.labelled import plain
from mat_jax.data.sources.retrieval import RetrievalJson, retrieval_json
from mat_jax.types.arrays import Example
from mat_jax.utils.text_files import read_text

ANNOTATIONS, IMAGES, CLASSES = "dataset_rsicd.json", "RSICD_images", "txtclasses_rsicd"
TEMPLATE = "an aerial image of a {}"
# Classes whose published name is no English word.
_NAMES = {
    "bareland": "bare land",
    "baseballfield": "baseball field",
    "commercial": "commercial area",
    "denseresidential": "dense residential area",
    "industrial": "industrial area",
    "mediumresidential": "medium residential area",
    "parking": "parking lot",
    "railwaystation": "railway station",
    "sparseresidential": "sparse residential area",
    "storagetanks": "storage tanks",
}


@dataclass(frozen=True, kw_only=True)
class ClassifiedPairs:
    """Images with captions of people, and a class each.

    Args:
        pairs: the images and captions.
        labels: the class of each image.
        classes: the name of each class, in the order of the labels.
        form: of the files, in words.
        template: of a class's prompt, with {} for its name.
    """

    pairs: RetrievalJson
    labels: Int[np.ndarray, " images"]
    classes: tuple[str, ...]
    form: str
    template: str = TEMPLATE

    @property
    def name(self) -> str:
        """Of the file."""
        return self.pairs.name

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int, /) -> Example:
        return self.pairs[index]

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of an image."""
        return self.pairs.captions(index)

    def label(self, index: int) -> int:
        """The class of an image."""
        return int(self.labels[index])


def rsicd(folder: str | Path, split: str = "test", limit: int | None = None) -> ClassifiedPairs:
    """Read RSICD as published (RSICD_optimal), in a folder with three things.

        dataset_rsicd.json     Karpathy's form, with train, val and test
        RSICD_images/          the pictures
        txtclasses_rsicd/      a text file for each class, with the names of its pictures

    Args:
        folder: that holds them.
        split: "train", "val" or "test".
        limit: keep only the first so many images.

    Raises:
        FileNotFoundError: one of the three, or a picture, is not there.
        ValueError: a file of another form, or a picture of no class or of two.
    """
    root = Path(folder)
    stems, known = _classes(root / CLASSES)
    pairs = retrieval_json(root / ANNOTATIONS, root / IMAGES, limit, split=split)
    places = {stem: place for place, stem in enumerate(stems)}
    labels = []
    for path in pairs.paths:
        if path.name not in known:
            raise ValueError(
                f"no file in {str(root / CLASSES)!r} lists {path.name!r} of {ANNOTATIONS}: add it "
                "to the list of its class"
            )
        labels.append(places[known[path.name]])
    return ClassifiedPairs(
        pairs=pairs,
        labels=np.array(labels, np.int32),
        classes=tuple(_NAMES.get(stem, plain(stem)) for stem in stems),
        form=f"RSICD with {len(stems)} classes, {pairs.form}",
    )


def is_rsicd(folder: str | Path) -> bool:
    """Whether a folder holds RSICD's annotations."""
    return (Path(folder) / ANNOTATIONS).is_file()


def _classes(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The classes in order, and that of each picture by the name of its file."""
    lists = sorted(folder.glob("*.txt"))
    if not lists:
        raise FileNotFoundError(
            f"no lists of classes in {str(folder)!r}: unpack {CLASSES}.rar of RSICD_optimal there, "
            "a text file for each class with the names of its pictures"
        )
    found: dict[str, str] = {}
    for path in lists:
        stem = path.stem.lower()
        for name in read_text(path, expected="names of pictures").split():
            if found.setdefault(name, stem) != stem:
                raise ValueError(
                    f"{name!r} is of the class {found[name]!r} and of {stem!r} in {str(folder)!r}: "
                    "take it out of one"
                )
    return sorted(path.stem.lower() for path in lists), found
