"""Results read back from `results.json` and `ranks.npz`, as far as these hold them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mat_jax.evaluate.protocol import other_threat
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.results import Check, Result, Row
from mat_jax.evaluate.statistics import Figures
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.utils.json_files import json_contents

FILES = ("results.json", "ranks.npz")


@dataclass(frozen=True, kw_only=True)
class SavedResult(Result):
    """A result without its pictures and captions; figures are those in the file.

    Attributes:
        told: name of the row -> its figures.
    """

    told: Mapping[str, Figures] = field(default_factory=dict)

    def figures(self, row: Row) -> Figures:
        """The numbers of a row as they were written: nothing is drawn again at random."""
        return self.told[row.name]


@dataclass(frozen=True)
class Saved:
    """One model of a saved report.

    Attributes:
        folder: with the files.
        result: what they hold.
    """

    folder: Path
    result: SavedResult


def read_saved(folder: Path) -> list[Saved]:
    """The models of a folder that `evaluate`, `compare` or a training wrote.

    Args:
        folder: that holds `results.json` and `ranks.npz`, or a run's, with `report/` in it.

    Raises:
        FileNotFoundError: the folder has no results.
        ValueError: the files are damaged, or were written by another version.
    """
    places = [place for place in (folder, folder / "report") if (place / FILES[0]).is_file()]
    if not places:
        raise FileNotFoundError(
            f"{str(folder)!r} has no {FILES[0]}: give the folder that --out named, or a run's"
        )
    place = places[0]
    content = json_contents(place / FILES[0], "results of mat_jax")
    try:
        with np.load(place / FILES[1], allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return [
            Saved(place, _result(model, content["task"], arrays)) for model in content["models"]
        ]
    except (OSError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{place} cannot be read back ({type(error).__name__}: {error}); its files are damaged "
            "or of another version: measure again, or look at its index.html"
        ) from None


def alike(saved: Sequence[Saved]) -> str | None:
    """None if the results can stand side by side, else a sentence that says why not."""
    first = saved[0]
    for one in saved[1:]:
        result, other = one.result, first.result
        if result.task is not other.task:
            return f"{one.folder} is of another task than {first.folder}"
        gallery = ("gallery", "images", "captions")
        same = all(result.protocol.get(key) == other.protocol.get(key) for key in gallery)
        shapes = [{k: len(v) for k, v in r.clean.ranks.places.items()} for r in (result, other)]
        if not same or shapes[0] != shapes[1]:
            return f"{one.folder} was measured on other data than {first.folder}"
        if [row.name for row in result.rows] != [row.name for row in other.rows]:
            return f"{one.folder} has other attacks than {first.folder}"
        apart = other_threat(result, other)
        if apart is not None:
            return f"{one.folder} and {first.folder} had other threats: {apart}"
    return None


def _result(model: Mapping[str, Any], task: str, arrays: Mapping[str, np.ndarray]) -> SavedResult:
    start = "_".join(model["model"].replace("/", "-").split())
    owner = arrays[f"{start}_owner"]
    rows = [_row(row, owner, arrays) for row in model["rows"]]
    return SavedResult(
        model=model["model"],
        task=task_named(task),
        protocol=model["protocol"],
        rows=tuple(rows),
        text_owner=owner,
        flags=tuple(model["flags"]),
        notes=tuple(model["notes"]),
        checks=tuple(Check(**check) for check in model["checks"]),
        scores={
            row.name: one["scores"]
            for row, one in zip(rows, model["rows"], strict=True)
            if "scores" in one
        },
        told={
            row.name: _numbers(one["figures"]) for row, one in zip(rows, model["rows"], strict=True)
        },
    )


def _row(one: Mapping[str, Any], owner: np.ndarray, arrays: Mapping[str, np.ndarray]) -> Row:
    kinds = {name.rpartition("_")[2]: name for name in one["ranks"]}
    places = {kind: arrays[name] for kind, name in kinds.items()}
    own = {
        # Of retrieval the images own themselves: the array is the captions'.
        kind: owner if len(owner) == len(ranks) else np.arange(len(ranks))
        for kind, ranks in places.items()
    }
    ranks = Ranks(
        places=places,
        owners=own,
        answers={k: arrays[f"{n}_answers"] for k, n in kinds.items() if f"{n}_answers" in arrays},
        marks={k: arrays[f"{n}_marks"] for k, n in kinds.items() if f"{n}_marks" in arrays},
    )
    attack_protocol = dict(one["protocol"])
    return Row(
        attack=one["attack"],
        eps=_exact(attack_protocol.get("eps")),
        protocol=attack_protocol,
        ranks=ranks,
        captions=(),
        changed=one["captions_changed"] / 100,
        language=one["language"],
        seconds=one["seconds"],
        checks=one["checks"],
    )


def _exact(eps: float | None) -> float | None:
    """The radius before it was written with a few digits: 0.00784314 is 2/255."""
    if not eps:
        return eps
    levels = Fraction(eps).limit_denominator(255)
    near = abs(float(levels) - eps) < 5e-6 * eps
    return float(levels) if near and 255 % levels.denominator == 0 else eps


def _numbers(figures: Mapping[str, Mapping[str, Any]]) -> Figures:
    """JSON's null is a number that does not exist."""
    return {
        name: {key: math.nan if value is None else value for key, value in one.items()}
        for name, one in figures.items()
    }
