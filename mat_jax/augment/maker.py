"""Making partners: chunk by chunk, each on disk before the next, so that nothing is made twice."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mat_jax.augment import shift
from mat_jax.augment.jobs import Drawn, Job, Make, own_caption
from mat_jax.augment.manifest import (
    HEADER,
    MANIFEST,
    Entry,
    Manifest,
    read_json,
    read_manifest,
    row,
)
from mat_jax.augment.methods import WAYS
from mat_jax.augment.pictures import ENDINGS, stem
from mat_jax.augment.recipe import Recipe
from mat_jax.data.clean import clean_caption
from mat_jax.data.scenes.oracle import is_true
from mat_jax.data.sources.annotations import read_annotations
from mat_jax.data.sources.retrieval import RetrievalJson
from mat_jax.types.sources import Source
from mat_jax.utils.files import alone, writable, writing
from mat_jax.utils.progress import Progress

_PARTS = ".parts"
# What another hash of the header means.
CHANGED = {
    "digest": "of other captions, or of images that lay elsewhere",
    "file_digest": "made from the file before it was changed",
}


@dataclass(frozen=True)
class _Work:
    """What is to be made of what: the originals, the numbers their draws derive from, and where."""

    recipe: Recipe
    source: Source
    entries: Sequence[Entry]
    ids: Sequence[int]
    build: Make
    out: Path


def make(recipe: Recipe, out: str | Path, *, quiet: bool = False) -> Manifest:
    """Make the partners of all images and write them to a folder.

    The folder gets `manifest.json` last, after the pictures it names; until then what is finished
    lies in `.parts`. Called again with the same recipe it goes on, to the same files byte by byte;
    with another one it refuses. Partner k of an image depends on the recipe, the image's number in
    its source and k, on nothing else.

    Args:
        recipe: of what, and how.
        out: the folder.
        quiet: no progress line.

    Raises:
        ValueError: a recipe that cannot be, or another one's folder.
        OSError: the folder cannot be written.
    """
    if recipe.how not in WAYS:
        raise ValueError(f"unknown way {recipe.how!r}; choose from {', '.join(WAYS)}")
    way, out = WAYS[recipe.how], Path(out)
    settings = recipe.told(way.knobs)
    if not (out / HEADER).is_file():  # what can be refused at once, before scenes are drawn
        way.check(recipe)
        writable(out)
    source = recipe.source()
    if not len(source):
        raise ValueError(f"the source {source.name!r} is empty; expected at least one image")
    originals = 1 if recipe.how == "i2t_human" and recipe.originals is None else recipe.originals
    entries, ids = _entries(source, recipe, originals, out)
    header = {
        **settings,
        "source": source.name,
        "images": len(entries),
        "originals": originals,
        "digest": _digest(entries, out),
        **({} if recipe.file is None else {"file_digest": _contents(Path(recipe.file))}),
        "batch_size": recipe.batch_size,
    }
    if _known(out, header):
        return read_manifest(out)
    build = way.build(source, entries, recipe)
    with alone(out):
        if not _known(out, header):  # another program may have been here meanwhile
            _make(_Work(recipe, source, entries, ids, build, out), header, quiet=quiet)
    return read_manifest(out)


def _make(work: _Work, header: dict[str, Any], *, quiet: bool) -> None:
    """What is not in the folder yet; the manifest last."""
    out, count, step = work.out, len(work.entries), work.recipe.batch_size
    with writing(out / HEADER) as file:
        file.write(_text(header))
    progress = Progress(work.recipe.how, count, quiet=quiet)
    parts = []
    for start in range(0, count, step):
        part = out / _PARTS / f"{start:08d}.json"
        stop = min(start + step, count)
        if not part.is_file():
            _write(work, range(start, stop), part)
        parts.append(part)
        progress.show(stop)
    found = [one for part in parts for one in json.loads(part.read_text(encoding="utf-8"))]
    with writing(out / MANIFEST) as file:
        file.write(_text(found))
    shutil.rmtree(out / _PARTS)
    for left in out.glob("*/.*.png.*"):  # of a run that was killed while it wrote
        left.unlink()


def jobs(recipe: Recipe, ids: Sequence[int], index: int) -> list[Job]:
    """The partners of one image that are to be made; some of another image, if so asked."""
    found = []
    for number in range(recipe.count):
        seed = (recipe.seed, ids[index], number)
        rng = np.random.default_rng((*seed, 1))  # another stream than the partner's own
        strange = rng.random() < recipe.misaligned and len(ids) > 1
        step = int(rng.integers(1, len(ids))) if strange else 0
        found.append(Job((index + step) % len(ids), number, seed))
    return found


def _write(work: _Work, indices: range, part: Path) -> None:
    """Make the partners of some images; their rows are written when all pictures are."""
    recipe, out = work.recipe, work.out
    asked = [(index, job) for index in indices for job in jobs(recipe, work.ids, index)]
    made = work.build([job for _, job in asked])
    captions: dict[int, list[str]] = {index: [] for index in indices}
    images: dict[int, list[Path]] = {index: [] for index in indices}
    true: dict[int, list[bool]] = {index: [] for index in indices}
    for (index, job), one in zip(asked, made, strict=True):
        if isinstance(one, Drawn):
            beside = own_caption(work.entries, job._replace(index=index))
            true[index].append(is_true(beside, one.scene))
        partner = _shifted(one.pixels if isinstance(one, Drawn) else one, recipe, job)
        if isinstance(partner, str):
            if clean_caption(partner):  # a text without words is none
                captions[index].append(partner)
        elif partner is not None:
            name = f"{stem(work.entries[index].image_id)}_{job.number}.png"
            images[index].append(_picture(partner, out / "partners" / name))
    found = []
    for index in indices:
        entry = work.entries[index]
        if not isinstance(work.source, RetrievalJson):
            _picture(work.source[index].image, entry.image)
        entry = replace(
            entry,
            partner_captions=(*entry.partner_captions, *captions[index]),
            partner_images=(*entry.partner_images, *images[index]),
            partner_images_true=tuple(true[index]),
        )
        found.append(row(entry, out))
    with writing(part) as file:
        file.write(_text(found))


def _shifted(partner: str | np.ndarray | None, recipe: Recipe, job: Job) -> str | np.ndarray | None:
    if not recipe.shift or partner is None:
        return partner
    if isinstance(partner, str):
        return shift.reword(partner, recipe.shift, np.random.default_rng((*job.seed, 2)))
    return shift.restyle(partner, recipe.style, recipe.shift)


def _entries(
    source: Source, recipe: Recipe, originals: int | None, out: Path
) -> tuple[list[Entry], list[int]]:
    """The images with their originals and what partners a manifest has already given them, and the
    numbers draws derive from."""
    entries, numbers = [], []
    own = _own_ids(recipe.data, recipe.split) if isinstance(source, RetrievalJson) else None
    for index in range(len(source)):
        if isinstance(source, RetrievalJson):
            number, captions, path = index, source.captions(index), source.paths[index]
        else:
            example = source[index]
            number, captions = example.image_id, example.captions
            path = out / "images" / f"{number}.png"
        entry = Entry(
            image_id=number if own is None else own[index],
            image=path,
            captions=tuple(captions[:originals]),
        )
        if isinstance(source, RetrievalJson):
            texts, pictures = source.partner_texts[index], source.partner_paths[index]
            entry = replace(entry, partner_captions=texts, partner_images=pictures)
        entries.append(entry)
        numbers.append(number)
    names: dict[str, Any] = {}
    for entry in entries:
        name = stem(entry.image_id)
        if name in names:
            raise ValueError(
                f"image_ids {names[name]!r} and {entry.image_id!r} would give files of one name: "
                "rename one"
            )
        names[name] = entry.image_id
    return entries, numbers


def _own_ids(path: Any, split: str | None) -> list[int | str] | None:
    """The `image_id` of each image of an annotation file, its position where it has none."""
    if not isinstance(path, str | Path):
        return None
    rows = read_annotations(Path(path), split).rows
    keys = dict.fromkeys(r.get("image_id", ("image", r["image"])) for r in rows)
    return [i if isinstance(key, tuple) else key for i, key in enumerate(keys)]


def _known(out: Path, header: dict[str, Any]) -> bool:
    """Whether the folder is finished; an error if it is another recipe's."""
    if not (out / HEADER).is_file():
        if (out / MANIFEST).is_file():
            raise ValueError(f"{str(out)!r} holds a manifest of others: choose another folder")
        return False
    before = read_json(out / HEADER)
    for key in {**before, **header}:
        if key == "file_digest" and header.get(key) is None:
            continue  # it is gone, and a finished folder needs it no more
        if before.get(key) != header.get(key):
            made = f"made with {key}={before.get(key)!r}, not {header.get(key)!r}"
            raise ValueError(
                f"{str(out)!r} holds partners {CHANGED.get(key, made)}: choose another folder, or "
                "delete that one"
            )
    return (out / MANIFEST).is_file()


def _picture(pixels: np.ndarray, path: Path) -> Path:
    with writing(path) as file:
        Image.fromarray(pixels).save(file, "PNG")
    return path


def _digest(entries: Sequence[Entry], out: Path) -> str:
    """A short hash of the originals: a folder does not go on with captions that were edited, nor
    with images that lie elsewhere."""
    known = json.dumps([row(entry, out) for entry in entries])
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _contents(place: Path) -> str | None:
    """A short hash of a file; of a folder, of the names and sizes of its pictures; None if gone."""
    if place.is_dir():
        own = [one for one in place.iterdir() if one.suffix.lower() in ENDINGS]
        known = json.dumps(sorted((one.name, one.stat().st_size) for one in own))
        return hashlib.sha256(known.encode()).hexdigest()[:16]
    if not place.is_file():
        return None
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _text(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
