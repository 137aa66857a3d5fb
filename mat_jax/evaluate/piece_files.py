"""Finished batches of an attack as files of a store; and back, to the same numbers."""

from typing import Any, NamedTuple

import numpy as np

from mat_jax.evaluate.points import packed, unpacked
from mat_jax.evaluate.store import Store
from mat_jax.models.features import Encoded


class Piece(NamedTuple):
    """One batch of an attack: what each target sees of it, its texts, and the checks so far."""

    images: list[Encoded]
    rounded: list[Encoded]
    pictures: list[dict[int, np.ndarray]]
    texts: list[str]
    checks: dict[str, Any]


def load_piece(store: Store | None, name: str, here: np.ndarray, targets: int) -> Piece | None:
    """A batch that was finished before, if it is of the same examples and of so many targets."""
    saved = None if store is None else store.load(name)
    if saved is None or saved.arrays["rows"].tolist() != here.tolist():
        return None
    arrays, facts = saved
    moved = any(key.startswith("rounded") for key in arrays)
    return Piece(
        [unpacked(arrays, f"images{n}") for n in range(targets)],
        [unpacked(arrays, f"rounded{n}") for n in range(targets)] if moved else [],
        [{int(i): arrays[f"picture{n}_{i}"] for i in facts["shown"]} for n in range(targets)],
        facts["texts"],
        facts["checks"],
    )


def save_piece(store: Store | None, name: str, here: np.ndarray, piece: Piece) -> None:
    """Save a finished batch; without a store nothing is kept."""
    if store is None:
        return
    arrays = {"rows": here}
    for n, images in enumerate(piece.images):
        arrays |= packed(images, f"images{n}")
        if piece.rounded:
            arrays |= packed(piece.rounded[n], f"rounded{n}")
        arrays |= {f"picture{n}_{i}": one for i, one in piece.pictures[n].items()}
    facts = {"texts": piece.texts, "checks": piece.checks, "shown": list(piece.pictures[0])}
    store.save(name, arrays, facts)
