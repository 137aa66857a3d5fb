"""Flickr30k Entities as published: sentences with marked phrases, and boxes in XML."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from mat_jax.data.clean import clean_caption
from mat_jax.data.sources.boxed_phrases import BoxedPhrases
from mat_jax.data.sources.phrase_rows import detected
from mat_jax.data.sources.retrieval import image_paths
from mat_jax.utils.text_files import read_text

SENTENCES, ANNOTATIONS = "Sentences", "Annotations"
_PHRASE = re.compile(r"\[/EN#(\d+)/\S+ ([^\]]+)\]")

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


class _Picture(NamedTuple):
    """What the XML file of a picture says: its size, and of each chain of phrases the box."""

    size: tuple[float, float]
    boxes: dict[str, Box]


def flickr30k_entities(
    folder: str | Path,
    images: str | Path,
    split: str | None = None,
    *,
    detections: str | Path | None = None,
    limit: int | None = None,
) -> BoxedPhrases:
    """Read the folders `Sentences` and `Annotations` (Plummer et al., ICCV 2015).

    A phrase is `[/EN#203/people The man]` in a sentence, and the boxes of its chain 203 are in the
    XML file of the picture. Where a chain has several boxes the phrase means the smallest box
    around all of them, as in the field's protocol. Phrases of chains without a box are left out.

    Args:
        folder: with both folders, and the lists `train.txt`, `val.txt` and `test.txt`.
        images: the image root; a picture is named `1007129816.jpg`.
        split: only pictures of that list; None is all.
        detections: a detector's boxes, as in `grounding_json`; None takes the distinct boxes of
            the picture's own phrases to choose from.
        limit: keep only the first so many phrases.

    Raises:
        FileNotFoundError: a file, the image root or an image is not there.
        ValueError: a file is damaged, or no phrase has a box.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no phrase; give at least 1, or None for all")
    folder, root = Path(folder), Path(images)
    found: list[tuple[str, str, Box]] = []
    pictures: dict[str, _Picture] = {}
    for name in _names(folder, split):
        pictures[name] = picture = _picture(folder / ANNOTATIONS / f"{name}.xml")
        text = _text(folder / SENTENCES / f"{name}.txt")
        found += [
            (name, phrase, picture.boxes[chain])
            for chain, phrase in _PHRASE.findall(text)
            if chain in picture.boxes and clean_caption(phrase)
        ]
        if limit is not None and len(found) >= limit:
            break
    found = found[:limit]
    if not found:
        raise ValueError(f"{str(folder)!r} has no phrase with a box; give Flickr30k Entities")
    names = [f"{name}.jpg" for name, _, _ in found]
    paths = image_paths(names, root, folder)
    if detections is None:
        own = {
            name: np.array([_sides(box) for box in dict.fromkeys(one.boxes.values())])
            for name, one in pictures.items()
            if one.boxes
        }
    else:
        boxes = detected(Path(detections), names)
        own = {name: boxes[f"{name}.jpg"] for name in pictures if f"{name}.jpg" in boxes}
    return BoxedPhrases(
        name=folder.name if split is None else f"{folder.name}/{split}",
        form=f"Flickr30k Entities{'' if detections is None else ', boxes of a detector'}",
        paths=paths,
        phrases=tuple(phrase for _, phrase, _ in found),
        sizes=np.array([pictures[name].size for name, _, _ in found]),
        meant=np.array([_sides(box) for _, _, box in found]),
        candidates=tuple(own[name] for name, _, _ in found),
    )


def _names(folder: Path, split: str | None) -> list[str]:
    """The pictures of a split, or all, without ".jpg"."""
    for needed in (SENTENCES, ANNOTATIONS):
        if not (folder / needed).is_dir():
            raise FileNotFoundError(
                f"{str(folder)!r} has no folder {needed!r}; give the folder of Flickr30k Entities, "
                f"with {SENTENCES} and {ANNOTATIONS} unpacked in it"
            )
    if split is None:
        return sorted(file.stem for file in (folder / SENTENCES).glob("*.txt"))
    listed = folder / f"{split}.txt"
    if not listed.is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} has no {listed.name!r}, the list of the pictures of that split; put "
            "it there, or leave out the split"
        )
    return _text(listed).split()


def _text(file: Path) -> str:
    """What a file holds.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is not UTF-8, in which Flickr30k Entities is published.
    """
    return read_text(
        file,
        expected="a file of Flickr30k Entities",
        missing=f"no file {str(file)!r}, of a picture that is listed; unpack Flickr30k Entities "
        "again",
    )


def _picture(file: Path) -> _Picture:
    """The size of a picture, and the box of each chain."""
    text = _text(file)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError(f"{str(file)!r} declares entities, which Flickr30k Entities never does")
    try:
        tree = ElementTree.fromstring(text)
        size = float(tree.findtext("size/width", "")), float(tree.findtext("size/height", ""))
        if not min(size) > 0:
            raise ValueError(f"the size {size[0]:g} x {size[1]:g}")
        boxes: dict[str, Box] = {}
        for chain, box in _boxes(tree):
            known = boxes.get(chain, box)
            low, high = np.minimum(known[:2], box[:2]), np.maximum(known[2:], box[2:])
            boxes[chain] = (*low.tolist(), *high.tolist())
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(
            f"{str(file)!r} is no annotation of Flickr30k Entities ({error}); expected a size and "
            "objects with names and bndbox; download it again"
        ) from None
    return _Picture(size, boxes)


def _boxes(tree: ElementTree.Element) -> Iterator[tuple[str, Box]]:
    """Each box with each chain that it belongs to; a box may have several."""
    for one in tree.iter("object"):
        corners = one.find("bndbox")
        if corners is None:
            continue
        left, top, right, bottom = (
            float(corners.findtext(name, "")) for name in ("xmin", "ymin", "xmax", "ymax")
        )
        for name in one.iter("name"):
            yield (name.text or "").strip(), (left, top, right, bottom)


def _sides(box: Box) -> Box:
    """x, y, width and height."""
    left, top, right, bottom = box
    return left, top, right - left, bottom - top
