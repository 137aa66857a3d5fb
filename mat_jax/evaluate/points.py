"""The adversarial points of a gallery as a model sees them, and some of them put into another."""

from typing import NamedTuple

import jax
import numpy as np

from mat_jax.models.features import Encoded, rows


class Points(NamedTuple):
    """What one model sees of some images and their captions, after an attack.

    Attributes:
        images: features of the pictures.
        rounded: the same of the pictures rounded to 8 bits.
        texts: features of the captions, image by image.
        captions: the captions as text.
        pictures: row of the gallery -> picture at the model's size, of images the report shows.
    """

    images: Encoded
    rounded: Encoded
    texts: Encoded
    captions: np.ndarray
    pictures: dict[int, np.ndarray]


def replaced(points: Points, others: Points, chosen: np.ndarray, owner: np.ndarray) -> Points:
    """A gallery with the images `chosen` (rising) and their captions taken from `others`.

    Args:
        points: of the whole gallery.
        others: of these images alone, in their order.
        chosen: their rows.
        owner: row of the image of each caption of the gallery.
    """
    captions = np.flatnonzero(np.isin(owner, chosen))

    def put(old: np.ndarray, new: np.ndarray, where: np.ndarray) -> np.ndarray:
        old = old.copy()
        old[where] = new
        return old

    def images(old: Encoded, new: Encoded) -> Encoded:
        return jax.tree.map(lambda a, b: put(a, b, chosen), old, new)

    return Points(
        images(points.images, others.images),
        images(points.rounded, others.rounded),
        jax.tree.map(lambda a, b: put(a, b, captions), points.texts, others.texts),
        put(points.captions, others.captions, captions),
        {**points.pictures, **others.pictures},
    )


def of_images(points: Points, chosen: np.ndarray, owner: np.ndarray) -> Points:
    """The images `chosen` of a gallery with their captions."""
    captions = np.flatnonzero(np.isin(owner, chosen))
    return Points(
        rows(points.images, chosen),
        rows(points.rounded, chosen),
        rows(points.texts, captions),
        points.captions[captions],
        {i: picture for i, picture in points.pictures.items() if i in chosen},
    )
