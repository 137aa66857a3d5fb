"""Pictures with captions in WebDataset shards, as img2dataset writes them and open_clip reads."""

import itertools
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from mat_jax.data.clean import clean_caption
from mat_jax.data.images import decoded
from mat_jax.types.arrays import Example

PICTURES = ("jpg", "jpeg", "png", "webp")
CAPTION = "txt"
BLOCK = 512  # bytes: what tars are made of
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")  # {00000..00012}


class Place(NamedTuple):
    """Where the bytes of a picture lie: in which shard, from where, how many."""

    shard: int
    start: int
    size: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Shards:
    """A source by position: shards are looked through once, and pictures read when asked for.

    Args:
        name: of the source.
        form: of the files that it was read from, in words.
        files: the shards.
        places: of the pictures.
        texts: the caption of each.
    """

    name: str
    form: str
    files: tuple[Path, ...]
    places: tuple[Place, ...] = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int, /) -> Example:
        row = range(len(self))[index]
        return Example(self._pixels(self.places[row]), self.captions(row), row)

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The one caption."""
        return (self.texts[index],)

    def _pixels(self, place: Place) -> UInt8[np.ndarray, "height width 3"]:
        shard = self.files[place.shard]
        with shard.open("rb") as file:
            file.seek(place.start)
            content = file.read(place.size)
        return decoded(content, f"{str(shard)!r}, byte {place.start}")


def webdataset(path: str | Path, *, limit: int | None = None) -> Shards:
    """Read pairs from WebDataset shards: in a tar, `name.txt` is the caption of `name.jpg`.

    Files of other kinds in a shard are passed over. So are pictures without a caption that has a
    word, and captions without a picture: the web has many.

    Args:
        path: a shard; a folder of shards (`*.tar`), in order of name; or several as open_clip has
            them, `data/{00000..00012}.tar`.
        limit: keep only the first so many pairs, and look no further.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: a folder without shards, a compressed or damaged one, or no pair in them.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no pair; give at least 1, or None for all")
    files = _files(str(path))
    every = (pair for number, file in enumerate(files) for pair in _pairs(file, number))
    found = list(itertools.islice(every, limit))
    if not found:
        raise ValueError(
            f"{str(path)!r} holds no picture with a caption; expected name.jpg and name.txt "
            "(img2dataset --output_format webdataset)"
        )
    places, texts = zip(*found, strict=True)
    name = RANGE.sub("", Path(path).stem) or Path(path).parent.name
    return Shards(
        name=name, form=f"{len(files)} WebDataset shards", files=files, places=places, texts=texts
    )


def _files(path: str) -> tuple[Path, ...]:
    """The shards that a path stands for."""
    if RANGE.search(path):
        files = [Path(name) for name in _expanded(path)]
    elif Path(path).is_dir():
        files = sorted(Path(path).glob("*.tar"))
        if not files:
            raise ValueError(f"{path!r} holds no shards (*.tar); give a folder of WebDataset's")
    else:
        files = [Path(path)]
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise FileNotFoundError(
            f"no shard {str(missing)!r}; give a shard, a folder of them, or name.{{00..12}}.tar"
        )
    return tuple(files)


def _expanded(path: str) -> Iterator[str]:
    """Every name that a path with ranges stands for: `{00..02}` is 00, 01 and 02."""
    match = RANGE.search(path)
    if match is None:
        yield path
        return
    first, last = match.groups()
    for number in range(int(first), int(last) + 1):
        here = f"{number:0{len(first)}d}"
        yield from _expanded(path[: match.start()] + here + path[match.end() :])


def _pairs(path: Path, number: int) -> Iterator[tuple[Place, str]]:
    """The pairs of a shard, in the order in which they become whole.

    The files of one name need not stand together: who packs a folder with tar may have all captions
    first. Of several pictures of a name, and of several captions, the first counts.
    """
    places: dict[str, Place] = {}
    texts: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                key, kind = _key(member.name)
                known = places if kind in PICTURES else texts
                if not member.isreg() or key in known or kind not in (*PICTURES, CAPTION):
                    continue
                if kind in PICTURES:
                    places[key] = Place(number, member.offset_data, member.size)
                else:
                    content = archive.extractfile(member)
                    assert content is not None  # it is a file
                    texts[key] = content.read().decode("utf-8-sig", "replace").strip()
                if key in places and clean_caption(texts.get(key, "")):
                    yield places[key], texts[key]
        _require_end(path)
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(
            f"the shard {str(path)!r} cannot be read ({error}); expected a tar that is whole and "
            "not compressed: unpack or download it again"
        ) from None


def _require_end(path: Path) -> None:
    """A whole tar ends with blocks of zeros: `tarfile` takes one that was cut between two files.

    Raises:
        tarfile.ReadError: it does not.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - BLOCK, 0))
        if size % BLOCK or any(file.read()):
            raise tarfile.ReadError("it ends early")


def _key(name: str) -> tuple[str, str]:
    """What the files of one pair share, and their kind: cut at the first dot of the name."""
    folder, slash, file = name.rpartition("/")
    key, _, kind = file.partition(".")
    return folder + slash + key, kind.lower()
