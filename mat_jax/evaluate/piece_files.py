"""Finished batches of an attack as files or messages; and back, to the same numbers."""

import io
from typing import Any, NamedTuple

import numpy as np

from mat_jax.evaluate.points import packed, unpacked
from mat_jax.evaluate.store import Saved, Store, as_bytes, read
from mat_jax.models.features import Encoded
from mat_jax.utils import processes


class Piece(NamedTuple):
    """One batch of an attack: what each target sees of it, its texts, and its checks."""

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
    return _piece(saved, targets)


def save_piece(store: Store | None, name: str, here: np.ndarray, piece: Piece) -> None:
    """Save a finished batch; without a store nothing is kept."""
    if store is not None:
        arrays, facts = _saved(piece)
        store.save(name, {"rows": here} | arrays, facts)


def given_to_all(piece: Piece | None, source: int, targets: int) -> Piece:
    """The batch that one process has finished, on all processes.

    Args:
        piece: of the source.
        source: which process finished it.
        targets: how many targets have seen it.
    """
    if processes.count() == 1:
        assert piece is not None
        return piece
    message = processes.broadcast(None if piece is None else as_bytes(*_saved(piece)), source)
    if piece is not None:
        return piece
    saved = read(io.BytesIO(message))
    assert saved is not None
    return _piece(saved, targets)


def _saved(piece: Piece) -> Saved:
    arrays: dict[str, np.ndarray] = {}
    for n, images in enumerate(piece.images):
        arrays |= packed(images, f"images{n}")
        if piece.rounded:
            arrays |= packed(piece.rounded[n], f"rounded{n}")
        arrays |= {f"picture{n}_{i}": one for i, one in piece.pictures[n].items()}
    shown = list(piece.pictures[0])
    return Saved(arrays, {"texts": piece.texts, "checks": piece.checks, "shown": shown})


def _piece(saved: Saved, targets: int) -> Piece:
    arrays, facts = saved
    moved = any(key.startswith("rounded") for key in arrays)
    return Piece(
        [unpacked(arrays, f"images{n}") for n in range(targets)],
        [unpacked(arrays, f"rounded{n}") for n in range(targets)] if moved else [],
        [{int(i): arrays[f"picture{n}_{i}"] for i in facts["shown"]} for n in range(targets)],
        facts["texts"],
        facts["checks"],
    )
