"""The rows of annotation files, whatever their form: an image and its captions each."""

import json
from pathlib import Path
from typing import Any

# COCO's images that Karpathy put into no split; the field trains on them too.
SPLITS = {"train": ("train", "restval")}


def rows(path: Path, split: str | None = None) -> list[Any]:
    """`{"image": ..., "caption": ...}` of each image, or of each caption.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of no form that `retrieval_json` names, or the split is not in it.
    """
    contents = _contents(path)
    if isinstance(contents, dict) and isinstance(contents.get("images"), list):
        return _karpathy(contents["images"], path, split)
    if split is not None:
        raise ValueError(
            f"{str(path)!r} does not say which rows are of the split {split!r}; leave out split, "
            "and give the file of that split"
        )
    if isinstance(contents, dict) and contents:
        return [{"image": image, "caption": caption} for image, caption in contents.items()]
    if not isinstance(contents, list):
        raise ValueError(
            f"{str(path)!r} holds a {type(contents).__name__}, expected a list of "
            '{"image": path, "caption": text or list of texts} rows'
        )
    if not contents:
        raise ValueError(f"{str(path)!r} holds an empty list; expected at least one image row")
    return contents


def _contents(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no annotation file {str(path)!r}; give the path of a retrieval JSON file"
        ) from None
    except IsADirectoryError:
        raise ValueError(
            f"{str(path)!r} is a folder; give the path of a retrieval JSON file"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{str(path)!r} is not valid JSON ({error}); repair it or download it again"
        ) from None


def _karpathy(images: list[Any], path: Path, split: str | None) -> list[Any]:
    """The rows of one split of `{"images": [{"filename", "split", "sentences": [{"raw"}]}]}`."""
    found, there = [], {}
    for number, image in enumerate(images):
        match image:
            case {"filename": str(name), "split": str(own), "sentences": [*sentences]} if all(
                isinstance(sentence, dict) and "raw" in sentence for sentence in sentences
            ):
                there[own] = True
            case _:
                raise ValueError(
                    f"{str(path)!r}, image {number} is not of the form "
                    '{"filename": ..., "split": ..., "sentences": [{"raw": ...}, ...]}'
                )
        if own in SPLITS.get(split or "", (split,)):
            folder = image.get("filepath")
            captions = [sentence["raw"] for sentence in sentences]
            found.append({"image": f"{folder}/{name}" if folder else name, "caption": captions})
    if not found:
        asked = "no split was asked for" if split is None else f"it has no split {split!r}"
        raise ValueError(
            f"{str(path)!r} holds the splits {', '.join(there)}, and {asked}; give one of them"
        )
    return found
