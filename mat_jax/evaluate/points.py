"""The adversarial points of examples as a model sees them, and some of them put into others."""

from typing import Any, NamedTuple

import jax
import numpy as np

from mat_jax.models.features import Encoded, rows
from mat_jax.types.arrays import ImageFeatures, TextFeatures


class Points(NamedTuple):
    """What one model sees of some examples, after an attack.

    Attributes:
        images: features of the pictures.
        rounded: the same of the pictures rounded to 8 bits.
        texts: features of the texts, in the order of `Examples.text_owner`.
        captions: the texts themselves.
        pictures: row of the example -> picture at the model's size, of those the report shows.
        sketched: [examples] the name of what `shelf.Shelf` keeps of an attacked picture; empty
            where the picture is as it was.
    """

    images: Encoded
    rounded: Encoded
    texts: Encoded
    captions: np.ndarray
    pictures: dict[int, np.ndarray]
    sketched: np.ndarray


def replaced(points: Points, others: Points, chosen: np.ndarray, owner: np.ndarray) -> Points:
    """All points, with those of the examples `chosen` (rising) and their texts from `others`.

    Args:
        points: of all examples.
        others: of these examples alone, in their order.
        chosen: their rows.
        owner: [texts] row of the example of each text, -1 for a text of all.
    """
    captions = np.flatnonzero(np.isin(owner, chosen))

    def put(old: np.ndarray, new: np.ndarray, where: np.ndarray) -> np.ndarray:
        old = old.copy()
        old[where] = new
        return old

    def images(old: Encoded, new: Encoded) -> Encoded:
        return jax.tree.map(lambda a, b: put(a, b, chosen), old, new)

    texts, words = points.texts, points.captions
    if len(captions):
        texts = jax.tree.map(lambda a, b: put(a, b, captions), texts, others.texts)
        words = put(words, others.captions, captions)
    return Points(
        images(points.images, others.images),
        images(points.rounded, others.rounded),
        texts,
        words,
        {**points.pictures, **others.pictures},
        put(points.sketched, others.sketched, chosen),
    )


def of_examples(points: Points, chosen: np.ndarray, owner: np.ndarray) -> Points:
    """The points of the examples `chosen`, with their texts."""
    captions = np.flatnonzero(np.isin(owner, chosen))
    return Points(
        rows(points.images, chosen),
        rows(points.rounded, chosen),
        rows(points.texts, captions),
        points.captions[captions],
        {i: picture for i, picture in points.pictures.items() if i in chosen},
        points.sketched[chosen],
    )


def packed(encoded: Encoded, name: str) -> dict[str, np.ndarray]:
    """Features as named arrays, for a file."""
    arrays = {f"{name}.unit": encoded.unit}
    if encoded.whole is not None:
        for field, value in encoded.whole._asdict().items():
            if value is not None:
                arrays[f"{name}.{field}"] = np.asarray(value)
    return arrays


def unpacked(arrays: dict[str, np.ndarray], name: str) -> Encoded:
    """Features from the arrays of `packed`."""
    found: dict[str, Any] = {
        key.removeprefix(f"{name}."): value
        for key, value in arrays.items()
        if key.startswith(f"{name}.")
    }
    unit = found.pop("unit")
    if not found:
        return Encoded(unit, None)
    whole = TextFeatures(**found) if "mask" in found else ImageFeatures(**found)
    return Encoded(unit, whole)
