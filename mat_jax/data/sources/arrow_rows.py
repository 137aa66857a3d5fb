"""Hugging Face data sets on disk: parquet files, or what `save_to_disk` writes, pictures inside."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mat_jax.data.clean import clean_caption
from mat_jax.data.images import decoded, read_image
from mat_jax.data.sources.labelled import TEMPLATE, Labelled, plain
from mat_jax.types.arrays import Example
from mat_jax.utils.text_files import short

CAPTIONS = ("caption", "captions", "text", "texts", "sentences", "sentence", "raw")
NUMBERED = re.compile(r"captions?_\d")  # caption_0 to caption_4, as of Flickr8k
LABELS = ("label", "labels", "fine_label")


@dataclass(frozen=True, eq=False)
class Cells:
    """The pictures of a column, read and decoded when asked for.

    Of parquet the group of rows that was read last is kept, since the next picture is often in it.

    Args:
        files: of the set, in order.
        column: of the pictures.
        starts: the row that each part begins with, and the number of all rows at the end.
        parts: of each part its file and its group of rows; of arrow a file is one part.
    """

    files: tuple[Path, ...]
    column: str
    starts: np.ndarray = field(repr=False)
    parts: tuple[tuple[int, int], ...] = field(repr=False)
    _last: dict[int, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int, /) -> UInt8[np.ndarray, "height width 3"]:
        row = range(len(self))[index]
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        file, group = self.parts[part]
        if part not in self._last:
            self._last.clear()
            self._last[part] = _column(self.files[file], group, self.column)
        cell = self._last[part][row - int(self.starts[part])].as_py()
        said = f"{str(self.files[file])!r}, row {row - int(self.starts[part])} of its part"
        match cell:
            case bytes() | {"bytes": bytes()}:
                return decoded(cell if isinstance(cell, bytes) else cell["bytes"], said)
            case {"path": str(path)}:
                return read_image(self.files[file].parent / path)
        raise ValueError(f"{said} has no picture in the column {self.column!r}; drop the row")


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """A source of pictures with captions.

    Args:
        name: of the source.
        form: of the files that it was read from, in words.
        images: the pictures.
        texts: the captions of each.
    """

    name: str
    form: str
    images: Cells
    texts: tuple[tuple[str, ...], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int, /) -> Example:
        row = range(len(self))[index]
        return Example(self.images[row], self.captions(row), row)

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The captions of one picture."""
        return self.texts[index]


def huggingface(
    folder: str | Path,
    split: str | None = None,
    *,
    captions: str | None = None,
    template: str = TEMPLATE,
) -> Rows | Labelled:
    """Read a set of the Hugging Face hub that lies on disk, without the package `datasets`.

    Either parquet files (`data/test-00000-of-00003.parquet`, as the hub keeps them) or the arrow
    files of `save_to_disk`, with the pictures inside. A set with a column of captions is a source
    for retrieval; one with classes alone is one for classification.

    Args:
        folder: of the set.
        split: which; None where there is one only.
        captions: the column of the captions, a text or a list of texts; None takes the first of
            `CAPTIONS` that there is, or all of `caption_0`, `caption_1`, and so on.
        template: of a class's prompt, with {} for its name.

    Raises:
        FileNotFoundError: the folder is not there, or holds no such files.
        ValueError: no such split or column, a damaged file, or a caption without words.
    """
    root = Path(folder)
    splits = _splits(root)
    if split is None and len(splits) == 1:
        (split,) = splits
    if split not in splits:
        raise ValueError(f"{str(root)!r} has the splits {', '.join(splits)}, not {split!r}")
    files = splits[split]
    schema, starts, parts = _layout(files)
    picture = _picture(schema, root)
    pictures = Cells(files, picture, starts, parts)
    name = f"{root.name}/{split}"
    column = captions or next((one for one in CAPTIONS if one in schema.names), None)
    numbered = [one for one in schema.names if NUMBERED.fullmatch(one)]
    if column is None and numbered:
        of_columns = [[v for file in files for v in _values(file, one)] for one in numbered]
        found = zip(*of_columns, strict=True)
        texts = tuple(_texts([*row], numbered[0], number, root) for number, row in enumerate(found))
        return _rows(name, f"{numbered[0]!r} to {numbered[-1]!r}", pictures, texts, root)
    if column is None:
        label = next((one for one in LABELS if one in schema.names), None)
        if label is None:
            raise ValueError(
                f"{str(root)!r} has no captions and no classes among its columns "
                f"{', '.join(schema.names)}: name the column, captions='...'"
            )
        names = _class_names(schema, label)
        labels = [value for file in files for value in _values(file, label)]
        wrong = next((row for row, one in enumerate(labels) if not isinstance(one, int)), None)
        if wrong is not None or not labels:
            said = "no row" if wrong is None else f"{short(labels[wrong])} in row {wrong}"
            raise ValueError(
                f"{str(root)!r} has {said} in the column of classes {label!r}; expected the number "
                "of a class in each row"
            )
        if names is None:
            names = tuple(str(number) for number in range(max(labels) + 1))
        classes = tuple(plain(one) for one in names)
        numbers = np.array(labels, np.int32)
        return Labelled(
            name=name,
            form=f"Hugging Face's files, classes in {label!r}",
            images=pictures,
            labels=numbers,
            classes=classes,
            template=template,
        )
    if column not in schema.names:
        raise ValueError(
            f"{str(root)!r} has no column {column!r}; it has {', '.join(schema.names)}"
        )
    found = (value for file in files for value in _values(file, column))
    texts = tuple(_texts(value, column, row, root) for row, value in enumerate(found))
    return _rows(name, repr(column), pictures, texts, root)


def _rows(
    name: str, columns: str, pictures: Cells, texts: tuple[tuple[str, ...], ...], root: Path
) -> Rows:
    """The source, if there is a row."""
    if not texts:
        raise ValueError(f"{str(root)!r} has no row in {name!r}; give another split")
    form = f"Hugging Face's files, captions in {columns}"
    return Rows(name=name, form=form, images=pictures, texts=texts)


def _splits(root: Path) -> dict[str, tuple[Path, ...]]:
    """The files of each split."""
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {str(root)!r}; give that of a Hugging Face data set")
    found: dict[str, list[Path]] = {}
    if (root / "state.json").is_file():  # save_to_disk, of one split
        found["all"] = sorted(root.glob("*.arrow"))
    elif (root / "dataset_dict.json").is_file():  # save_to_disk, of several
        for state in sorted(root.glob("*/state.json")):
            found[state.parent.name] = sorted(state.parent.glob("*.arrow"))
    else:
        for file in sorted(root.rglob("*.parquet")):
            # train-00000-of-00002-abc.parquet; or train/0000.parquet, as the hub converts.
            name = file.stem.split("-")[0]
            found.setdefault(file.parent.name if name.isdigit() else name, []).append(file)
    splits = {name: tuple(files) for name, files in found.items() if files}
    if not splits:
        raise FileNotFoundError(
            f"{str(root)!r} holds neither parquet files nor what save_to_disk writes (state.json "
            "or dataset_dict.json, with arrow files)"
        )
    return splits


def _layout(files: Sequence[Path]) -> tuple[Any, np.ndarray, tuple[tuple[int, int], ...]]:
    """The schema, where parts begin, and what they are."""
    import pyarrow.parquet as pq

    schema, counts, parts = None, [0], []
    for number, file in enumerate(files):
        if file.suffix == ".arrow":
            table = _arrow(file)
            own, groups = table.schema, [table.num_rows]
        else:
            with _said(file):
                opened = pq.ParquetFile(file)
                own = opened.schema_arrow
                about = opened.metadata
                groups = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
        schema = schema or own
        counts += groups
        parts += [(number, group) for group in range(len(groups))]
    return schema, np.cumsum(counts), tuple(parts)


@contextmanager
def _said(file: Path) -> Iterator[None]:
    """Errors of pyarrow in a sentence that names the file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, KeyError) as error:  # KeyError: it lacks the column
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{str(file)!r} cannot be read ({reason}); it is damaged or of another form, download "
            "it again"
        ) from None


def _arrow(file: Path) -> Any:
    """A file of `save_to_disk`, mapped into memory."""
    import pyarrow as pa

    with _said(file):
        return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()


def _column(file: Path, group: int, column: str) -> Any:
    """A column of one part of a file."""
    import pyarrow.parquet as pq

    if file.suffix == ".arrow":
        return _arrow(file).column(column)
    with _said(file):
        return pq.ParquetFile(file).read_row_group(group, columns=[column]).column(column)


def _values(file: Path, column: str) -> list[Any]:
    """All values of a column of a file."""
    import pyarrow.parquet as pq

    with _said(file):
        if file.suffix == ".arrow":
            return _arrow(file).column(column).to_pylist()
        return pq.ParquetFile(file).read(columns=[column]).column(column).to_pylist()


def _features(schema: Any) -> dict[str, Any]:
    """What Hugging Face writes of the columns beside pyarrow's own types; nothing if it did not."""
    try:
        found = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    except (TypeError, KeyError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _picture(schema: Any, root: Path) -> str:
    """The column of the pictures: said to be one, or made of bytes and a path."""
    import pyarrow as pa

    said = [
        name
        for name, one in _features(schema).items()
        if isinstance(one, dict) and one.get("_type") == "Image" and name in schema.names
    ]
    made = [
        one.name
        for one in schema
        if (pa.types.is_struct(one.type) and one.type.get_field_index("bytes") >= 0)
        or (one.name == "image" and pa.types.is_binary(one.type))
    ]
    if not said and not made:
        raise ValueError(
            f"{str(root)!r} has no column of pictures among {', '.join(schema.names)}; expected "
            "one with their bytes"
        )
    return [*said, *made][0]


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """The names of the classes, where the set has them."""
    names = _features(schema).get(label, {}).get("names")
    return tuple(map(str, names)) if isinstance(names, list) else None


def _texts(value: Any, column: str, row: int, root: Path) -> tuple[str, ...]:
    """The captions in a cell."""
    several = value if isinstance(value, list) else [value]
    # COCO's sentences are records of text, tokens and number.
    texts = [one.get("raw", one) if isinstance(one, dict) else one for one in several]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(
            f"{str(root)!r}, row {row}: the column {column!r} has {short(value)}; expected a text "
            "or a list of texts: name another column, captions='...'"
        )
    with_words = tuple(text for text in texts if clean_caption(text))
    if not with_words:
        raise ValueError(f"{str(root)!r}, row {row} has no caption with a word; drop the row")
    return with_words
