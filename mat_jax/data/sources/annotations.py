"""The rows of annotation files, whatever their form: an image and its captions each."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from mat_jax.data.clean import clean_caption
from mat_jax.data.sources.forms import but_looks_like
from mat_jax.data.sources.text_annotations import text_rows
from mat_jax.utils.text_files import form_of_line, read_text, short

# COCO's images that Karpathy put into no split; the field trains on them too.
SPLITS = {"train": ("train", "restval")}
# Flickr8k's own names of its lists of images.
_LISTS = {"train": "trainImages", "val": "devImages", "test": "testImages"}
FORMS = (
    "JSON as a list of {image, caption} rows, as {image: caption}, Karpathy's {images: [{filename, "
    "split, sentences}]}, or COCO's {images: [{id, file_name}], annotations: [{image_id, "
    "caption}]}; or as text Flickr's token file, Kaggle's table, JSON lines, or RSICD's _caps.txt"
)


class Annotations(NamedTuple):
    """What a file holds.

    Attributes:
        form: which of the public forms it has, in words.
        rows: `{"image": ..., "caption": ...}` of each image, or of each caption.
    """

    form: str
    rows: list[Any]


class NoSplits(ValueError):
    """A split was asked for, and the file does not say which rows are of which."""


def read_annotations(path: Path, split: str | None = None) -> Annotations:
    """The rows of a file of any form that `retrieval_json` names.

    Raises:
        FileNotFoundError: there is no such file.
        NoSplits: the file has no splits, and one was asked for.
        ValueError: the file is of no such form, or the split is not in it.
    """
    text = _text(path)
    lines = text_rows(path, text)
    if lines is not None:
        form, found = lines
        return Annotations(form, found if split is None else _listed(found, path, split))
    contents = _contents(path, text)
    published = isinstance(contents, dict) and isinstance(contents.get("images"), list)
    if published and "annotations" not in contents:
        form = f"Karpathy's form, split {split}"
        return Annotations(form, _karpathy(contents["images"], path, split))
    if split is not None:
        raise NoSplits(
            f"{str(path)!r} does not say which rows are of the split {split!r}"
            f"{but_looks_like(contents)}; leave out split, and give the file of that split"
        )
    if published:
        found = _coco(contents["images"], contents["annotations"], path)
        return Annotations("COCO's captions as published", found)
    if isinstance(contents, dict) and "annotations" in contents:
        raise ValueError(
            f"{str(path)!r} has annotations but no images{but_looks_like(contents)}; expected "
            f"{FORMS}"
        )
    if isinstance(contents, dict) and contents:
        _require_captions_by_image(contents, path)
        found = [{"image": image, "caption": caption} for image, caption in contents.items()]
        return Annotations("captions by image", found)
    if not isinstance(contents, list):
        kind = type(contents).__name__
        raise ValueError(f"{str(path)!r} holds a {kind} ({short(contents)}), expected {FORMS}")
    if not contents:
        raise ValueError(f"{str(path)!r} holds an empty list; expected at least one image row")
    several = isinstance(contents[0], dict) and isinstance(contents[0].get("caption"), list)
    return Annotations(f"ALBEF's {'evaluation' if several else 'training'} form", contents)


def _text(path: Path) -> str:
    return read_text(
        path,
        expected="a file of captions: JSON, or text as Flickr or RSICD have it",
        missing=f"no annotation file {str(path)!r}; give the path of a retrieval JSON file",
    )


def _require_captions_by_image(contents: dict[str, Any], path: Path) -> None:
    """Refuse a mapping of something else before its keys are taken for pictures."""
    looks = but_looks_like(contents)
    first = next(iter(contents.values()))
    if isinstance(first, dict) or (looks and "captions by image" not in looks):
        raise ValueError(
            f"{str(path)!r} has the keys {short(list(contents))}{looks}; expected {FORMS}"
        )


def _contents(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        start = text.lstrip()[:1]
        form = form_of_line(text.lstrip().partition("\n")[0])
        if form is not None and "JSON" not in form:
            raise ValueError(f"{str(path)!r} looks like {form}; expected {FORMS}") from None
        if start in ("[", "{"):
            raise ValueError(
                f"{str(path)!r} is not valid JSON ({error}); repair it or download it again"
            ) from None
        looks = "plain text, perhaps one caption or one file name a line"
        raise ValueError(
            f"{str(path)!r} looks like {looks if start else 'an empty file'}; expected {FORMS}"
        ) from None


def _listed(rows: list[Any], path: Path, split: str) -> list[Any]:
    """The rows whose image is in the list of a split that lies beside a file of text."""
    there = sorted(path.parent.glob(f"*{_LISTS.get(split, split)}.txt"))
    if len(there) != 1:
        raise NoSplits(
            f"{str(path)!r} does not say which images are of the split {split!r}; expected one "
            f"file *{_LISTS.get(split, split)}.txt beside it, with their names"
        )
    text = read_text(there[0], expected="a list of the names of images")
    listed = {line.strip() for line in text.split("\n")}
    found = [row for row in rows if row["image"] in listed]
    if not found:
        raise ValueError(f"{there[0].name!r} names no image of {str(path)!r}")
    return found


def _coco(images: list[Any], annotations: Any, path: Path) -> list[Any]:
    """The rows of COCO's captions as published: images and annotations joined by the image's id.

    Images without a caption are left out, as the test images of COCO have none. So are captions of
    images that are not listed: a file may list a part of COCO's images.
    """
    names: dict[Any, str] = {}
    for number, image in enumerate(images):
        match image:
            case {"id": int() | str() as identity, "file_name": str(name)} if name:
                if names.setdefault(identity, name) != name:
                    raise ValueError(
                        f"{str(path)!r}: the id {identity!r} stands for {names[identity]!r} and "
                        f"for {name!r}; give each image its own id"
                    )
            case _:
                raise ValueError(
                    f"{str(path)!r}, image {number} is not of the form "
                    '{"id": ..., "file_name": ...}, as COCO has its captions'
                )
    captions: dict[Any, list[Any]] = {identity: [] for identity in names}
    for number, annotation in enumerate(annotations if isinstance(annotations, list) else [None]):
        match annotation:
            case {"image_id": identity, "caption": str(text)}:
                # Some of COCO's have no word.
                known = isinstance(identity, int | str) and identity in captions
                if known and clean_caption(text):
                    captions[identity].append(text)
            case _:
                looks = but_looks_like({"annotations": [annotation]})
                raise ValueError(
                    f"{str(path)!r}, annotation {number} is not of the form "
                    f'{{"image_id": ..., "caption": ...}}{looks}; give COCO\'s captions file'
                )
    found = [
        {"image": names[identity], "caption": texts}
        for identity, texts in captions.items()
        if texts
    ]
    if not found:
        raise ValueError(
            f"{str(path)!r} has images but no caption of any of them; give COCO's captions file"
        )
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
            # Some of COCO's have no word; an image that has no other caption is refused later on.
            worded = [one for one in captions if not isinstance(one, str) or clean_caption(one)]
            row = {"image": f"{folder}/{name}" if folder else name, "caption": worded or captions}
            found.append(row)
    if not found:
        asked = "no split was asked for" if split is None else f"it has no split {split!r}"
        raise ValueError(
            f"{str(path)!r} holds the splits {', '.join(there)}, and {asked}; give one of them "
            "as split (--split)"
        )
    return found
