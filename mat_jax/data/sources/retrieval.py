"""Image-text pairs in the JSON files of the retrieval literature."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mat_jax.data.clean import clean_caption
from mat_jax.data.images import ImageFiles, read_image
from mat_jax.data.sources.annotations import read_annotations
from mat_jax.data.sources.forms import but_looks_like
from mat_jax.types.arrays import Example
from mat_jax.utils.text_files import short


@dataclass(frozen=True, kw_only=True)
class RetrievalJson:
    """Images named by a JSON file, with captions and partners; pixels are read when asked for."""

    name: str
    form: str  # of the file, in words
    paths: tuple[Path, ...]
    texts: tuple[tuple[str, ...], ...]
    partner_texts: tuple[tuple[str, ...], ...]
    partner_paths: tuple[tuple[Path, ...], ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Example:
        image_id = range(len(self))[index]
        return Example(read_image(self.paths[image_id]), self.texts[image_id], image_id)

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of an image, without reading the image."""
        return self.texts[index]

    def partner_captions(self, index: int) -> tuple[str, ...]:
        """The partners of its captions, none of them twice."""
        return self.partner_texts[index]

    def partner_images(self, index: int) -> ImageFiles:
        """Its partner pictures, each read when it is asked for."""
        return ImageFiles(self.partner_paths[index])


def retrieval_json(
    path: str | Path, images: str | Path, limit: int | None = None, *, split: str | None = None
) -> RetrievalJson:
    """Read the annotation files that retrieval and captioning are trained and tested with.

    These forms, told apart by what is in them:

    - evaluation (ALBEF, TCL, BLIP, Co-Attack, SGA): `[{"image": "val/1.jpg", "caption": ["a dog",
      "a brown dog"]}, ...]`;
    - training (the same): `[{"image": "train/1.jpg", "caption": "a dog", "image_id": 17}, ...]`,
      where rows of the same `image_id` (any number or string) become one image with several
      captions;
    - Karpathy's, all splits in one file (`dataset_flickr30k.json`, `dataset_coco.json`,
      `dataset_rsicd.json`): `{"images": [{"filename": "1.jpg", "split": "train", "sentences":
      [{"raw": "a dog"}, ...]}, ...]}`, of COCO with a `filepath` to be put before the name;
    - COCO's captions as published (`captions_val2017.json`): `{"images": [{"id": 1, "file_name":
      "1.jpg"}, ...], "annotations": [{"image_id": 1, "caption": "a dog"}, ...]}`;
    - captions by image: `{"train/1.jpg": "a dog", ...}`, or a list of captions each;
    - lines of text: Flickr's token file, Kaggle's tables, JSON lines of the first two forms, and
      RSICD's `test_caps.txt` beside `test_filename.txt` (`text_annotations`).

    Rows of either form may also have partners, further texts and pictures of the image, as
    `python -m mat_jax.augment` writes them: `"partner_captions": [text, ...]` and
    `"partner_images": [path, ...]`. Those of all rows of an image are put together. Only MAT+ looks
    at them (`data.Source`).

    Images, captions and partners keep the order of the file. An `image_id` of the source is the
    position of the image in it.

    Args:
        path: the file.
        images: the image root, the folder that the paths in the file start from.
        limit: keep only the first so many images.
        split: of Karpathy's form, "train", "val" or "test"; "train" has COCO's "restval" with it,
            as in the field. Of a token file, the images of Flickr8k's list beside it
            (`Flickr_8k.testImages.txt`). Of the other forms a file is of one split: None.

    Raises:
        FileNotFoundError: the file, the image root or an image is not there.
        ValueError: the file is not of these forms, holds no rows, or a text has no words.
    """
    path, root = Path(path), Path(images)
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no image; give at least 1, or None for all")
    grouped: dict[Any, _Row] = {}
    form, rows = read_annotations(path, split)
    for number, row in enumerate(rows):
        place = f"{str(path)!r}, row {number}"
        found = _parse(row, place)
        key = _hashable(row.get("image_id", ("image", found.image)), place)
        known = grouped.setdefault(key, _Row(found.image, [], [], []))
        if known.image != found.image:
            raise ValueError(
                f"{place}: image_id {key!r} stands for {known.image!r} and for {found.image!r}; "
                "give each image its own image_id"
            )
        for texts, more in zip(known[1:], found[1:], strict=True):
            texts.extend(more)
    groups = list(grouped.values())[:limit]
    names = [name for row in groups for name in (row.image, *row.partner_images)]
    files = dict(zip(names, image_paths(names, root, path), strict=True))
    return RetrievalJson(
        name=path.stem,
        form=f"{form}, {sum(len(row.captions) for row in groups)} captions",
        paths=tuple(files[row.image] for row in groups),
        texts=tuple(tuple(row.captions) for row in groups),
        partner_texts=tuple(tuple(dict.fromkeys(row.partner_captions)) for row in groups),
        partner_paths=tuple(
            tuple(files[name] for name in dict.fromkeys(row.partner_images)) for row in groups
        ),
    )


class _Row(NamedTuple):
    image: str
    captions: list[str]
    partner_captions: list[str]
    partner_images: list[str]


def _parse(row: Any, place: str) -> _Row:
    """The image, the captions and the partners of one row."""
    if not isinstance(row, dict):
        raise ValueError(f'{place} is {short(row)}; expected {{"image": path, "caption": text}}')
    image, captions = row.get("image"), row.get("caption")
    if not isinstance(image, str) or not image:
        raise ValueError(
            f'{place} has "image": {short(image)}; expected the path of an image file{_other(row)}'
        )
    texts = [captions] if isinstance(captions, str) else captions
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            f'{place} has "caption": {short(captions)}; expected a text or a list of texts'
            f"{_other(row)}"
        )
    if not texts:
        raise ValueError(f"{place}: image {image!r} has no caption; give it one or drop the row")
    partners = [_list(row, key, place) for key in ("partner_captions", "partner_images")]
    for text in texts + partners[0]:
        if not clean_caption(text):
            raise ValueError(
                f"{place}: image {image!r} has a caption without words ({short(text)}); "
                "give it words or drop it"
            )
    return _Row(image, texts, *partners)


def _other(row: dict[str, Any]) -> str:
    """The form that a row seems to have, where it is no row of captions."""
    return "" if {"image", "caption"} <= row.keys() else but_looks_like([row])


def _list(row: dict[str, Any], key: str, place: str) -> list[str]:
    """What a row may have, a list of texts."""
    found = row.get(key, [])
    if not isinstance(found, list) or not all(isinstance(text, str) and text for text in found):
        raise ValueError(f"{place} has {key!r}: {short(found)}; expected a list of texts")
    return found


def _hashable(image_id: Any, place: str) -> Any:
    try:
        hash(image_id)
    except TypeError:
        raise ValueError(
            f'{place} has "image_id": {short(image_id)}; expected a number or a string'
        ) from None
    return image_id


def image_paths(names: Sequence[str], root: Path, path: Path) -> tuple[Path, ...]:
    r"""The file of each image, looked for before hours of work depend on it.

    One listing a folder, not a stat a file, since image folders are often on network disks. A name
    that was written on Windows, `val2014\1.jpg`, is looked for as `val2014/1.jpg` too.

    Args:
        names: of the images, from the image root.
        root: the image root.
        path: of the file that names them, for a sentence.

    Raises:
        FileNotFoundError: the image root, or an image, is not there.
    """
    if not root.is_dir():
        raise FileNotFoundError(
            f"no image root {str(root)!r}; give the folder that {names[0]!r} in {str(path)!r} is in"
        )
    listings: dict[Path, frozenset[str]] = {}

    def is_there(file: Path) -> bool:
        folder = file.parent
        if folder not in listings:
            listings[folder] = frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()
        return file.name in listings[folder]

    found = []
    for name in names:
        written = dict.fromkeys((root / name, root / name.replace("\\", "/")))
        file = next((one for one in written if is_there(one)), None)
        if file is None:
            raise FileNotFoundError(
                f"image {short(name)} of {str(path)!r} is not under the image root {str(root)!r}; "
                + _advice(name, root)
            )
        found.append(file)
    return tuple(found)


def _advice(name: str, root: Path) -> str:
    """The nearest folder that would do as image root."""
    for other in (
        root.parent,
        root.parent.parent,
        *sorted(p for p in root.iterdir() if p.is_dir()),
    ):
        with suppress(OSError):  # a name too long for the disk, for example
            if (other / name).is_file():
                return f"use images={str(other)!r}"
    return "check the image root, or drop the row"
