"""Text that somebody else wrote, and one sentence where a file is something else."""

import codecs
import re
import reprlib
from pathlib import Path

# How files that are no text begin, and what to do with them.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "a gzip file: unpack it (gunzip)"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"PAR1", "a parquet file: give the folder that it is in"),
    (b"BZh", "a bzip2 file: unpack it"),
    (b"\xfd7zXZ", "an xz file: unpack it"),
    (b"Rar!", "a rar archive: unpack it"),
    (b"7z\xbc\xaf", "a 7-zip archive: unpack it"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"%PDF", "a PDF"),
    (b"version https://git-lfs", "a pointer of Git LFS: fetch the file itself (git lfs pull)"),
)
_PAGES = (b"<!doctype html", b"<html")
# Longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
START = 4096  # bytes that tell what a file is
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 3


def read_text(path: str | Path, *, expected: str, missing: str | None = None) -> str:
    r"""All of a text file, with lines that end in "\n".

    UTF-8 is read with and without a byte-order mark, UTF-16 and UTF-32 with one.

    Args:
        path: of the file.
        expected: what it should be, for a sentence.
        missing: the sentence where there is no such file; None makes one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, or no text.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        said = missing or f"no file {str(path)!r}; give {expected}"
        raise FileNotFoundError(said) from None
    except IsADirectoryError:
        raise ValueError(f"{str(path)!r} is a folder; expected a file: {expected}") from None
    looks = other_than_text(content[:START])
    if looks is not None:
        raise ValueError(f"{str(path)!r} is no text: it looks like {looks}; expected {expected}")
    try:
        text = content.decode(encoding_of(content[:START]))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is no text in UTF-8 (byte {error.start} is 0x{content[error.start]:02x}"
            f"): save it as UTF-8; expected {expected}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(start: bytes) -> str:
    """How a text is encoded, by its mark; UTF-8 without one."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")


def other_than_text(start: bytes) -> str | None:
    """What the first bytes of a file look like, in words with advice; None for text."""
    for signature, looks in _SIGNATURES:
        if start.startswith(signature):
            return looks
    if start[257:262] == b"ustar":
        return "a tar archive: unpack it"
    if start.lstrip().lower().startswith(_PAGES):
        return "a page of the web, perhaps an error: download the file again"
    if b"\0" in start and encoding_of(start) in ("utf-8", "utf-8-sig"):
        return "a binary file, or UTF-16 without its mark: save it as UTF-8"
    return None


def form_of_line(line: str) -> str | None:
    """What the first line of an annotation file tells of its form; None for words alone."""
    if re.match(r"\S+\.\w+#\d+\s*\t", line):
        return "Flickr's token file"
    if re.match(r"image(_name)?\s*[,|]", line):
        return "a table of pictures and captions"
    if "[/EN#" in line:
        return "a file of Flickr30k Entities"
    if re.fullmatch(r"\s*\{.+\}\s*", line):
        return "JSON lines, an object a line"
    if re.fullmatch(r"\s*[\[{]\s*|\s*[\[{]\s*[\"{\[].*", line):
        return "JSON"
    return "XML" if re.match(r"\s*<(\?xml|annotation)", line) else None


def short(value: object) -> str:
    """A value as Python writes it, cut to some 200 characters."""
    said = " ".join(_SHORT.repr(value).split())
    return said if len(said) <= 200 else f"{said[:197]}..."
