"""JSON that somebody else wrote, and one sentence where it is none."""

import json
from pathlib import Path
from typing import Any

from mat_jax.utils.text_files import form_of_line, read_text


def json_contents(path: Path, what: str) -> Any:
    """What a JSON file holds.

    Args:
        path: of the file.
        what: should be in it, in words.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON.
    """
    return _parsed(_text(path, what), path, what)


def json_rows(path: Path, what: str) -> list[Any]:
    """The rows of a file that is one JSON list or one object, or has one JSON value a line.

    Args:
        path: of the file.
        what: should be in it, in words.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is neither.
    """
    text = _text(path, what)
    if text.lstrip().startswith("["):
        return _parsed(text, path, what)
    if _is_one_object(text):  # of another form, as who asked for the rows will say
        return [json.loads(text)]
    lines = enumerate(text.split("\n"), 1)
    return [_parsed(line, path, what, f", line {n},") for n, line in lines if line.strip()]


def _is_one_object(text: str) -> bool:
    """Whether a text of several lines is JSON as a whole, so that its lines are not."""
    if "\n" not in text.strip():
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _text(path: Path, what: str) -> str:
    return read_text(
        path, expected=what, missing=f"no file {str(path)!r}; give the JSON file of {what}"
    )


def _parsed(text: str, path: Path, what: str, place: str = "") -> Any:
    if not text.strip():
        raise ValueError(f"{str(path)!r} is an empty file; expected {what}; download it again")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        form = form_of_line(text.lstrip().partition("\n")[0])
        begins = "" if text.lstrip()[:1] in ("[", "{") else f"; it begins with {text[:40]!r}"
        if form is not None and form != "JSON" and not place:
            begins = f"; it looks like {form}"
        raise ValueError(
            f"{str(path)!r}{place} is not valid JSON ({error}){begins}; expected {what}; download "
            "it again"
        ) from None
