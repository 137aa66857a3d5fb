"""JSON that somebody else wrote, and one sentence where it is none."""

import json
from pathlib import Path
from typing import Any


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
    """The rows of a file that is one JSON list, or has one JSON value a line.

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
    if _is_one_object(text):
        raise ValueError(
            f"{str(path)!r} is one JSON object; expected {what}, as a list or one a line"
        )
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
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {str(path)!r}; give the JSON file of {what}") from None
    except UnicodeDecodeError as error:
        raise _mistake(path, "", error, what) from None


def _parsed(text: str, path: Path, what: str, place: str = "") -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _mistake(path, place, error, what) from None


def _mistake(path: Path, place: str, error: Exception, what: str) -> ValueError:
    return ValueError(
        f"{str(path)!r}{place} is not valid JSON ({error}); expected {what}; download it again"
    )
