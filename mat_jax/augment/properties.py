"""Measure the partners of a manifest: alignment, diversity, gap, and in `scenes` their truth.

python -m mat_jax.augment.properties DIR [--model scenes-clip] [--out FILE.json]

DIR is what `python -m mat_jax.augment` made. The model is frozen and should be the same for all
that is compared; the formulas are in `augment.measures`.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mat_jax import data, models
from mat_jax.augment import measures
from mat_jax.augment.manifest import Entry, Manifest, read_manifest
from mat_jax.augment.shift import plain
from mat_jax.models.features import encode_images, encode_texts
from mat_jax.utils.command_line import Parser, answered
from mat_jax.utils.files import writable, write_text

BATCH = 64


def properties_of(folder: str | Path, *, model: str = "scenes-clip") -> dict[str, Any]:
    """What the partners of a manifest are like, texts and pictures apart.

    For each modality that has partners: `partners` of an item on average; `alignment` with the
    other modality's original (of picture k the item's caption k, and from the first one again), and
    `alignment_of_originals` of each picture with its first caption; `diversity` among the partners
    of one item, if any has two; and between the first partners of items and the first originals of
    others, of the same modality, `frechet` and `mmd` (Gaussian kernel, median width), on the unit
    sphere: every second item against the rest, both ways, if four have partners. Of scenes there is
    `truth` too: the share of texts that are true of their picture, and of pictures that the world
    drew, of those their caption is true of.

    Args:
        folder: of `manifest.json`.
        model: whose embedding, a name or folder for `models.load`.

    Raises:
        ValueError: a manifest without partners.
        OSError: no manifest, or a picture that is not there.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    rows = manifest.entries
    encoder, tokenizer = models.load(model)

    def pictures(paths: Sequence[Path]) -> np.ndarray:
        return _pictures(encoder, paths)

    def texts(found: Sequence[str]) -> np.ndarray:
        return np.asarray(encode_texts(encoder, tokenizer, found).unit)

    images = pictures([row.image for row in rows])
    captions = texts([row.captions[0] for row in rows])
    found: dict[str, Any] = {"model": model, "items": len(rows)}

    def beside_texts(owner: np.ndarray) -> np.ndarray:
        return images[owner]

    def beside_pictures(owner: np.ndarray) -> np.ndarray:
        turns = (zip(itertools.cycle(row.captions), row.partner_images) for row in rows)
        return texts([caption for own in turns for caption, _ in own])

    for name, key, embed, own, beside in (
        ("texts", "partner_captions", texts, captions, beside_texts),
        ("images", "partner_images", pictures, images, beside_pictures),
    ):
        each: list[Any] = [getattr(row, key) for row in rows]
        partners = [partner for one in each for partner in one]
        if not partners:
            continue
        owner = np.repeat(np.arange(len(rows)), [len(one) for one in each])
        vectors = embed(partners)
        items, first = np.unique(owner, return_index=True)
        measured = {
            "partners": len(partners) / len(rows),
            "alignment": measures.alignment(beside(owner), vectors, np.arange(len(vectors))),
            "alignment_of_originals": measures.alignment(images, captions, np.arange(len(rows))),
            "diversity": measures.diversity(vectors, owner),
            "frechet": _gap(measures.frechet, vectors[first], own[items]),
            "mmd": _gap(measures.mmd, vectors[first], own[items]),
            "truth": _truth_of_texts(manifest, owner)
            if name == "texts"
            else _truth_of_images(rows),
        }
        # JSON has no NaN: what is not defined, or not known, is not there.
        found[name] = {key: value for key, value in measured.items() if value == value}
    if len(found) == 2:
        raise ValueError(f"{folder} has no partners: make some with python -m mat_jax.augment")
    return found


def _gap(
    distance: Callable[[np.ndarray, np.ndarray], float], partners: np.ndarray, own: np.ndarray
) -> float:
    """How far apart two distributions are, of which row i and row i belong together.

    A partner is near its own original whatever the distributions are, and the distances are of
    independent samples: so no item stands on both sides. NaN of fewer than four items.
    """
    if len(own) < 4:
        return math.nan
    there, back = distance(partners[::2], own[1::2]), distance(partners[1::2], own[::2])
    return (there + back) / 2


def _pictures(encoder: Any, paths: Sequence[Path]) -> np.ndarray:
    """Unit vectors of pictures, in batches of one size."""
    size, fit = encoder.config.image_size, encoder.pixels.fit
    parts = []
    for start in range(0, len(paths), BATCH):
        own = [data.resize(data.read_image(p), size, fit) for p in paths[start : start + BATCH]]
        filled = np.stack(own + own[:1] * (BATCH - len(own))).astype(np.float32) / np.float32(255)
        parts.append(np.asarray(encode_images(encoder, filled).unit)[: len(own)])
    return np.concatenate(parts)


def _truth_of_texts(manifest: Manifest, owner: np.ndarray) -> float:
    """The share that is true of the scene; NaN of photographs."""
    judges = _judges(manifest)
    if judges is None:
        return math.nan
    # Another style's words say the same.
    said = [plain(text) for row in manifest.entries for text in row.partner_captions]
    return measures.truth(judges, said, owner.tolist())


def _truth_of_images(rows: Sequence[Entry]) -> float:
    """The share that its caption is true of; NaN where it is not known of each."""
    true = [one for row in rows for one in row.partner_images_true]
    count = sum(len(row.partner_images) for row in rows)
    return float(np.mean(true)) if len(true) == count else math.nan


def _judges(manifest: Manifest) -> list[Any] | None:
    """The oracles of the scenes that a manifest was made of, None for photographs."""
    kind, _, split = str(manifest.header.get("source", "")).partition("/")
    if kind != "scenes" or not split or "/" in split:  # the last is a part of a source
        return None
    scenes = data.load_scenes(split, limit=len(manifest))
    return [scenes.oracle(index) for index in range(len(manifest))]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status; a mistake is one sentence and status 2."""
    parser = Parser(
        prog="python -m mat_jax.augment.properties",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="of manifest.json")
    parser.add_argument("--model", default="scenes-clip", help="whose embedding")
    parser.add_argument("--out", type=Path, help="file for the figures; default: print them")

    def measured() -> str:
        given = parser.parse_args(arguments)
        if given.out is not None:
            writable(given.out.parent)
        text = json.dumps(properties_of(given.folder, model=given.model), indent=1)
        if given.out is None:
            return text
        write_text(given.out, text + "\n")
        return f"measured: {given.out}"

    return answered(measured, stopped="nothing was written")


if __name__ == "__main__":
    sys.exit(main())
