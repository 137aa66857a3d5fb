"""A run's folder: what is written down of a run, and whether this one may go on there."""

import dataclasses
import errno
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from mat_jax.evaluate.protocol import version
from mat_jax.train import loop
from mat_jax.train.experiment import Experiment, differences
from mat_jax.types.sources import Source
from mat_jax.utils.files import there, write_text

PACKAGES = ("mat-jax", "jax", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def changes_in(workdir: Path, policy: str, settings: dict[str, Any]) -> list[str]:
    """In what a run that is to go on differs from the one in the folder.

    Raises:
        ValueError: in anything, and it was not said that this is meant.
    """
    if policy not in ("auto", "never", "anyway"):
        raise ValueError(f"--resume is auto, never or anyway, got {policy!r}")
    file = workdir / "settings.json"
    begun = (workdir / "checkpoints").exists() and file.exists()
    if policy == "never" or not begun:
        return []
    try:
        before = json.loads(file.read_text(encoding="utf-8"))["settings"]
        changes = differences(before, settings)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError(
            f"{file} is damaged or was not written by a run of mat_jax: use another --workdir, or "
            "--resume never to start over"
        ) from None
    if changes and policy == "auto":
        raise ValueError(
            f"the run in {workdir} has other settings: {'; '.join(changes)}. Use another "
            "--workdir, or --resume never to start over, or --resume anyway to go on"
        )
    return changes


def remove_run(workdir: Path) -> None:
    """Remove an earlier run's files, and nothing else of the folder."""
    for name in ("checkpoints", "export", "report", "profile"):
        shutil.rmtree(workdir / name, ignore_errors=True)
    for name in ("metrics.jsonl", "curves.html", "settings.json", "experiment.py"):
        (workdir / name).unlink(missing_ok=True)


def write_settings(
    workdir: Path, policy: str, settings: dict[str, Any], config: str | Path | None, quiet: bool
) -> None:
    """Write down what runs in the folder."""
    versions = {name: version(name) for name in PACKAGES}
    facts = {"settings": settings, "versions": versions, "commit": commit()}
    write_text(workdir / "settings.json", json.dumps(facts, indent=2) + "\n")
    if config is not None:
        copy = workdir / "experiment.py"
        text = Path(config).read_text(encoding="utf-8")
        if copy.exists() and copy.read_text() != text and policy == "auto" and not quiet:
            print(f"note: {config} was edited since this run began", file=sys.stderr)
        write_text(copy, text)


def unwritable(workdir: Path, error: OSError) -> OSError:
    """The same error in a sentence that says what to do."""
    if error.errno == errno.ENOSPC:
        text = f"the disk of {workdir} is full: free some space and run the same command again"
    else:
        text = f"cannot write in {workdir} ({error.strerror}): give a --workdir you may write to"
    return OSError(text)


def require_room(workdir: Path, experiment: Experiment, model: nnx.Module) -> None:
    """Refuse to begin what the disk cannot hold: checkpoints, one more while it is written, and
    the export."""
    state = jax.eval_shape(lambda model: loop.begin(experiment, model)[1], model)
    checkpoint, weights = (
        sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
        for tree in (state, model)
    )
    need = checkpoint * (experiment.keep + 1) + weights
    free = shutil.disk_usage(there(workdir)).free
    if free < need:
        raise OSError(
            f"the disk of {workdir} has {free / 1e6:.0f} MB free and the run needs about "
            f"{need / 1e6:.0f} MB for checkpoints and export: free some space, or give another "
            "--workdir"
        )


def facts_of(experiment: Experiment, source: Source) -> dict[str, Any]:
    """What of an experiment can be told from its objects, and decides its numbers."""
    return {
        "model": as_text(experiment.model),
        "data": f"{source.name} ({len(source)} images)",
        "defense": as_text(experiment.defense),
        "substitutes": as_text(experiment.substitutes),
        "lora": as_text(experiment.lora),
        "steps": experiment.steps,
        "batch_size": experiment.batch_size,
        "seed": experiment.seed,
        "dtype": experiment.dtype,
    }


def as_text(thing: Any) -> Any:
    """An object as `settings.json` has it, the same in every process that builds it alike."""
    if dataclasses.is_dataclass(thing) or isinstance(thing, Path | tuple):
        return re.sub(r" at 0x[0-9a-f]+", "", str(thing))  # an address is no setting
    return thing if thing is None or isinstance(thing, str) else type(thing).__name__


def digest(*parts: Any) -> str:
    """A short text that differs where texts or arrays do."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() if isinstance(part, str) else np.asarray(part).tobytes())
    return found.hexdigest()[:16]


def commit() -> str | None:
    """Which version of the code this is, where it is a checkout of git."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
