"""What is kept of a run: one small JSON file, and means and spreads over the seeds of a run."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.study.plan import Run
from mat_jax.evaluate.results import WORST_CASE, Result, Row
from mat_jax.evaluate.statistics import Spread, spread
from mat_jax.evaluate.tasks.cosine_ranks import DEPTHS
from mat_jax.utils.files import write_text

FIGURES = tuple(f"{direction}@{k}" for direction in ("tr", "ir") for k in DEPTHS)
SINGLE = ("accuracy", "agreement")  # the figure of a task that has one: grounding, captioning
SHOWN = "sga"  # the attack whose neighbours are kept


@dataclass(frozen=True)
class Saved:
    """One file: a run that was carried out."""

    content: Mapping[str, Any]

    @property
    def key(self) -> str:
        """`main/clip-mat`."""
        return f"{self.content['study']}/{self.content['name']}"

    @property
    def seed(self) -> int:
        """Of the training."""
        return self.content["seed"]

    @property
    def minutes(self) -> float:
        """Of its evaluation, and of its training where that is its own and no other run's."""
        minutes = self.content["minutes"]
        own = 0.0 if self.content["ingredients"] else minutes["training"]
        return float(own + minutes["evaluation"])

    def value(self, attack: str, figure: str = "mean") -> float:
        """A figure under an attack in percent, NaN if not there.

        `mean` is that of TR@1 and IR@1; of grounding the share of phrases that are right, of
        captioning the agreement with the scenes. "none" is the clean measurement, "worst_case" the
        worst case.
        """
        figures = self.content["attacks"].get(attack, {})
        single = [figures[name] for name in SINGLE if name in figures]
        if figure == "mean" and single:
            return single[0]
        if figure == "mean":
            both = [figures.get(name) for name in ("tr@1", "ir@1")]
            return float("nan") if None in both else sum(both) / 2
        return figures.get(figure, float("nan"))

    def each(self, attack: str) -> Float[np.ndarray, " images"] | None:
        """What each test image gives to `mean`, which is theirs; None if that was not kept.

        $50 (tr_i + ir_i n / m)$, of n images with m captions, where the image finds a caption of
        its own or not, and $ir_i$ of its captions find it. Of grounding $100 r_i n / m$ with
        $r_i$ of its phrases right; of captioning its agreement as it is.
        """
        kept = self.content.get("found", {}).get(attack)
        if kept is None:
            return None
        counts = {name: np.array(text.split(), float) for name, text in kept.items()}
        if "agreement" in counts:
            return counts["agreement"]
        captions = self.content["protocol"]["captions"]
        if "right" in counts:
            return 100 * counts["right"] * len(counts["right"]) / captions
        return 50 * (counts["tr"] + counts["ir"] * len(counts["tr"]) / captions)


@dataclass(frozen=True)
class Shelf:
    """All files of the results folder, by run."""

    runs: Mapping[str, tuple[Saved, ...]]

    def __contains__(self, key: str) -> bool:
        return key in self.runs

    def of(self, key: str) -> tuple[Saved, ...]:
        """The seeds of `main/clip-mat`, none if it was not carried out."""
        return self.runs.get(key, ())

    def values(self, key: str, attack: str, figure: str = "mean") -> list[float]:
        """A figure of every seed, of those that have it."""
        found = [saved.value(attack, figure) for saved in self.of(key)]
        return [value for value in found if value == value]

    def spread(self, key: str, attack: str, figure: str = "mean") -> Spread:
        """A figure over the seeds."""
        return spread(self.values(key, attack, figure))


def read(folder: Path) -> Shelf:
    """All results of a folder.

    Raises:
        ValueError: a file that is none of ours.
    """
    runs: dict[str, list[Saved]] = {}
    for file in sorted(folder.glob("*/*.json")):
        saved = one(file)
        if saved is not None:
            runs.setdefault(saved.key, []).append(saved)
    return Shelf({key: tuple(sorted(of, key=lambda s: s.seed)) for key, of in runs.items()})


def one(file: Path) -> Saved | None:
    """The result in a file, None if it is not there or holds something else (measures).

    Raises:
        ValueError: a file that is no JSON.
    """
    content = _content(file)
    return Saved(content) if content and "attacks" in content else None


def known(folder: Path, run: Run) -> Saved | None:
    """What is kept of a run, if it was one with these settings and of these data."""

    def at(run: Run) -> Saved | None:
        return one(folder / f"{run.file}.json")

    saved = at(run)
    return saved if saved and _like(saved, run, at) else None


def matching(shelf: Shelf, runs: Iterable[Run]) -> tuple[Shelf, tuple[str, ...]]:
    """What of a shelf was found by these runs, whatever the seed; and the names of the others.

    A file of other settings, of data made otherwise or of other ingredients is none of its seeds.
    """
    asked = {run.key: run for run in runs}

    def at(run: Run) -> Saved | None:
        return next((one for one in shelf.of(run.key) if one.seed == run.seed), None)

    kept: dict[str, tuple[Saved, ...]] = {}
    others = []
    for key, seeds in shelf.runs.items():
        run = asked.get(key)
        own = tuple(one for one in seeds if run and _like(one, replace(run, seed=one.seed), at))
        others += [f"{key}-{one.seed}" for one in seeds if one not in own]
        if own:
            kept[key] = own
    return Shelf(kept), tuple(others)


def _like(saved: Saved, run: Run, at: Callable[[Run], Saved | None]) -> bool:
    """Whether what was kept is of this run; `at` finds what was kept of its ingredients.

    Of those it knows the names alone, so what was kept of one with other settings speaks against
    it too.
    """
    made, mixed = (saved.content.get(name, []) for name in ("manifest", "ingredients"))
    if (made, mixed) != (list(run.manifest), list(run.mixed)):
        return False
    if saved.content["settings"] != run.bound():
        return False
    parts = (replace(one, seed=run.seed) for one in run.ingredients)
    return all(_like(own, part, at) for part in parts if (own := at(part)) is not None)


def write(folder: Path, run: Run, content: Mapping[str, Any]) -> Path:
    """Keep a run; the file is there whole or not at all."""
    file = folder / f"{run.file}.json"
    # Numbers of numpy may be among those of the protocol.
    text = json.dumps(content, indent=1, ensure_ascii=False, default=lambda value: value.item())
    write_text(file, text + "\n")
    return file


def measures_file(folder: Path, name: str) -> Path:
    """Where the measures of an augmentation are kept."""
    return folder / "augmentations" / "measures" / f"{name}.json"


def measures(folder: Path, name: str) -> dict[str, Any] | None:
    """The measures of an augmentation, of the one modality it has; None if they were not taken."""
    found = _content(measures_file(folder, name)) or {}
    return found.get("texts") or found.get("images")


def measured(folder: Path, name: str, made: str) -> bool:
    """Whether the measures of an augmentation that was made so are there."""
    return (_content(measures_file(folder, name)) or {}).get("made") == made


def _content(file: Path) -> dict[str, Any] | None:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON ({error}): restore it, or remove it") from None


def summary(result: Result) -> dict[str, Any]:
    """What of a measurement is kept: recall under every attack, and what must be said with it."""
    return {
        "attacks": {row.attack: figures(row) for row in result.rows},
        "found": {row.attack: by_image(row) for row in result.rows},
        "captions_changed": {row.attack: _short(100 * row.changed) for row in result.rows},
        "protocol": dict(result.protocol),
        "threat": {row.attack: threat_of(row) for row in result.rows},
        "flags": list(result.flags),
        "checks": [
            {"name": check.name, "verdict": check.verdict, "sentence": check.sentence}
            for check in result.checks
        ],
        "neighbours": neighbours(result),
    }


def summary_of_classes(result: Result) -> dict[str, Any]:
    """The same of zero-shot classification: top-1, and which images were right."""
    return summary_of_answers(result, result.rows, "top")


def summary_of_verdicts(result: Result) -> dict[str, Any]:
    """The same of entailment: accuracy, and of each picture how many sentences were right."""
    return summary_of_answers(result, result.rows, "verdict")


def summary_of_questions(result: Result) -> dict[str, Any]:
    """The same of questions on scenes, whose people all give one answer: right or not."""
    return summary_of_answers(result, result.rows, "answer")


def summary_of_answers(result: Result, rows: Sequence[Row], kind: str) -> dict[str, Any]:
    """The same of a task whose queries have one right answer: of each picture how many were right.

    Args:
        result: the measurement.
        rows: of it, those that are kept.
        kind: of the queries.
    """
    named = {row.attack: row for row in rows}
    picture = result.clean.ranks.group(kind)
    own = {name: np.bincount(picture, row.ranks[kind] <= 1) for name, row in named.items()}
    return {
        "attacks": {
            attack: {"accuracy": _short(100 * row.ranks.recall(kind, 1))}
            for attack, row in named.items()
        },
        "found": {
            attack: {"right": " ".join(str(int(n)) for n in counts)}
            for attack, counts in own.items()
        },
        "captions_changed": {name: _short(100 * row.changed) for name, row in named.items()},
        "protocol": {
            **result.protocol,
            "images": len(np.unique(picture)),
            "captions": len(picture),
        },
        "threat": {name: threat_of(row) for name, row in named.items()},
        "flags": list(result.flags),
        "checks": [],
        "neighbours": [],
    }


def single_attacks(result: Result) -> tuple[Row, ...]:
    """The rows of a result without its worst cases."""
    return tuple(row for row in result.rows if row.attack != WORST_CASE)


def figures(row: Row) -> dict[str, float]:
    """R@k both ways, in percent; no k that the attack was not after."""
    found = {}
    for name in FIGURES:
        direction, k = name.split("@")
        if int(k) not in row.depths:
            continue
        found[name] = _short(100 * row.ranks.recall(direction, int(k)))
    return found


def by_image(row: Row) -> dict[str, str]:
    """In the gallery's order: whether an image finds a caption, and how many find it."""
    tr = row.ranks["tr"] <= 1
    ir = np.bincount(row.ranks.owners["ir"], row.ranks["ir"] <= 1, len(tr))
    counts = {"tr": tr, "ir": ir}
    return {name: " ".join(str(int(one)) for one in of) for name, of in counts.items()}


def neighbours(result: Result) -> list[dict[str, Any]]:
    """The five nearest pictures of some captions, clean and attacked: rows of the gallery."""
    rows = {row.attack: row for row in result.rows}
    clean, attacked = rows["none"], rows.get(SHOWN)
    if attacked is None or attacked.sights is None or clean.sights is None:
        return []
    before, after = clean.sights.pictures, attacked.sights.pictures
    assert before is not None and after is not None
    owner = clean.ranks.owners["ir"]
    found = []
    for n, place in enumerate(result.shown):
        query = int(np.flatnonzero(owner == place)[0])
        found.append(
            {
                "image": int(place),
                "caption": clean.captions[query],
                "attacked": attacked.captions[query],
                "clean": [int(i) for i in before[n]],
                SHOWN: [int(i) for i in after[n]],
            }
        )
    return found


def threat_of(row: Row) -> dict[str, Any]:
    """A row's part of the protocol; of the worst case, what it is the worst of."""
    kept = {name: value for name, value in row.protocol.items() if name != "passes_per_image"}
    if row.attack == WORST_CASE:
        kept["members"] = [
            {"attack": member["attack"], "attacked": member["attacked"]}
            for member in row.protocol["members"]
        ]
    return kept


def _short(value: float) -> float:
    return round(float(value), 4)


def mean_minutes(saved: Iterable[Saved]) -> float | None:
    """What runs took on average, None where there are none."""
    taken = [one.minutes for one in saved]
    return statistics.fmean(taken) if taken else None
