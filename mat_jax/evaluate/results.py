"""What an evaluation measures: ranks of every query, and the figures that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.statistics import Figures
from mat_jax.evaluate.tasks.base import Answers, Kind, Task
from mat_jax.evaluate.views import View

WORST_CASE = "worst_case"  # the name of the row that is none of `attacks.ATTACKS`


@dataclass(frozen=True, kw_only=True)
class Sights:
    """What the report shows of one attack; `Result.shown` says of which images.

    Attributes:
        images: [shown, height, width, 3] the attacked pictures, floats in [0, 1].
        texts: [shown, 5] captions (rows of the gallery) nearest to each picture, in retrieval.
        pictures: [shown, 5] images nearest to the first caption of each picture.
        overlays: [shown, height, width, 3] what the model looks at, drawn over each picture as
            bytes, by tasks that can tell.
        failed: [failures] rows of the images with the most wrong answers, see
            `evaluate.failures`.
        failed_texts: [failures] the caption nearest to each of them, in retrieval.
        failed_pictures: [failures] the image nearest to the worst of its captions.
    """

    images: np.ndarray
    texts: np.ndarray | None = None
    pictures: np.ndarray | None = None
    overlays: np.ndarray | None = None
    failed: np.ndarray | None = None
    failed_texts: np.ndarray | None = None
    failed_pictures: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attack measured on one model.

    Attributes:
        attack: name in `attacks.ATTACKS`; "none" is the clean measurement, "worst_case" the
            largest rank of each query over several (`headline`).
        eps: radius of the image perturbation, None where the image is left alone.
        protocol: everything the adversary was allowed, see `protocol` of the JSON file.
        ranks: of every query.
        rounded: the same with the pictures rounded to 8 bits, None where none was changed.
        captions: all captions as the model saw them.
        changed: share of the captions that differ from the clean ones.
        language: how far from the clean captions those are, see `evaluate.language.language_of`.
        seconds: wall-clock time of the attack and the encoding, compilation included.
        checks: measured invariants, for example the largest |delta|.
        depths: the k that the figures are as attacked for. A suite that leaves an image whose
            queries are no longer first, and a run that stops early, say too much of others: no
            figure is given.
        sights: for the report, or None.
        views: row of the example -> how it looks under the attack, of the worst failures.
    """

    attack: str
    eps: float | None
    protocol: Mapping[str, Any]
    ranks: Ranks
    captions: tuple[str, ...]
    changed: float = 0.0
    rounded: Ranks | None = None
    language: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    checks: Mapping[str, Any] = field(default_factory=dict)
    depths: tuple[int, ...] = (1, 5, 10)
    sights: Sights | None = None
    views: Mapping[int, View] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`sga_2-255`: the attack and its eps, fit for a file."""
        return (
            self.attack
            if self.eps is None
            else f"{self.attack}_{eps_text(self.eps)}".replace("/", "-")
        )


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must hold for the numbers to be believed; see `mat_jax.evaluate.checks`.

    Attributes:
        name: what was checked.
        verdict: "passed", "flagged", or "not applicable".
        sentence: what was found, in plain words.
        figures: the numbers behind it.
    """

    name: str
    verdict: Literal["passed", "flagged", "not applicable"]
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Result:
    """All attacks measured on one model over one gallery; the first row is the clean one.

    The last is the worst case, if anything was attacked; with several eps the last of each table.

    Attributes:
        model: name of the model in tables.
        task: what it was asked.
        protocol: what all rows share: gallery, sizes, seed, versions.
        rows: the clean row, then one for each attack and eps.
        text_owner: [texts] row of the example that each text of a row belongs to, -1 for all.
        flags: sentences a reader of the numbers must know.
        notes: sentences on what was checked and held.
        checks: of the model, the attack and what they did, see `mat_jax.evaluate.checks`.
        shown: rows of the gallery's images that the report shows.
        thumbnails: gallery row -> uint8 picture, for those and for their neighbours.
        overlays: gallery row -> what the model looks at before the attack, of the worst failures
            under any attack, by tasks that can tell.
        per_class: name of the row -> class -> figure, of tasks with classes.
        scores: name of the row -> score -> value, of all answers together and without interval.
        answers: what there is to answer, of tasks with classes.
    """

    model: str
    task: Task
    protocol: Mapping[str, Any]
    rows: tuple[Row, ...]
    text_owner: Int[np.ndarray, " texts"]
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    shown: tuple[int, ...] = ()
    thumbnails: Mapping[int, np.ndarray] = field(default_factory=dict)
    overlays: Mapping[int, np.ndarray] = field(default_factory=dict)
    per_class: Mapping[str, Figures] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    answers: Answers | None = None

    @property
    def cautions(self) -> tuple[str, ...]:
        """Every sentence that asks for care: the flags, and of the checks those flagged."""
        found = (f"{one.name}: {one.sentence}" for one in self.checks if one.verdict == "flagged")
        return *self.flags, *found

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds of queries that the data could answer, of those that the task has."""
        there = self.clean.ranks.kinds
        return {kind: one for kind, one in self.task.kinds.items() if kind in there}

    @property
    def headline(self) -> list[tuple[str, int]]:
        """The columns of the first table: those of the task that were measured."""
        return [(kind, k) for kind, k in self.task.headline if kind in self.kinds]

    @property
    def clean(self) -> Row:
        """The measurement without attack."""
        return self.rows[0]

    @property
    def radii(self) -> tuple[float, ...]:
        """Every eps measured, rising; empty if no attack touched the images."""
        return tuple(sorted({row.eps for row in self.rows if row.eps is not None}))

    def at(self, eps: float | None) -> tuple[Row, ...]:
        """The rows of one table: that eps, and those that leave the images alone."""
        return tuple(row for row in self.rows if row.eps is None or row.eps == eps)

    def worst(self, eps: float | None = None) -> Row | None:
        """The headline: the worst case, at the smallest eps unless one is given."""
        eps = min(self.radii, default=None) if eps is None else eps
        return next((row for row in self.at(eps) if row.attack == WORST_CASE), None)

    def row(self, attack: str, eps: float | None = None) -> Row:
        """The row of an attack, at the smallest eps unless one is given."""
        eps = min(self.radii, default=None) if eps is None else eps
        for row in self.at(eps):
            if row.attack == attack:
                return row
        raise KeyError(f"no row {attack!r} at eps {eps}; measured: {[r.name for r in self.rows]}")

    def figures(self, row: Row) -> Figures:
        """Every number of a row, in percent, with its 95 % interval and its n."""
        # The page asks for them many times, and their bootstrap takes a while.
        held = self._figures.get(id(row))
        if held is None or held[0] is not row:
            seed = int(self.protocol.get("seed", 0))
            found = self.task.figures(self.clean.ranks, row.ranks, after=row.depths, seed=seed)
            held = self._figures[id(row)] = (row, found)
        return held[1]

    @cached_property
    def _figures(self) -> dict[int, tuple[Row, Figures]]:
        """What was computed of rows, which are kept so that no other gets their id."""
        return {}


Matrix = Mapping[str, Mapping[str, Result]]  # surrogate -> target -> what was measured


def eps_text(eps: float | None) -> str:
    """`4/255` where eps is a whole number of grey levels, else a decimal number."""
    if eps is None:
        return "-"
    levels = Fraction(eps).limit_denominator(255)
    exact = abs(float(levels) - eps) < 1e-9 and 255 % levels.denominator == 0
    return f"{levels.numerator * 255 // levels.denominator}/255" if exact else f"{eps:.4g}"
