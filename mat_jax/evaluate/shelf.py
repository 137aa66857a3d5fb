"""Small pictures of every attacked example, on disk until it is known which of them fail.

All pictures of a gallery are too many to keep in memory. Two small ones of each, a file a batch,
take 55 kB an example. When the attack is ranked, those that failed are read back.
"""

import io
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from mat_jax.evaluate.store import Saved, Store, as_bytes, read
from mat_jax.evaluate.thumbnails import differences, shrunk
from mat_jax.utils import processes

FOLDER = "pictures"


class Sketch(NamedTuple):
    """One attacked example, small.

    Attributes:
        attack: that made it.
        picture: the attacked picture.
        difference: what changed, see `thumbnails.differences`.
    """

    attack: str
    picture: UInt8[np.ndarray, "height width 3"]
    difference: UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Shelf:
    """Sketches by the name of their batch: `shelf.put(name, ...)` and `shelf.get(names)`.

    Attributes:
        store: on whose disk they lie, in a folder of their own.
    """

    store: Store

    @classmethod
    def on(cls, store: Store | None) -> "Shelf":
        """A shelf in a store; without one, in a temporary folder that goes with the shelf."""
        if store is not None:
            return cls(store)
        folder = tempfile.mkdtemp(prefix="mat_jax_")
        shelf = cls(Store(Path(folder), ""))
        weakref.finalize(shelf, shutil.rmtree, folder, ignore_errors=True)
        return shelf

    def put(
        self,
        name: str,
        attack: str,
        rows: Int[np.ndarray, " batch"],
        clean: Float[np.ndarray, "batch height width 3"],
        adv: Float[np.ndarray, "batch height width 3"],
        *,
        eps: float | None,
    ) -> None:
        """Sketch a batch.

        Args:
            name: of the batch.
            attack: that made it.
            rows: of the examples.
            clean, adv: their pictures before and after, in [0, 1].
            eps: see `thumbnails.differences`.
        """
        levels = np.round(np.clip(adv, 0, 1) * 255).astype(np.uint8)
        arrays = {
            "rows": rows,
            "pictures": np.stack([shrunk(one) for one in levels]),
            "differences": differences(clean, adv, eps),
        }
        self.store.save(f"{FOLDER}/{name}", arrays, {"attack": attack})

    def get(self, names: Mapping[int, str]) -> dict[int, Sketch]:
        """Sketches of some examples, on all processes; what is on no disk is left out.

        Args:
            names: row of the example -> name of its batch.
        """
        if not names:
            return {}
        found = self._own(names)
        if processes.count() == 1:
            return found
        every: dict[int, Sketch] = {}
        for source in range(processes.count()):
            message = processes.broadcast(as_bytes(*_saved(found)), source)
            saved = read(io.BytesIO(message))
            assert saved is not None
            every |= _sketches(saved)
        return every

    def remove(self, label: str | None = None) -> None:
        """Remove the sketches of an attack, or all of them."""
        self.store.remove(FOLDER if label is None else f"{FOLDER}/{label}")

    def _own(self, names: Mapping[int, str]) -> dict[int, Sketch]:
        """Those that lie on the disk of this process."""
        found: dict[int, Sketch] = {}
        for name in sorted(set(names.values())):
            saved = self.store.load(f"{FOLDER}/{name}")
            if saved is None:
                continue
            of_batch = _sketches(saved)
            found |= {i: one for i, one in of_batch.items() if names.get(i) == name}
        return found


def _sketches(saved: Saved) -> dict[int, Sketch]:
    arrays, attacks = saved.arrays, saved.facts["attack"]
    of_each = [attacks] * len(arrays["rows"]) if isinstance(attacks, str) else attacks
    each = map(Sketch, of_each, arrays["pictures"], arrays["differences"])
    return {int(row): one for row, one in zip(arrays["rows"], each, strict=True)}


def _saved(sketches: Mapping[int, Sketch]) -> Saved:
    parts = list(sketches.values())
    arrays = {
        "rows": np.array(list(sketches), int),
        "pictures": np.array([one.picture for one in parts], np.uint8),
        "differences": np.array([one.difference for one in parts], np.uint8),
    }
    return Saved(arrays, {"attack": [one.attack for one in parts]})
