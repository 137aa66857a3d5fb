"""Images in a folder for each class: ImageNet, TinyImageNet, and many others."""

import os
import re
from pathlib import Path

import numpy as np

from mat_jax.data.sources.labelled import TEMPLATE, Files, Labelled, plain
from mat_jax.utils.text_files import read_text, short

SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
# Of editors and archives, `.ipynb_checkpoints` and `._cat.jpg` for example: neither is a class.
HIDDEN = (".", "__MACOSX")
SPLITS = {"train", "val", "valid", "validation", "test", "images"}
# A class folder, perhaps a number, the name: `n01443537 goldfish, Carassius auratus`.
LINE = re.compile(r"(\S+)\s+(?:\d+\s+)?(\S.*)")


def image_folder(
    folder: str | Path, names: str | Path | None = None, *, template: str = TEMPLATE
) -> Labelled:
    """Read `folder/class/any/depth/picture.jpeg`: labels are the class folders in order of name.

    Args:
        folder: ImageNet's `train`, say; of TinyImageNet `train` too, since its `val` has no class
            folders as it is published.
        names: what the classes are called, a line for each folder: `n01443537 goldfish, Carassius
            auratus`. The first of several names counts, and a number between folder and name (the
            class files of TeCoA's code) does not; lines of other folders do no harm. ImageNet's
            `LOC_synset_mapping.txt` and TinyImageNet's `words.txt` are of this form. None calls
            classes by their folders.
        template: of a class's prompt, with {} for its name.

    Raises:
        FileNotFoundError: the folder or the file of names is not there.
        ValueError: there are no class folders, one holds no picture, or one has no name.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(
            f"no image folder {str(root)!r}; give the folder that holds a folder of pictures for "
            "each class"
        )
    entries = [entry for entry in os.scandir(root) if not entry.name.startswith(HIDDEN)]
    classes = sorted(entry.name for entry in entries if entry.is_dir())
    if not classes:
        raise ValueError(
            f"{str(root)!r} holds no folders; expected one for each class, with its pictures in it"
        )
    if set(classes) <= SPLITS:
        raise ValueError(
            f"{str(root)!r} holds the folders {', '.join(classes)}, which look like splits and "
            "not like classes; give one of them"
        )
    known = {} if names is None else class_names(names)
    missing = [name for name in classes if names is not None and name not in known]
    if missing:
        raise ValueError(
            f"{str(names)!r} has no line for the class folder {missing[0]!r} of {str(root)!r}; "
            "expected the folder and its name, 'n01443537 goldfish' for example"
        )
    found = [pictures(root, name) for name in classes]
    return Labelled(
        name=f"{root.parent.name}/{root.name}",
        form=f"a folder for each of {len(classes)} classes",
        images=Files(root, tuple(name for files in found for name in files)),
        labels=np.repeat(np.arange(len(found), dtype=np.int32), [len(files) for files in found]),
        classes=tuple(known.get(name, plain(name)) for name in classes),
        template=template,
    )


def pictures(root: Path, name: str) -> list[str]:
    """The paths of a class's pictures, at any depth, from `root` and in order."""
    found = [
        os.path.relpath(os.path.join(place, file), root)
        for place, _, files in os.walk(root / name)
        for file in files
        if file.lower().endswith(SUFFIXES) and not file.startswith(HIDDEN)
    ]
    if not found:
        raise ValueError(
            f"the class folder {str(root / name)!r} holds no picture ({', '.join(SUFFIXES)}); "
            "fill it or remove it"
        )
    return sorted(found)


def class_names(path: str | Path) -> dict[str, str]:
    """The name of each class folder, of a file with a line for each."""
    text = read_text(
        path,
        expected="a line for each class folder, 'n01443537 goldfish' for example",
        missing=f"no file of class names {str(path)!r}; give one with a line for each class "
        "folder, or none to call classes by their folders",
    )
    found = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(
                f"{str(path)!r}, line {number} is {short(line)}; expected a class folder and its "
                "name, 'n01443537 goldfish' for example"
            )
        found[match[1]] = plain(match[2].split(",")[0])
    return found
