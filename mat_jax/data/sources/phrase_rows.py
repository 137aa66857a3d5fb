"""Phrases and boxes in rows of JSON: Flickr30k Entities as one list, and ALBEF's RefCOCO+ form."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mat_jax.data.clean import clean_caption
from mat_jax.data.sources.boxed_phrases import BoxedPhrases
from mat_jax.data.sources.forms import but_looks_like
from mat_jax.data.sources.retrieval import image_paths
from mat_jax.utils.json_files import json_contents

FORM = '{"image": path, "text": phrase, "bbox": [x, y, width, height], "width": w, "height": h}'


def grounding_json(
    path: str | Path,
    images: str | Path,
    *,
    detections: str | Path | None = None,
    limit: int | None = None,
) -> BoxedPhrases:
    """Read phrases with the box of each: a list of rows of the form `FORM`.

    The boxes to choose from are the distinct boxes of the same picture's phrases, or those of a
    detector. A phrase whose picture has one box alone tells nothing, and stays.

    Args:
        path: the JSON file.
        images: the image root.
        detections: a JSON file with the boxes of a detector, `{image: [[x, y, w, h], ...]}`, as
            ALBEF's `dets.json`; an image is named by its path, its file's name or its number.
        limit: keep only the first so many phrases.

    Raises:
        FileNotFoundError: the file, the image root or an image is not there.
        ValueError: the file is not of this form, or a picture has no detection.
    """
    path, root = Path(path), Path(images)
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no phrase; give at least 1, or None for all")
    found = json_contents(path, "phrases with boxes")
    if not isinstance(found, list) or not found:
        looks = but_looks_like(found)
        raise ValueError(f"{str(path)!r} is no list of phrases{looks}; expected rows {FORM}")
    rows = [_row(row, f"{str(path)!r}, row {number}") for number, row in enumerate(found)]
    of_picture: dict[str, dict[tuple[float, ...], None]] = {}
    for image, _, box, _ in rows:
        of_picture.setdefault(image, {})[box] = None
    rows = rows[:limit]
    paths = image_paths([image for image, *_ in rows], root, path)
    if detections is None:
        choices = {image: np.array(list(boxes)) for image, boxes in of_picture.items()}
    else:
        choices = detected(Path(detections), [image for image, *_ in rows])
    return BoxedPhrases(
        name=path.stem,
        form=f"phrases with boxes in JSON{'' if detections is None else ', boxes of a detector'}",
        paths=paths,
        phrases=tuple(phrase for _, phrase, _, _ in rows),
        sizes=np.array([size for *_, size in rows], float),
        meant=np.array([box for _, _, box, _ in rows], float),
        candidates=tuple(choices[image] for image, *_ in rows),
    )


def detected(path: Path, images: Sequence[str]) -> dict[str, np.ndarray]:
    """Of each image [boxes, 4] from a detector's file.

    Raises:
        ValueError: an image that the file does not know, or boxes of another form.
    """
    found = json_contents(path, "a detector's boxes")
    if not isinstance(found, Mapping):
        looks = but_looks_like(found)
        raise ValueError(
            f"{str(path)!r} is no mapping of images to boxes{looks}; expected dets.json"
        )
    boxes = {}
    for image in dict.fromkeys(images):
        stem = Path(image).stem
        keys = (image, Path(image).name, stem, stem.rsplit("_", 1)[-1].lstrip("0"))
        own = next((found[key] for key in keys if key in found), None)
        if own is None:
            raise ValueError(f"{str(path)!r} has no boxes of the image {image!r}; give it some")
        match own:
            case [*rows] if all(_is_box(box) for box in rows):
                boxes[image] = np.array(rows, float).reshape(-1, 4)
            case _:
                raise ValueError(
                    f"{str(path)!r} has boxes of {image!r} that are not [x, y, width, height] each"
                    f"{but_looks_like(found)}"
                )
    return boxes


def _is_box(box: Any) -> bool:
    """Whether it is four numbers, none of them infinite."""
    match box:
        case [int() | float(), int() | float(), int() | float(), int() | float()]:
            return bool(np.isfinite(np.array(box, float)).all())
    return False


def _row(row: Any, place: str) -> tuple[str, str, tuple[float, ...], tuple[float, float]]:
    """Image, phrase, box and size of one row."""
    match row:
        case {
            "image": str(image),
            "text": str(phrase),
            "bbox": box,
            "width": int(width),
            "height": int(height),
        } if width > 0 and height > 0 and _is_box(box) and box[2] > 0 and box[3] > 0:
            if not clean_caption(phrase):
                raise ValueError(f"{place}: the phrase {phrase!r} has no word; drop the row")
            return image, phrase, tuple(map(float, box)), (float(width), float(height))
        case {"image": str(), "text": str(), "ref_id": _} if "bbox" not in row:
            raise ValueError(
                f"{place} is of ALBEF's training form, which has no boxes; expected {FORM}, or "
                "give RefCOCO's own files (data.refcoco)"
            )
        case _:
            other = "" if isinstance(row, Mapping) and "bbox" in row else but_looks_like([row])
            raise ValueError(f"{place} is not of the form {FORM}{other}")
