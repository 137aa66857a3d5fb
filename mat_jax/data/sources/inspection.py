"""What a file or folder of data holds, which of the public forms it has, and what is broken."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mat_jax.data.clean import clean_caption
from mat_jax.data.images import read_image
from mat_jax.data.sources.annotations import read_annotations
from mat_jax.data.sources.arrow_rows import huggingface
from mat_jax.data.sources.cifar_pickles import cifar
from mat_jax.data.sources.class_folders import image_folder
from mat_jax.data.sources.entailment_rows import entailment_json
from mat_jax.data.sources.entity_files import flickr30k_entities
from mat_jax.data.sources.phrase_rows import grounding_json
from mat_jax.data.sources.question_rows import vqa_json
from mat_jax.data.sources.refer_files import refcoco
from mat_jax.data.sources.rsicd_files import is_rsicd, rsicd
from mat_jax.data.sources.tar_shards import webdataset
from mat_jax.data.sources.text_annotations import text_rows
from mat_jax.types.arrays import Example
from mat_jax.types.sources import HasCaptions, Source, TellsForm

FEW = 5  # first examples of a problem that are told


@dataclass(frozen=True)
class Problem:
    """One way in which data is broken.

    Attributes:
        what: in words.
        count: how often.
        first: the first few of them.
    """

    what: str
    count: int
    first: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a look at some data found.

    Attributes:
        form: which public form it has, in words.
        pictures: how many there are.
        captions: how many there are, None where the form has none.
        notes: sentences that say what was looked at.
        problems: what is broken.
        samples: a few pictures with their captions.
    """

    form: str
    pictures: int
    captions: int | None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    samples: tuple[Example, ...] = ()


def inspect(
    path: str | Path,
    images: str | Path | None = None,
    *,
    samples: int = 3,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Inspection:
    """Look through data of any form that `mat_jax.data` reads.

    A file of captions is read row by row, and each broken row is counted. Data of other forms is
    read as training reads it, which refuses what is broken with one sentence.

    Args:
        path: a file of annotations, a shard, or a folder.
        images: where its paths start; None is the folder of the file.
        samples: how many pictures are decoded, evenly spaced.
        progress: told how many of how many picture files have been looked at.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is of no known form.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {str(path)!r}; give one that is there")
    if path.is_dir() or path.suffix == ".tar":
        return _of_source(_folder(path, images), samples)
    root = path.parent if images is None else Path(images)
    try:
        form, rows, dropped = _rows(path)
    except ValueError as error:
        source = _other(path, root)
        if source is None:
            raise error from None
        return _of_source(source, samples)
    return _of_rows(path, root, form, rows, dropped, samples, progress)


def _folder(path: Path, images: str | Path | None) -> Source:
    """The source that a folder or a shard is."""
    if path.suffix == ".tar" or any(path.glob("*.tar")):
        return webdataset(path)
    if any((path / name).is_file() for name in ("meta", "batches.meta")):
        return cifar(path, "test")
    if is_rsicd(path):
        return rsicd(path)
    kept = ("dataset_info.json", "dataset_dict.json")
    if any((path / name).is_file() for name in kept) or any(path.rglob("*.parquet")):
        return huggingface(path)
    root = path if images is None else Path(images)
    if (path / "Sentences").is_dir():
        return flickr30k_entities(path, root)
    if any(path.glob("refs*.p")):
        return refcoco(path, root)
    return image_folder(path)


def _other(path: Path, root: Path) -> Source | None:
    """A file of questions, of verdicts or of phrases; None if it is none of these."""
    readers: tuple[Callable[[Path, Path], Source], ...] = (
        vqa_json,
        entailment_json,
        grounding_json,
    )
    for read in readers:
        try:
            return read(path, root)
        except (ValueError, OSError):
            continue
    return None


def _of_source(source: Source, samples: int) -> Inspection:
    """What a source that could be read says of itself."""
    count, captions = len(source), None
    if isinstance(source, HasCaptions):
        captions = sum(len(source.captions(i)) for i in range(count))
    chosen = _spaced(range(count), samples)
    return Inspection(
        form=source.form if isinstance(source, TellsForm) else source.name,
        pictures=count,
        captions=captions,
        notes=(f"all of it was read as {source.name!r}, and none was refused",),
        samples=tuple(Example(one.image, one.captions, i) for i in chosen for one in (source[i],)),
    )


def _rows(path: Path) -> tuple[str, list[Any], list[str]]:
    """The form, all rows of a file of captions, and where captions without a word were dropped."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = text_rows(path, text, every=True)
    if lines is not None:
        return *lines, []
    try:
        contents = json.loads(text)
    except (ValueError, RecursionError):
        contents = None
    match contents:
        case {"images": [*images], "annotations": [*said]}:
            found = read_annotations(path)
            empty = [
                f"annotation {n} of image {one.get('image_id')}"
                for n, one in enumerate(said)
                if isinstance(one, dict) and not clean_caption(str(one.get("caption") or ""))
            ]
            return f"{found.form}, {len(images)} images listed", found.rows, empty
        case {"images": [*images]}:
            own = {one.get("split") for one in images if isinstance(one, dict)}
            splits = sorted(str(split) for split in own)
            asked = [one for one in splits if one != "restval" or "train" not in splits]
            rows = [row for split in asked for row in read_annotations(path, split).rows]
            empty = [
                f"{one.get('filename')}: {sentence.get('raw')!r}"
                for one in images
                for sentence in one.get("sentences", ())
                if not clean_caption(str(sentence.get("raw") or ""))
            ]
            return f"Karpathy's form, splits {', '.join(splits)}", rows, empty
    found = read_annotations(path)
    if found.rows and not any(isinstance(r, dict) and "caption" in r for r in found.rows):
        raise ValueError(f"{str(path)!r} has rows without captions; expected {{image, caption}}")
    return found.form, found.rows, []


def _of_rows(
    path: Path,
    root: Path,
    form: str,
    rows: Sequence[Any],
    dropped: Sequence[str],
    samples: int,
    progress: Callable[[int, int], None],
) -> Inspection:
    """Every row looked at by itself."""
    broken: dict[str, list[str]] = {}

    def note(what: str, where: str) -> None:
        broken.setdefault(what, []).append(where)

    captions: dict[str, list[str]] = {}
    identities: dict[object, str] = {}
    for number, row in enumerate(rows):
        image = row.get("image") if isinstance(row, dict) else None
        said = row.get("caption") if isinstance(row, dict) else None
        texts = [said] if isinstance(said, str) else said
        if not isinstance(image, str) or not image or not isinstance(texts, list):
            note("rows that are no image with captions", f"row {number}: {str(row)[:60]}")
            continue
        if not texts:
            note("images without a caption", f"row {number}: {image}")
        own = captions.setdefault(image, [])
        for text in texts:
            if not isinstance(text, str) or not clean_caption(text):
                note("captions without a word", f"row {number}: {image}: {text!r}")
            elif text in own:
                note("captions that an image has twice", f"row {number}: {image}: {text[:60]}")
            else:
                own.append(text)
        identity = row.get("image_id")
        if isinstance(identity, int | str):
            if identities.setdefault(identity, image) != image:
                note(
                    "ids of two images",
                    f"row {number}: image_id {identity} is {identities[identity]} and {image}",
                )
    for where in dropped:
        note("captions without a word", where)
    there = _pictures(root, captions, note, progress)
    if captions and not there and "images that are not there" in broken:
        lost = broken.pop("images that are not there", [])
        broken[f"images that are not under {root}; --images ROOT says where"] = lost
    return Inspection(
        form=form,
        pictures=len(captions),
        captions=sum(map(len, captions.values())),
        notes=(f"{len(there)} of {len(captions)} picture files lie under {root}",),
        problems=tuple(
            Problem(what, len(places), tuple(places[:FEW])) for what, places in broken.items()
        ),
        samples=_samples(root, captions, there, samples),
    )


def _pictures(
    root: Path,
    names: Iterable[str],
    note: Callable[[str, str], None],
    progress: Callable[[int, int], None],
) -> list[str]:
    """The picture files that are there and begin as pictures do; the others are noted."""
    names, found = list(names), []
    for number, name in enumerate(names, 1):
        file = root / name
        if not file.is_file():
            note("images that are not there", name)
        else:
            try:
                with Image.open(file):
                    found.append(name)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                note("files that are no pictures", f"{name}: {str(error)[:60]}")
        progress(number, len(names))
    return found


def _samples(
    root: Path, captions: dict[str, list[str]], there: Sequence[str], count: int
) -> tuple[Example, ...]:
    """A few pictures with their captions; those that cannot be decoded are passed over."""
    found = []
    for number, name in enumerate(_spaced(there, count)):
        try:
            found.append(Example(read_image(root / name), tuple(captions[name]), number))
        except ValueError:
            continue
    return tuple(found)


def _spaced(things: Sequence[Any], count: int) -> list[Any]:
    """So many of some things, evenly spaced."""
    places = np.linspace(0, len(things) - 1, min(count, len(things))).astype(int)
    return [things[int(place)] for place in places]
