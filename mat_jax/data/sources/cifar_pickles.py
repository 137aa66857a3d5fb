"""CIFAR-10 and CIFAR-100 in the files of their "python version", which are pickles of Python 2."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mat_jax.data.sources.labelled import TEMPLATE, Labelled, plain
from mat_jax.utils import unpickle
from mat_jax.utils.unpickle import Name


class Layout(NamedTuple):
    """Where one of the two keeps things."""

    names: str  # key of the class names, in the file of facts
    labels: str  # key of the labels, in the files of images
    files: dict[str, tuple[str, ...]]  # of each split


# By the file of facts, which tells the two apart.
LAYOUTS = {
    "meta": Layout("fine_label_names", "fine_labels", {"train": ("train",), "test": ("test",)}),
    "batches.meta": Layout(
        "label_names",
        "labels",
        {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
    ),
}
# What a pickled array asks for; numpy 2 calls it by another name.
MAKE = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
ARRAY, KIND = "numpy.ndarray", "numpy.dtype"


class Bytes:
    """An array of bytes on its way: pickles make it first and fill it afterwards."""

    array: np.ndarray | None = None


def cifar(folder: str | Path, split: str = "train", *, template: str = TEMPLATE) -> Labelled:
    """Read `cifar-100-python` (its 100 fine classes) or `cifar-10-batches-py`.

    The files are pickles. No code in them is run: they may hold text, numbers, lists, dicts and
    arrays of bytes (`mat_jax.utils.unpickle`), and are refused if they hold more.

    Args:
        folder: as the archive of the University of Toronto unpacks.
        split: "train", 50,000 images, or "test", 10,000.
        template: of a class's prompt, with {} for its name.

    Raises:
        FileNotFoundError: the folder or one of its files is not there.
        ValueError: a file is damaged or not of this form, or a label is no class.
    """
    root = Path(folder)
    facts = next((name for name in LAYOUTS if (root / name).is_file()), None)
    if facts is None:
        raise FileNotFoundError(
            f"{str(root)!r} holds neither meta, as cifar-100-python does, nor batches.meta, as "
            "cifar-10-batches-py does; give one of these folders"
        )
    layout = LAYOUTS[facts]
    if split not in layout.files:
        raise ValueError(f"split {split!r} is not one of {', '.join(layout.files)}")
    (classes,) = _entries(root / facts, layout.names)
    images, labels = [], []
    for name in layout.files[split]:
        pixels, found = _entries(root / name, "data", layout.labels)
        array = getattr(pixels, "array", None)
        if array is None or array.ndim != 2 or array.shape[1] != 3 * 32 * 32:
            raise ValueError(
                f"'data' of {str(root / name)!r} is no array of 3,072 bytes an image; "
                "download the archive again"
            )
        images.append(array.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.extend(found)
    return Labelled(
        name=f"{root.name}/{split}",
        form="CIFAR's pickles",
        images=np.concatenate(images),
        labels=np.asarray(labels, np.int32),
        classes=tuple(plain(name) for name in classes),
        template=template,
    )


def _entries(path: Path, *keys: str) -> list[Any]:
    """What a file holds under these keys."""
    found = unpickle.read_file(
        path,
        expected="a file of CIFAR's python version",
        advice="unpack the whole archive of CIFAR's python version",
        known=_known,
        call=_call,
        build=_build,
    )
    lacking = [key for key in keys if not isinstance(found, dict) or key not in found]
    if lacking:
        raise ValueError(f"{path} has no {lacking[0]!r}; expected a file of CIFAR's python version")
    return [found[key] for key in keys]


def _known(name: str) -> bool:
    return name in (*MAKE, ARRAY, KIND)


def _call(name: Name, arguments: tuple[Any, ...]) -> Any:
    if name in MAKE:
        return Bytes()
    if name != KIND or arguments[:1] != ("u1",):
        raise ValueError("it makes an array of something else than bytes")
    return name  # all there is to know


def _build(value: Any, state: Any) -> None:
    """Fill an array; set up a kind of number, of which there is but one."""
    if isinstance(value, Bytes):
        _, shape, kind, columns_first, data = state
        if kind != KIND:
            raise ValueError("it makes an array of something else than bytes")
        data = data.encode("latin-1") if isinstance(data, str) else data
        order = "F" if columns_first else "C"
        value.array = np.frombuffer(data, np.uint8).reshape(shape, order=order)
    elif value != KIND:
        raise ValueError("it sets up what is no array")
