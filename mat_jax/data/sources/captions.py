"""Captions without pictures: what defences of the text tower alone train on."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from mat_jax.data.clean import clean_caption
from mat_jax.types.arrays import Example
from mat_jax.utils.text_files import START, encoding_of, form_of_line, other_than_text


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A source of captions, each with one black pixel for a picture."""

    name: str
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Example:
        image_id = range(len(self))[index]
        return Example(np.zeros((1, 1, 3), np.uint8), self.captions(image_id), image_id)

    def captions(self, index: int) -> tuple[str, ...]:
        """The one caption."""
        return (self.texts[index],)


def texts(path: str | Path, limit: int | None = None) -> Texts:
    """Read a file of captions, one a line, or WebDataset shards (DataComp, LAION).

    Captions without a word are left out: the web has many.

    Args:
        path: a text file; a shard `00000000.tar`, in which `name.txt` is the caption of
            `name.jpg`; or a folder of shards, which are read in order of name.
        limit: keep only the first so many captions, and read no further.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: a folder without shards, a damaged shard, or no caption with words.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no caption; give at least 1, or None for all")
    if path.is_dir():
        shards = sorted(path.glob("*.tar"))
        if not shards:
            raise ValueError(
                f"{str(path)!r} holds no shards (*.tar); give a folder of WebDataset shards, or a "
                "file of captions, one a line"
            )
        lines = (text for shard in shards for text in _of_shard(shard))
    elif not path.exists():
        raise FileNotFoundError(
            f"no captions at {str(path)!r}; give a file of captions, one a line, or a folder of "
            "WebDataset shards"
        )
    else:
        shard = ".tar" in path.suffixes or path.suffix == ".tgz"
        lines = _of_shard(path) if shard else _of_file(path)
    found = tuple(islice((text for text in lines if clean_caption(text)), limit))
    if not found:
        raise ValueError(f"{str(path)!r} holds no caption with a word in it; expected some")
    return Texts(name=path.stem, texts=found)


def _of_file(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        start = file.read(START)
    lines = start.decode(encoding_of(start), "replace").lstrip("\ufeff").split("\n")
    looks = other_than_text(start) or next(filter(None, map(form_of_line, lines)), None)
    if looks is not None:
        raise ValueError(f"{str(path)!r} looks like {looks}; expected captions, one a line")
    with path.open(encoding=encoding_of(start), errors="replace") as file:
        yield from (line.strip() for line in file)


def _of_shard(path: Path) -> Iterator[str]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".txt"):
                    content = archive.extractfile(member)
                    assert content is not None  # it is a file
                    yield content.read().decode("utf-8-sig", "replace").strip()
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(
            f"the shard {str(path)!r} cannot be read ({error}); download it again"
        ) from None
