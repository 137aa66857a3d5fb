"""What an evaluation has finished so far, on disk, so that it goes on where it was stopped.

A folder holds one `.npz` file for each finished row, and for the attack under way one for each
finished batch. In a file, numbers are arrays and the rest is one JSON text: nothing is a pickle,
so a folder received from somebody else is safe to go on with. A file that cannot be read, or that
is of other weights or settings, counts as not there.
"""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from mat_jax.utils import processes
from mat_jax.utils.files import write_text, writing

FORMAT = 4  # of the files; those of another format are made anew
KEY = "key.json"
FACTS = "facts"  # the name of the JSON text in a file


class Saved(NamedTuple):
    """What one file holds."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Store:
    """The files of one evaluation: `store.save(name, arrays, facts)` and `store.load(name)`."""

    folder: Path
    digest: str

    @classmethod
    def open(cls, folder: Path, digest: str) -> "Store":
        """The store in a folder, emptied if what lies there is of another measurement.

        Args:
            folder: made when something is saved.
            digest: of everything that decides the numbers, see `digest_of`.
        """
        key = _key(digest)
        try:
            known = json.loads((folder / KEY).read_text())
        except (OSError, ValueError):
            known = None
        processes.require_same("what is measured", digest)
        if known != key:
            shutil.rmtree(folder, ignore_errors=True)
        processes.barrier()  # on a disk that all share, nobody empties what another has begun
        return cls(folder, digest)

    def load(self, name: str) -> Saved | None:
        """What this process saved under a name, or None."""
        try:
            with self._file(name).open("rb") as stream:
                return read(stream)
        except OSError:
            return None

    def load_row(self, name: str) -> Saved | None:
        """What process 0 saved under a name, or None; the same on all."""
        if processes.count() == 1:
            return self.load(name)
        saved = self.load(name) if processes.first() else None
        message = processes.broadcast(b"" if saved is None else as_bytes(*saved))
        return read(io.BytesIO(message)) if message else None

    def save_row(
        self, name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> None:
        """`save`, by process 0."""
        if processes.first():
            self.save(name, arrays, facts)

    def save(self, name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Save under a name, whole or not at all.

        Raises:
            OSError: the folder cannot be written, or the disk is full.
        """
        if not (self.folder / KEY).exists():
            write_text(self.folder / KEY, json.dumps(_key(self.digest)) + "\n")
        with writing(self._file(name)) as file:
            write(file, arrays, facts)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        self._file(name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def write(file: IO[bytes], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write arrays and facts as one file."""
    text = np.array(json.dumps(facts))
    np.savez(file, **arrays, **{FACTS: text})  # type: ignore[arg-type]


def as_bytes(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> bytes:
    """What `write` writes."""
    file = io.BytesIO()
    write(file, arrays, facts)
    return file.getvalue()


def read(stream: IO[bytes]) -> Saved | None:
    """What `write` wrote; None of anything else."""
    try:
        with np.load(stream, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key != FACTS}
            facts = json.loads(str(file[FACTS][()]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return Saved(arrays, facts) if isinstance(facts, dict) else None


def _key(digest: str) -> dict[str, object]:
    return {"format": FORMAT, "measurement": digest}


def digest_of(facts: Any, arrays: Iterable[np.ndarray]) -> str:
    """A short text that differs where anything does that decides the numbers.

    Args:
        facts: settings, as their `repr` tells them.
        arrays: weights, and what else is numbers.
    """
    found = hashlib.sha256(repr(facts).encode())
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
