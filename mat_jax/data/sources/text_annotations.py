"""Annotation files that are lines of text: images and their captions as Flickr and RSICD have them.

- Flickr8k's and Flickr30k's token files: `1.jpg#0`, a tab, and a caption;
- tables with a head: Kaggle's `captions.txt` (`image,caption`) and `results.csv` of Flickr30k
  (`image_name| comment_number| comment`);
- JSON lines: one row of the retrieval form a line;
- RSICD precomputed: `test_caps.txt`, one caption a line, beside `test_filename.txt`, one image a
  line, or as many lines of it as it has captions.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mat_jax.data.clean import clean_caption
from mat_jax.data.sources.forms import but_looks_like
from mat_jax.utils.text_files import read_text, short

_TOKEN = re.compile(r"([^\t]+)#\d+\s*\t(.*)")
_TABLES: dict[tuple[str, ...], str] = {
    ("image", "caption"): ",",
    ("image_name", "comment_number", "comment"): "|",
}
MOST_BREAKS = 5  # of lines in a caption; more stand behind an open quotation mark
_CAPTIONS, _NAMES = "_caps.txt", "_filename.txt"

Row = dict[str, Any]


def text_rows(path: Path, text: str, *, every: bool = False) -> tuple[str, list[Row]] | None:
    """The form in words, and `{"image": ..., "caption": ...}` of each caption.

    None if it is none of these forms.

    Captions without a word are left out, and so are images that Flickr8k's token file names and its
    archive lacks (`2258277193_586949ec62.jpg.1`).

    Args:
        path: of the file, beside which other files may lie.
        text: what it holds.
        every: keep captions without a word, to tell of them.

    Raises:
        ValueError: a line that does not go with the others, or a file of names that does not fit.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines or lines[0].lstrip()[:1] == "[":
        return None
    head = next((names for names, mark in _TABLES.items() if _cells(lines[0], mark) == names), None)
    if head is not None:
        form, found = f"a table of {', '.join(head)}", _table(path, text, head)
    elif _TOKEN.match(lines[0]):
        form, found = "Flickr's token file", _token_file(path, lines)
    elif len(lines) > 1 and all(_object(line) is not None for line in lines[:2]):
        return "JSON lines", _json_lines(path, lines)
    elif path.name.endswith(_CAPTIONS) and not lines[0].startswith("{"):
        # A line without a word counts: the captions after it would else go to other images.
        form, found = "RSICD's precomputed form", _precomputed(path, text.rstrip().split("\n"))
    else:
        return None
    rows = [{"image": image, "caption": caption} for image, caption in found]
    return form, [row for row in rows if every or clean_caption(row["caption"])]


def _cells(line: str, mark: str) -> tuple[str, ...]:
    return tuple(cell.strip().lower() for cell in line.split(mark))


def _token_file(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        match = _TOKEN.match(line)
        if match is None:
            raise ValueError(
                f"{str(path)!r}, line {number} is {line[:60]!r}; expected name.jpg#number, a tab, "
                "and a caption, as in the lines before it"
            )
        if not re.search(r"\.\d+$", match[1]):
            yield match[1], match[2]


def _table(path: Path, text: str, head: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    mark = _TABLES[head]
    # Only commas quote: a bar stands between words that may hold quotation marks.
    quoting = csv.QUOTE_MINIMAL if mark == "," else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text.lstrip()), delimiter=mark, quoting=quoting, strict=False)
    next(reader)
    for number, row in enumerate(_sized(reader, path), 2):
        if not "".join(row).strip():
            continue
        if len(row) < len(head):
            raise ValueError(
                f"{str(path)!r}, row {number} has {len(row)} cells; expected {len(head)}, "
                f"{', '.join(head)}"
            )
        # A comma in a caption that nobody quoted belongs to the caption.
        yield row[0].strip(), mark.join(row[len(head) - 1 :]).strip()


def _sized(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    """The rows of a table; an open quotation mark would make one cell of the rest of the file."""
    try:
        for row in reader:
            if any(cell.count("\n") > MOST_BREAKS for cell in row):
                raise csv.Error(f"{short(row)} has a cell of many lines")
            yield row
    except csv.Error as error:
        raise ValueError(
            f"{str(path)!r} is no table ({error}); close its quotation marks, or download it again"
        ) from None


def _json_lines(path: Path, lines: list[str]) -> list[Row]:
    found = []
    for number, line in enumerate(lines, 1):
        row = _object(line)
        if row is None:
            raise ValueError(
                f"{str(path)!r}, line {number} is {line[:60]!r}; expected one JSON object a line"
            )
        if "image" not in row or "caption" not in row:
            raise ValueError(
                f"{str(path)!r}, line {number} has the keys {short(list(row))}"
                f'{but_looks_like([row])}; expected lines of {{"image": ..., "caption": ...}}'
            )
        found.append(row)
    return found


def _object(line: str) -> Row | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _precomputed(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    beside = path.with_name(path.name.removesuffix(_CAPTIONS) + _NAMES)
    if not beside.is_file():
        raise ValueError(
            f"{str(path)!r} has one caption a line, as RSICD precomputed; expected {beside.name!r} "
            "with the names of the images beside it"
        )
    names = [line.strip() for line in read_text(beside, expected="names of images").split("\n")]
    names = [name for name in names if name]
    each, rest = divmod(len(lines), max(len(names), 1))
    if not names or rest:
        raise ValueError(
            f"{beside.name!r} has {len(names)} names for the {len(lines)} captions of "
            f"{str(path)!r}; expected a name for each caption, or one for every five of them"
        )
    for number, caption in enumerate(lines):
        yield names[number // each], caption
