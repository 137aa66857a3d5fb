"""RefCOCO, RefCOCO+ and RefCOCOg in REFER's files: phrases in a pickle, boxes in JSON."""

from pathlib import Path
from typing import Any

import numpy as np

from mat_jax.data.clean import clean_caption
from mat_jax.data.sources.boxed_phrases import BoxedPhrases
from mat_jax.data.sources.forms import but_looks_like
from mat_jax.data.sources.phrase_rows import detected
from mat_jax.data.sources.retrieval import image_paths
from mat_jax.utils import unpickle
from mat_jax.utils.json_files import json_contents


def refcoco(
    folder: str | Path,
    images: str | Path,
    split: str = "val",
    *,
    by: str = "unc",
    detections: str | Path | None = None,
    limit: int | None = None,
) -> BoxedPhrases:
    """Read `refs(unc).p` and `instances.json` of one of REFER's folders.

    Every sentence of a record is a phrase. The pickle is of texts, numbers, lists and dicts, and no
    code in it is run (`mat_jax.utils.unpickle`). Boxes to choose from are a detector's, as ALBEF's
    `dets.json`, or all of the picture's in the instances.

    Args:
        folder: `refcoco+`, for example.
        images: the image root; files are named as `file_name` in the instances, in it or in its
            folder `train2014`.
        split: "train", "val", "testA" (people) or "testB" (others); RefCOCOg has "test".
        by: who made the splits: "unc", "umd" or "google".
        detections: `{image number: [[x, y, w, h], ...]}`.
        limit: keep only the first so many phrases.

    Raises:
        FileNotFoundError: a file, the image root or an image is not there.
        ValueError: a file is damaged, or the split is not in it.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no phrase; give at least 1, or None for all")
    folder, root = Path(folder), Path(images)
    file = folder / f"refs({by}).p"
    there = folder / "instances.json"
    refs = _refs(file)
    instances = json_contents(there, "COCO's instances")
    if not isinstance(instances, dict) or not {"images", "annotations"} <= instances.keys():
        looks = but_looks_like(instances)
        raise ValueError(f"{str(there)!r} is no file of COCO's instances{looks}; give REFER's")
    try:
        pictures = {one["id"]: one for one in instances["images"]}
        boxes = {one["id"]: (one["image_id"], one["bbox"]) for one in instances["annotations"]}
        splits = list(dict.fromkeys(ref["split"] for ref in refs))
        asked = [
            (ref["image_id"], ref["ann_id"], sentence["sent"])
            for ref in refs
            if ref["split"] == split
            for sentence in ref["sentences"]
            if clean_caption(sentence["sent"])
        ][:limit]
        names = [_name(pictures[image]["file_name"], root) for image, _, _ in asked]
        sizes = [(pictures[image]["width"], pictures[image]["height"]) for image, _, _ in asked]
        meant = [boxes[annotation][1] for _, annotation, _ in asked]
        own: dict[Any, list[Any]] = {image: [] for image, _, _ in asked}
        for image, box in boxes.values():
            own.setdefault(image, []).append(box)
        arrays = {image: np.array(some, float).reshape(-1, 4) for image, some in own.items()}
        if not all(min(size) > 0 for size in sizes):
            raise ValueError("a picture without width or height")
    except KeyError as error:
        raise ValueError(
            f"{str(folder)!r} does not hold {error}{but_looks_like(instances)}; expected "
            f"refs({by}).p and instances.json as REFER publishes them"
        ) from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{str(folder)!r} has a record of another form ({error}); expected refs({by}).p and "
            "instances.json as REFER publishes them"
        ) from None
    if not asked:
        raise ValueError(
            f"{file} holds the splits {', '.join(splits)}, and not {split!r}; give one of them"
        )
    paths = image_paths(names, root, file)
    if detections is None:
        candidates = [arrays[image] for image, _, _ in asked]
    else:
        known = detected(Path(detections), names)
        candidates = [known[name] for name in names]
    return BoxedPhrases(
        name=f"{folder.name}/{split}",
        form=f"REFER's refs({by}).p{'' if detections is None else ', boxes of a detector'}",
        paths=paths,
        phrases=tuple(phrase for _, _, phrase in asked),
        sizes=np.array(sizes, float),
        meant=np.array(meant, float),
        candidates=tuple(candidates),
    )


def _name(file_name: str, root: Path) -> str:
    """Of an image, from the image root."""
    inside = f"train2014/{file_name}"
    return inside if (root / inside).is_file() else file_name


def _refs(file: Path) -> list[dict[str, Any]]:
    """The records of the pickle."""
    found = unpickle.read_file(
        file,
        expected="REFER's list of phrases",
        advice="give the folder as REFER publishes it, and by= as it is named",
    )
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{file} is no list of records; expected REFER's phrases")
    return found
