"""The rows of annotation files, whatever their form: an image and its captions each."""

import json
from pathlib import Path
from typing import Any

from mat_jax.data.clean import clean_caption
from mat_jax.data.sources.text_annotations import text_rows

# COCO's images that Karpathy put into no split; the field trains on them too.
SPLITS = {"train": ("train", "restval")}
FORMS = (
    "JSON as a list of {image, caption} rows, as {image: caption}, Karpathy's {images: [{filename, "
    "split, sentences}]}, or COCO's {images: [{id, file_name}], annotations: [{image_id, "
    "caption}]}; or as text Flickr's token file, Kaggle's table, JSON lines, or RSICD's _caps.txt"
)


def rows(path: Path, split: str | None = None) -> list[Any]:
    """`{"image": ..., "caption": ...}` of each image, or of each caption.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of no form that `retrieval_json` names, or the split is not in it.
    """
    text = _text(path)
    lines = text_rows(path, text, split)
    if lines is not None:
        return lines
    contents = _contents(path, text)
    published = isinstance(contents, dict) and isinstance(contents.get("images"), list)
    if published and "annotations" not in contents:
        return _karpathy(contents["images"], path, split)
    if split is not None:
        raise ValueError(
            f"{str(path)!r} does not say which rows are of the split {split!r}; leave out split, "
            "and give the file of that split"
        )
    if published:
        return _coco(contents["images"], contents["annotations"], path)
    if isinstance(contents, dict) and contents:
        return [{"image": image, "caption": caption} for image, caption in contents.items()]
    if not isinstance(contents, list):
        raise ValueError(f"{str(path)!r} holds a {type(contents).__name__}, expected {FORMS}")
    if not contents:
        raise ValueError(f"{str(path)!r} holds an empty list; expected at least one image row")
    return contents


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no annotation file {str(path)!r}; give the path of a retrieval JSON file"
        ) from None
    except IsADirectoryError:
        raise ValueError(
            f"{str(path)!r} is a folder; give the path of a retrieval JSON file"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is no text ({error}); expected {FORMS}") from None


def _contents(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        start = text.lstrip()[:1]
        if start in ("[", "{"):
            raise ValueError(
                f"{str(path)!r} is not valid JSON ({error}); repair it or download it again"
            ) from None
        looks = "plain text, perhaps one caption or one file name a line"
        raise ValueError(
            f"{str(path)!r} looks like {looks if start else 'an empty file'}; expected {FORMS}"
        ) from None


def _coco(images: list[Any], annotations: Any, path: Path) -> list[Any]:
    """The rows of COCO's captions as published: images and annotations joined by the image's id.

    Images without a caption are left out, as the test images of COCO have none.
    """
    names: dict[Any, str] = {}
    for number, image in enumerate(images):
        match image:
            case {"id": int() | str() as identity, "file_name": str(name)} if name:
                names[identity] = name
            case _:
                raise ValueError(
                    f"{str(path)!r}, image {number} is not of the form "
                    '{"id": ..., "file_name": ...}, as COCO has its captions'
                )
    captions: dict[Any, list[Any]] = {identity: [] for identity in names}
    for number, annotation in enumerate(annotations if isinstance(annotations, list) else [None]):
        match annotation:
            case {"image_id": identity, "caption": str(text)} if identity in captions:
                if clean_caption(text):  # some of COCO's have no word
                    captions[identity].append(text)
            case {"image_id": _, "caption": str()}:
                raise ValueError(
                    f"{str(path)!r}, annotation {number} is of the image "
                    f"{annotation['image_id']!r}, which is not among its images"
                )
            case _:
                looks = "; it looks like COCO's instances, give its captions file"
                boxes = isinstance(annotation, dict) and "bbox" in annotation
                raise ValueError(
                    f"{str(path)!r}, annotation {number} is not of the form "
                    f'{{"image_id": ..., "caption": ...}}{looks if boxes else ""}'
                )
    found = [
        {"image": names[identity], "caption": texts}
        for identity, texts in captions.items()
        if texts
    ]
    if not found:
        raise ValueError(f"{str(path)!r} has images but no caption; give COCO's captions file")
    return found


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
