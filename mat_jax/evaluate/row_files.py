"""Finished rows, and the worst case so far, as files of a store; and back, to the same numbers."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mat_jax.attacks.ensembles import State
from mat_jax.evaluate.points import Points, packed, unpacked
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.results import Row, Sights
from mat_jax.evaluate.store import Saved, Store
from mat_jax.evaluate.views import View

RANKS = ("places", "owners", "answers", "marks", "highest", "clusters")
VIEWS = ("picture", "difference", "overlay")


def save_rows(store: Store, name: str, rows: list[Row]) -> None:
    """Save the rows of one attack, one for each target."""
    arrays: dict[str, np.ndarray] = {}
    facts: list[dict[str, Any]] = []
    for n, row in enumerate(rows):
        for what, ranks in (("ranks", row.ranks), ("rounded", row.rounded)):
            if ranks is not None:
                arrays |= _of_ranks(ranks, f"{n}.{what}")
        if row.sights is not None:
            for part, value in vars(row.sights).items():
                if value is not None:
                    arrays[f"{n}.sights.{part}"] = value
        for place, view in row.views.items():
            for part in VIEWS:
                if (picture := vars(view)[part]) is not None:
                    arrays[f"{n}.views.{place}.{part}"] = picture
        facts.append(
            {
                "attack": row.attack,
                "eps": row.eps,
                "protocol": dict(row.protocol),
                "captions": list(row.captions),
                "changed": row.changed,
                "language": dict(row.language),
                "seconds": row.seconds,
                "checks": dict(row.checks),
                "errors": [row.ranks.errors, row.rounded.errors if row.rounded else 0],
                "views": {place: view.attack for place, view in row.views.items()},
            }
        )
    store.save_row(name, arrays, {"rows": facts})


def load_rows(store: Store | None, name: str, targets: int) -> list[Row] | None:
    """The rows of one attack, or None if they are not finished."""
    saved = None if store is None else store.load_row(name)
    if saved is None or len(saved.facts.get("rows", ())) != targets:
        return None
    return [_row(saved, n) for n in range(targets)]


@dataclass
class WorstCases:
    """The worst case so far at each eps, in memory, and on disk where there is a store.

    Attributes:
        store: where they are kept; None keeps them in memory alone.
        known: eps -> the worst case, and the names of the rows that it is of.
    """

    store: Store | None
    known: dict[float, tuple[State | None, list[str]]] = field(default_factory=dict)

    def at(self, eps: float) -> tuple[State | None, list[str]]:
        """The worst case at an eps, and the names of the rows merged into it."""
        if eps not in self.known:
            saved = None if self.store is None else self.store.load_row(_name(eps))
            self.known[eps] = (
                (None, []) if saved is None else (_state(saved), saved.facts["merged"])
            )
        return self.known[eps]

    def put(self, eps: float, state: State, merged: list[str]) -> None:
        """Replace it."""
        self.known[eps] = state, merged
        if self.store is None:
            return
        points: Points = state.points
        arrays = {"places": state.places, "damage": state.damage}
        arrays |= packed(points.images, "images") | packed(points.rounded, "rounded")
        arrays |= packed(points.texts, "texts")
        arrays |= {f"picture{i}": picture for i, picture in points.pictures.items()}
        facts = {"merged": merged, "captions": [str(text) for text in points.captions]}
        facts["sketched"] = points.sketched.tolist()
        self.store.save_row(_name(eps), arrays, facts | {"shown": list(points.pictures)})

    def close(self) -> None:
        """Remove the files, which are large."""
        for eps in self.known:
            if self.store is not None:
                self.store.remove(_name(eps))


def _name(eps: float) -> str:
    return f"worst_so_far_{eps:.6f}"


def _state(saved: Saved) -> State:
    arrays, facts = saved
    points = Points(
        unpacked(arrays, "images"),
        unpacked(arrays, "rounded"),
        unpacked(arrays, "texts"),
        np.array(facts["captions"], object),
        {int(i): arrays[f"picture{i}"] for i in facts["shown"]},
        np.array(facts["sketched"], object),
    )
    return State(arrays["places"], points, arrays["damage"])


def _of_ranks(ranks: Ranks, name: str) -> dict[str, np.ndarray]:
    return {
        f"{name}.{part}.{kind}": np.asarray(value)
        for part in RANKS
        for kind, value in vars(ranks)[part].items()
    }


def _ranks(saved: Saved, name: str, errors: int) -> Ranks | None:
    found: dict[str, dict[str, np.ndarray]] = {part: {} for part in RANKS}
    for key, value in saved.arrays.items():
        if key.startswith(f"{name}."):
            part, kind = key.removeprefix(f"{name}.").split(".", 1)
            found[part][kind] = value
    highest = {kind: float(value) for kind, value in found.pop("highest").items()}
    return Ranks(**found, highest=highest, errors=errors) if found["places"] else None


def _row(saved: Saved, n: int) -> Row:
    facts = dict(saved.facts["rows"][n])
    errors = facts.pop("errors")
    captions = tuple(facts.pop("captions"))
    views = {
        int(place): _view(saved, n, place, attack) for place, attack in facts.pop("views").items()
    }
    ranks = _ranks(saved, f"{n}.ranks", errors[0])
    assert ranks is not None
    row = Row(**facts, captions=captions, ranks=ranks, views=views)
    start = f"{n}.sights."
    seen = {
        key.removeprefix(start): value
        for key, value in saved.arrays.items()
        if key.startswith(start)
    }
    sights = Sights(**seen) if seen else None
    return replace(row, rounded=_ranks(saved, f"{n}.rounded", errors[1]), sights=sights)


def _view(saved: Saved, n: int, place: str, attack: str) -> View:
    parts = {part: saved.arrays.get(f"{n}.views.{place}.{part}") for part in VIEWS}
    return View(attack=attack, **parts)
