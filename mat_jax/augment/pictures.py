"""Generated pictures that lie in a folder, or are listed in a JSON file."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from mat_jax.augment.manifest import Entry

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


def stem(image_id: int | str) -> str:
    """How files call an image: its id, with `-` for what a file name should not hold."""
    return re.sub(r"[^\w.]+", "-", str(image_id))


def find(place: str | Path, entries: Sequence[Entry]) -> list[tuple[Path, ...]]:
    """The generated pictures of each image, in order.

    Two forms. A folder of files `<image_id>_<k>.png` (or jpg, webp), k from 0 on, where the id is
    the manifest's: the scene's number, the `image_id` of the annotation file, or where it has
    none, the position of the image in it. Or a JSON file `{"<image_id>": [path, ...], ...}`, its
    paths starting from the folder that it is in.

    Raises:
        FileNotFoundError: no such folder or file, or a picture that is listed and not there.
        ValueError: the file is of another form, or there is no picture of any of the images.
    """
    found = read(place)
    names = [stem(entry.image_id) for entry in entries]
    pictures = [found.get(name, ()) for name in names]
    if not any(pictures):
        raise ValueError(
            f"{str(place)!r} has no picture of any image: name them <image_id>_<k>.png, "
            f"{names[0]}_0.png for example"
        )
    return pictures


def read(place: str | Path) -> dict[str, tuple[Path, ...]]:
    """All pictures of a folder or a JSON file, by the name of their image: see `find`."""
    place = Path(place)
    return _in_folder(place) if place.is_dir() else _in_file(place)


def _in_folder(folder: Path) -> dict[str, tuple[Path, ...]]:
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        name, _, number = path.stem.rpartition("_")
        if path.suffix.lower() in ENDINGS and name and number.isdecimal():
            found.setdefault(name, []).append((int(number), path))
    return {name: tuple(path for _, path in sorted(own)) for name, own in found.items()}


def _in_file(path: Path) -> dict[str, tuple[Path, ...]]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no folder or JSON file of pictures {str(path)!r}; give its path"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not valid JSON ({error}); repair it") from None
    lists = list(table.values()) if isinstance(table, dict) else [None]
    if not all(isinstance(own, list) and all(isinstance(p, str) for p in own) for own in lists):
        raise ValueError(f'{str(path)!r} is not of the form {{"<image_id>": [path, ...], ...}}')
    found = {stem(i): tuple(path.parent / name for name in own) for i, own in table.items()}
    missing = [picture for own in found.values() for picture in own if not picture.is_file()]
    if missing:
        raise FileNotFoundError(f"{str(path)!r} lists {str(missing[0])!r}, which is not there")
    return found
