"""A folder of partners: `manifest.json`, pictures, and `augment.json`, how they were made.

`manifest.json` is the field's retrieval JSON, a list of rows
`{"image": path, "image_id": id, "caption": [the originals]}`, with two more keys,
`"partner_captions": [text, ...]` and `"partner_images": [path, ...]`. Where the world drew partner
pictures, `"partner_images_true": [true, ...]` says of which the caption they stand beside is true.
Paths start from the folder, so `data.retrieval_json(folder / "manifest.json", images=folder)` reads
it as it reads any other.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST, HEADER = "manifest.json", "augment.json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image with its captions, and the partners made for it.

    Attributes:
        image_id: as the annotation file has it, or the number of the scene.
        image: where its picture is.
        captions: the originals.
        partner_captions: further texts of the image, in the order they were made.
        partner_images: further pictures of the captions.
        partner_images_true: of each whether its caption is true of it; empty where nobody knows.
    """

    image_id: int | str
    image: Path
    captions: tuple[str, ...]
    partner_captions: tuple[str, ...] = ()
    partner_images: tuple[Path, ...] = ()
    partner_images_true: tuple[bool, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All entries of a folder, in the order of the source, and how the partners were made.

    `header` has `how`, `count`, `seed`, `originals`, `source`, `images` and whatever else the way
    was told; it is empty where somebody else wrote the manifest.
    """

    folder: Path
    header: Mapping[str, Any]
    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]


def read_manifest(folder: str | Path) -> Manifest:
    """Read what `python -m mat_jax.augment --out FOLDER` wrote. Pictures are not opened.

    Raises:
        FileNotFoundError: there is no manifest, or the making of it has not ended.
        ValueError: the file is not of this form.
    """
    folder = Path(folder)
    if folder.name == MANIFEST:
        folder = folder.parent
    path = folder / MANIFEST
    header = read_json(folder / HEADER) if (folder / HEADER).is_file() else {}
    if not path.is_file():
        again = "run its command again, it goes on" if header else "make one: mat_jax.augment"
        raise FileNotFoundError(f"no {MANIFEST} in {str(folder)!r}; {again}")
    rows = read_json(path)
    if not isinstance(rows, list) or not isinstance(header, dict):
        raise ValueError(f"{str(path)!r} is not a list of rows beside a header; make it again")
    entries = tuple(_entry(row, f"{str(path)!r}, row {n}", folder) for n, row in enumerate(rows))
    return Manifest(folder=folder, header=header, entries=entries)


def row(entry: Entry, folder: Path) -> dict[str, Any]:
    """An entry as a row of the file, the inverse of what `read_manifest` does with one."""
    found = {
        "image": _relative(entry.image, folder),
        "image_id": entry.image_id,
        "caption": list(entry.captions),
        "partner_captions": list(entry.partner_captions),
        "partner_images": [_relative(path, folder) for path in entry.partner_images],
    }
    true = list(entry.partner_images_true)
    return {**found, "partner_images_true": true} if true else found


def _entry(row: Any, place: str, folder: Path) -> Entry:
    if not isinstance(row, dict) or not isinstance(row.get("image"), str):
        raise ValueError(f'{place} is {row!r}; expected {{"image": path, "image_id": id, ...}}')
    captions = row.get("caption")
    texts: dict[str, Any] = {
        "caption": [captions] if isinstance(captions, str) else captions,
        "partner_captions": row.get("partner_captions", []),
        "partner_images": row.get("partner_images", []),
    }
    for key, value in texts.items():
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError(f"{place} has {key!r}: {row.get(key)!r}; expected a list of texts")
    true = row.get("partner_images_true", [])
    if not isinstance(true, list) or len(true) not in (0, len(texts["partner_images"])):
        raise ValueError(
            f"{place} has 'partner_images_true': {true!r}; expected a list with one true or false "
            "for each of its partner_images, or none"
        )
    return Entry(
        image_id=row.get("image_id", row["image"]),
        image=folder / row["image"],
        captions=tuple(texts["caption"]),
        partner_captions=tuple(texts["partner_captions"]),
        partner_images=tuple(folder / path for path in texts["partner_images"]),
        partner_images_true=tuple(map(bool, true)),
    )


def _relative(path: Path, folder: Path) -> str:
    """The way from the folder to a file, also to one beside or above it."""
    there = os.path.join(os.path.realpath(path.parent), path.name)  # links would mislead ".."
    return Path(os.path.relpath(there, os.path.realpath(folder))).as_posix()


def read_json(path: Path) -> Any:
    """A file of the folder; ValueError, in a sentence, if it was damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{str(path)!r} is not valid JSON ({error}); delete it and make it again"
        ) from None
