"""What an evaluation has finished so far, on disk, so that it goes on where it was stopped.

A folder holds one `.npz` file for each finished row, and for the attack under way one for each
finished batch. In a file, numbers are arrays and the rest is one JSON text: nothing is a pickle,
so a folder received from somebody else is safe to go on with. A file that cannot be read, or that
is of other weights or settings, counts as not there.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mat_jax.utils.files import write_text, writing

FORMAT = 2  # of the files; those of another format are made anew
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
        if known != key:
            shutil.rmtree(folder, ignore_errors=True)
        return cls(folder, digest)

    def load(self, name: str) -> Saved | None:
        """What was saved under a name, or None."""
        try:
            with self._file(name).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files if key != FACTS}
                facts = json.loads(str(file[FACTS][()]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return Saved(arrays, facts) if isinstance(facts, dict) else None

    def save(self, name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Save under a name, whole or not at all.

        Raises:
            OSError: the folder cannot be written, or the disk is full.
        """
        if not (self.folder / KEY).exists():
            write_text(self.folder / KEY, json.dumps(_key(self.digest)) + "\n")
        text = np.array(json.dumps(facts))
        with writing(self._file(name)) as file:
            np.savez(file, **arrays, **{FACTS: text})  # type: ignore[arg-type]

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        self._file(name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


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
