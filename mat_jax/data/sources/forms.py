"""What a JSON file of somebody else's looks like: the public forms by name."""

from collections.abc import Mapping
from typing import Any


def looks_like(contents: Any) -> str | None:
    """The public form that contents of JSON have, in words; None where it is none that is known.

    Only the first row of a list is looked at.
    """
    match contents:
        case [first, *_]:
            return _rows(first)
        case {"questions": [*_]}:
            return "VQA's questions"
        case {"images": [{"sentences": _}, *_]}:
            return "Karpathy's captions"
        case {"annotations": [{"caption": _}, *_]}:
            return "COCO's captions"
        case {"annotations": [{"bbox": _}, *_]}:
            return "COCO's instances"
        case {"annotations": [{"answers": _}, *_]}:
            return "VQA's annotations"
        case {"images": [{"file_name": _}, *_]}:
            return "COCO's list of pictures"
        case {}:
            return _by_key(contents) if isinstance(contents, Mapping) else None
    return None


def but_looks_like(contents: Any) -> str:
    """The end of a sentence that says which form was found; nothing where none is known."""
    form = looks_like(contents)
    return "" if form is None else f"; it looks like {form}"


def _rows(first: Any) -> str | None:
    """By the first row of a list, or of lines."""
    match first:
        case {"Flickr30K_ID": _, "sentence2": _}:
            return "SNLI-VE's lines"
        case {"sentence1": _, "sentence2": _}:
            return "SNLI's lines, whose premises are texts"
        case {"image": _, "sentence": _, "label": _}:
            return "ALBEF's form of SNLI-VE"
        case {"image": _, "question": _}:
            return "ALBEF's form of questions"
        case {"image": _, "text": _, "bbox": _}:
            return "phrases with boxes"
        case {"image": _, "text": _, "ref_id": _}:
            return "ALBEF's training form of RefCOCO+"
        case {"sent": _, "ref_id": _}:
            return "REFER's predictions"
        case {"image": _, "caption": str()}:
            return "ALBEF's training form of captions"
        case {"image": _, "caption": [*_]}:
            return "ALBEF's evaluation form of captions"
        case {"image_id": _, "caption": _}:
            return "captions that a model wrote (COCO's results)"
        case {"question_id": _, "answer": _}:
            return "answers that a model gave (VQA's results)"
        case str():
            return "a list of texts, as class names and answers are"
    return None


def _by_key(contents: Mapping) -> str | None:
    """By the first entry of a mapping."""
    match next(iter(contents.values()), None):
        case [[int() | float(), int() | float(), int() | float(), int() | float()], *_]:
            return "a detector's boxes by image"
        case str() | [str(), *_]:
            return "captions by image"
    return None
