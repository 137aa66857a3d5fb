"""The world as a data set: generated once, kept as ArrayRecord by TFDS, read without TensorFlow.

`load_scenes("train")` prepares that split's files on first use and checks them on every use: a set
that was interrupted, cut or changed is noticed and made again. One process makes it; others wait.
Where only the first scenes are wanted, not many more are drawn.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from mat_jax.data.scenes.draw import render
from mat_jax.data.scenes.facts import Scene, Thing, sample
from mat_jax.data.scenes.grammar import captions
from mat_jax.data.scenes.oracle import agreement, is_true
from mat_jax.utils import cache
from mat_jax.utils.files import alone
from mat_jax.utils.quiet import without

SIZE = 64  # pixels
CAPTIONS = 5
SPLITS = {"train": 10_000, "val": 1_000, "test": 1_000}
_FIRST = {"test": 0, "val": 100_000, "train": 200_000}  # seeds of a split's scenes start here
_CHUNK = 100
_LENGTHS = (100, 1_000, 4_000)  # scenes drawn of a split of which no more are wanted
_SEAL = "sealed.json"  # written last: sizes and hashes of all files


class SceneExample(NamedTuple):
    """A picture with its captions, and the facts behind them."""

    image: np.ndarray
    captions: tuple[str, ...]
    image_id: int
    scene: Scene


class Scenes:
    """One split of the world: a source (`len`, `[i]`, `captions(i)`) that also knows the facts."""

    def __init__(self, split: str, records: Any, count: int) -> None:
        self.name, self._records, self._count = f"scenes/{split}", records, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> SceneExample:
        record = self._record(index)
        return SceneExample(
            np.asarray(record["image"], np.uint8),
            tuple(c.decode() for c in record["captions"]),
            int(record["id"]),
            _scene(record["scene"].decode()),
        )

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of one scene."""
        return self[index].captions

    def scene(self, index: int) -> Scene:
        """The facts of one scene."""
        return self[index].scene

    def oracle(self, index: int) -> Callable[[str], bool]:
        """`caption -> whether it is true of this scene`: what the `truthful` constraint asks."""
        scene = self.scene(index)
        return lambda caption: is_true(caption, scene)

    def judge(self, index: int) -> Callable[[str], float]:
        """`caption -> how far it agrees with this scene`, 0 to 1: see `oracle.agreement`."""
        scene = self.scene(index)
        return lambda caption: agreement(caption, scene)

    def _record(self, index: int) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(f"{self.name} has {self._count} scenes, got index {index}")
        with without("tensorflow_datasets"):  # it would rather decode pictures with OpenCV
            return self._records[index]


def load_scenes(
    split: str = "train",
    limit: int | None = None,
    *,
    train: int | None = None,
    directory: str | Path | None = None,
) -> Scenes:
    """A split of the embedded world, prepared on first use.

    Args:
        split: "train", "val" or "test"; no scene is in two of them.
        limit: only the first so many scenes; not many more are drawn than that.
        train: scenes of the training split, 10,000 if None; a larger split holds the smaller's.
        directory: where the files are kept; default `$MAT_JAX_CACHE`, else `~/.cache/mat_jax`.

    Raises:
        ValueError: no such split, or a limit below 1.
        OSError: the files are not there yet, and cannot be written.
    """
    if split not in SPLITS:
        raise ValueError(f"the world has no split {split!r}; choose one of {', '.join(SPLITS)}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit {limit} leaves no scene; give at least 1, or None for all")
    count = train if train and split == "train" else SPLITS[split]
    wanted = min(limit or count, count)
    return Scenes(split, _prepared(cache.folder(root=directory), split, count, wanted), wanted)


def make(split: str, index: int) -> tuple[Scene, tuple[str, ...]]:
    """The facts and captions of one scene, straight from its seed."""
    rng = np.random.default_rng(_FIRST[split] + index)
    scene = sample(rng)
    return scene, captions(scene, rng, CAPTIONS)


def _prepared(root: Path, split: str, count: int, wanted: int) -> Any:
    """The records of a split that begin with the first `wanted` of its `count`, drawn if need be.

    What is there already will do, be it longer; else no more is drawn than the next of `_LENGTHS`.
    """
    lengths = [length for length in (*_LENGTHS, count) if wanted <= length <= count]
    for length in lengths:
        records = _opened(root, split, count, length)
        if records is not None:
            return records
    first = lengths[0]
    try:
        with alone(root):
            records = _opened(root, split, count, first)  # somebody else's, made while we waited
            return _made(root, split, count, first) if records is None else records
    except OSError as error:
        raise cache.unwritable(root, error) from error


def _made(root: Path, split: str, count: int, first: int) -> Any:
    folder = _folder(root, split, count, first)
    if folder.exists():
        print(f"{folder} is incomplete or damaged: making it again", file=sys.stderr)
    _remove_leftovers(folder)
    print(f"drawing {first:,} scenes, once, into {folder}", file=sys.stderr)
    said = contextlib.redirect_stdout(io.StringIO())
    with said, without("tensorflow_datasets"):  # it has a lot to say
        _builder(root, split, count, first).download_and_prepare()
    _seal(folder)
    return _records(root, split, count, first)


def _opened(root: Path, split: str, count: int, first: int) -> Any:
    """The records on disk, None if they are not there, not whole or not what they should be."""
    if not _whole(_folder(root, split, count, first)):
        return None
    try:
        records = _records(root, split, count, first)
    except Exception:  # the seal fits, but TFDS cannot read it: it was put there by others
        return None
    return records if len(records) == first else None


def _records(root: Path, split: str, count: int, first: int) -> Any:
    with without("tensorflow_datasets"):
        return _builder(root, split, count, first).as_data_source(split=split)


def _builder(root: Path, split: str, count: int, first: int) -> Any:
    from mat_jax.data.scenes.tfds_scenes import MatJaxScenes  # TFDS is slow to import

    config = _config(split, count, first)
    with without("tensorflow_datasets"):  # it speaks of what it lacks; we need none of it
        return MatJaxScenes(root, config, lambda: {split: _examples(split, count, first)})


def _config(split: str, count: int, first: int) -> str:
    return f"{_recipe()}-{split}-{count}" + (f"-first-{first}" if first < count else "")


def _folder(root: Path, split: str, count: int, first: int) -> Path:
    """Where TFDS keeps them."""
    return root / "mat_jax_scenes" / _config(split, count, first) / "1.0.0"


def _order(split: str, count: int) -> list[int]:
    """The scenes of a split in the order of its records, which TFDS shuffles by a hash of the key.

    The first of them are therefore the first of the records, whether others follow or not.
    """
    salted = hashlib.md5(split.encode(), usedforsecurity=False)

    def place(index: int) -> bytes:
        digest = salted.copy()
        digest.update(str(index).encode())
        return digest.digest()

    return sorted(range(count), key=place)


def _examples(split: str, count: int, first: int) -> Iterator[tuple[int, dict[str, Any]]]:
    indices = _order(split, count)[:first]
    chunks = [(split, indices[start : start + _CHUNK]) for start in range(0, first, _CHUNK)]
    # A bar on a terminal, a line now and then in a log.
    often = 0.2 if sys.stderr.isatty() else 10
    with (
        tqdm(
            total=first, desc=f"scenes/{split}", unit="scene", leave=False, mininterval=often
        ) as bar,
        contextlib.ExitStack() as stack,
    ):
        drawn: Any = map(_draw_chunk, *zip(*chunks, strict=True))
        if first > 1_000:  # fewer are drawn before a second process has started
            pool = ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))
            stack.enter_context(pool)
            with _no_script():
                drawn = pool.map(_draw_chunk, *zip(*chunks, strict=True))
        for rows in drawn:
            bar.update(len(rows))
            yield from rows


@contextmanager
def _no_script() -> Iterator[None]:
    """Let processes that are spawned here not run the caller's script again, as they would.

    A script that asks for scenes outside a function would ask again in each of them, and wait
    there for the lock it holds itself.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _draw_chunk(split: str, indices: Sequence[int]) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    for index in indices:
        scene, texts = make(split, index)
        png = io.BytesIO()
        Image.fromarray(render(scene, SIZE)).save(png, "PNG")
        facts = json.dumps(asdict(scene))
        row = {"image": png.getvalue(), "captions": texts, "scene": facts}
        rows.append((index, {**row, "id": _FIRST[split] + index}))
    return rows


def _scene(text: str) -> Scene:
    facts = json.loads(text)
    things = tuple(Thing(**thing) for thing in facts.pop("things"))
    return Scene(**facts, things=things)


def _recipe() -> str:
    """A short hash of the code that makes the scenes: other code, other files."""
    folder = Path(__file__).parent
    files = [folder / f"{n}.py" for n in ("facts", "shapes", "draw", "lexicon", "grammar")]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:10]


def _seal(folder: Path) -> None:
    facts = {f.name: [f.stat().st_size, _hash(f)] for f in sorted(folder.iterdir())}
    part = folder / f"{_SEAL}.part"
    part.write_text(json.dumps(facts))
    part.replace(folder / _SEAL)


def _whole(folder: Path) -> bool:
    """Whether all files are there and no others, unchanged since the folder was sealed."""
    try:
        facts = json.loads((folder / _SEAL).read_text())
        there = {f.name: [f.stat().st_size, _hash(f)] for f in folder.iterdir() if f.name != _SEAL}
        return bool(there) and there == facts
    except (OSError, ValueError, RecursionError):
        return False


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remove_leftovers(folder: Path) -> None:
    """Remove a damaged folder and what an interrupted preparation left beside it."""
    leftovers: Sequence[Path] = [folder, *folder.parent.glob("incomplete.*")]
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True)
