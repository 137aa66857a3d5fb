"""Pictures of a source at one size, decoded when first asked for."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mat_jax.data.images import Fit, resize
from mat_jax.types.sources import HasCaptions, HasPartnerImages, Source

READERS = min(os.cpu_count() or 1, 64)  # threads that decode pictures
Pixels = UInt8[np.ndarray, "height width 3"]


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Pillow lets other threads run while it decodes."""
    return ThreadPoolExecutor(threads, "mat_jax-pictures")


class Store:
    """Pictures by number, kept in memory when all of them fit into `room` bytes.

    Several threads may ask at once: two may decode the same picture, to the same pixels. A picture
    is marked as known only after its pixels are in place.
    """

    def __init__(self, count: int, size: int, fit: Fit, room: int) -> None:
        self.size, self.fit = size, fit
        shape = (count, size, size, 3)
        self.kept = int(np.prod(shape)) if int(np.prod(shape)) <= room else 0
        # Pages of an empty array take no memory before they are written.
        self.pixels = np.empty(shape, np.uint8) if self.kept else None
        self.known = np.zeros(count, np.bool_)
        self.lock = threading.Lock()

    def get(self, number: int, decode: Callable[[], Any]) -> Pixels:
        """The pixels of a picture; `decode` gives them as they are, if they are not known."""
        if self.pixels is not None and self.known[number]:
            return self.pixels[number]
        return self.keep(number, decode())

    def keep(self, number: int, image: Any) -> Pixels:
        """A decoded picture at the size of the store, which it now has if it keeps any."""
        pixels = resize(image, self.size, self.fit)
        if self.pixels is not None:
            with self.lock:
                self.pixels[number] = pixels
                self.known[number] = True
        return pixels


class Originals:
    """The images of a source and their ids."""

    def __init__(self, source: Source, size: int, fit: Fit, room: int) -> None:
        self.source = source
        self.store = Store(len(source), size, fit, room)
        self.ids: dict[int, int] = {}

    def get(self, index: int) -> tuple[Pixels, int]:
        """Pixels and id of an image."""
        pixels = self.store.get(index, lambda: self._decode(index))
        return pixels, self.ids[index]

    def get_all(self, indices: Sequence[int]) -> list[tuple[Pixels, int]]:
        """Pixels and ids of several images, those that must be read on all cores at once."""
        if self.store.pixels is not None and self.store.known[list(indices)].all():
            return [self.get(index) for index in indices]
        return list(_pool(READERS).map(self.get, indices))

    def captions(self, index: int) -> tuple[str, ...]:
        """Captions of an image, by the cheapest way the source offers."""
        if isinstance(self.source, HasCaptions):
            return tuple(self.source.captions(index))
        example = self.source[index]
        if self.store.kept:  # the image came along, so keep it
            self.ids[index] = example.image_id
            self.store.keep(index, example.image)
        return tuple(example.captions)

    def _decode(self, index: int) -> Any:
        example = self.source[index]
        self.ids[index] = example.image_id
        return example.image


class Partners:
    """The partner pictures of a source, `counts[i]` of them for image i."""

    def __init__(self, source: HasPartnerImages, size: int, fit: Fit, room: int) -> None:
        self.source = source
        self.counts = np.array([len(source.partner_images(i)) for i in range(len(source))])
        self.first = np.cumsum(self.counts) - self.counts
        self.store = Store(int(self.counts.sum()), size, fit, room)

    def get(self, index: int, number: int) -> Pixels:
        """Pixels of one of the partners of an image."""
        place = int(self.first[index]) + number
        return self.store.get(place, lambda: self.source.partner_images(index)[number])
