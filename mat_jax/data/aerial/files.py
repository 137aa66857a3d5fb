"""The world from above as files: a folder like RSICD's, so that one path reads both.

FOLDER/dataset_rsicd.json          Karpathy's form, with train, val and test
FOLDER/RSICD_images/airport_1.png
FOLDER/txtclasses_rsicd/airport.txt    the pictures of a class, one a line
FOLDER/drawn/0_0.png               what a text-to-image model would draw of the first caption
                                   of image 0 of the training split
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from mat_jax.data.aerial import sites
from mat_jax.data.aerial.draw import render
from mat_jax.data.aerial.sentences import captions, imagine
from mat_jax.utils.files import alone, write_text, writing

SPLITS = {"train": 3_000, "val": 200, "test": 300}
_FIRST = {"test": 0, "val": 100_000, "train": 200_000}  # seeds of a split's sites start here


def write_aerial(
    folder: str | Path,
    *,
    train: int = SPLITS["train"],
    val: int = SPLITS["val"],
    test: int = SPLITS["test"],
    size: int = 64,
    wrong: float = 0.1,
) -> Path:
    """Draw the world into a folder, unless it is there; returns the folder.

    Site i of a split is the same whatever the sizes. The picture drawn from a caption is of another
    site of which the caption is true: what it does not tell is drawn anew, its colours are richer,
    and it has no haze.

    Args:
        folder: made where it is not there; `dataset_rsicd.json` is written last.
        train: sites of the training split.
        val: of the validation split.
        test: of the test split.
        size: pixels along a side.
        wrong: share of told facts that drawn pictures get wrong, in [0, 1].

    Raises:
        ValueError: the folder holds a world of other settings, or one that is not ours.
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    counts = {"train": train, "val": val, "test": test}
    facts = {**counts, "size": size, "wrong": wrong}
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        made, index = folder / "aerial.json", folder / "dataset_rsicd.json"
        if index.is_file():
            _require_same(made, facts)
            return folder
        write_text(made, json.dumps(facts) + "\n")
        rows, classes = [], {name: list[str]() for name in sites.CLASSES}
        for split, count in counts.items():
            for number in range(count):
                rows.append(_one(folder, split, number, classes, size=size, wrong=wrong))
        for name, files in classes.items():
            lines = "".join(f"{file}\n" for file in files)
            write_text(folder / "txtclasses_rsicd" / f"{name}.txt", lines)
        write_text(index, json.dumps({"images": rows, "dataset": "rsicd"}, indent=1) + "\n")
    return folder


def _one(
    folder: Path,
    split: str,
    number: int,
    classes: dict[str, list[str]],
    *,
    size: int,
    wrong: float,
) -> dict[str, object]:
    """Draw one site, and of the training split what its first caption makes a model draw."""
    rng = np.random.default_rng(_FIRST[split] + number)
    site = sites.sample(rng)
    own = captions(site, rng)
    files = classes[site.kind]
    files.append(f"{site.kind}_{len(files) + 1}.png")
    _picture(folder / "RSICD_images" / files[-1], render(site, size))
    if split == "train":
        drawn = imagine(own[0], site, rng, wrong=wrong)
        _picture(folder / "drawn" / f"{number}_0.png", render(drawn, size, painted=True))
    return {
        "filename": files[-1],
        "split": split,
        "sentences": [{"raw": one.text, "tokens": one.text.split()} for one in own],
    }


def _picture(path: Path, pixels: np.ndarray) -> None:
    with writing(path) as file:
        Image.fromarray(pixels).save(file, "PNG")


def _require_same(made: Path, facts: Mapping[str, int | float]) -> None:
    """Refuse a folder that holds something else."""
    if not made.is_file():
        raise ValueError(f"{str(made.parent)!r} holds an RSICD of others: choose another folder")
    before = json.loads(made.read_text(encoding="utf-8"))
    for name, value in facts.items():
        if before.get(name) != value:
            raise ValueError(
                f"{str(made.parent)!r} holds a world with {name}={before.get(name)}, not {value}: "
                "choose another folder, or delete that one"
            )
