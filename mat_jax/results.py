"""What an evaluation measures: ranks of every query, and the figures that follow from them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from mat_jax.tasks.clustered import clustered_wilson
from mat_jax.tasks.intervals import paired_bootstrap
from mat_jax.tasks.retrieval import DEPTHS, Ranks, attack_success, drop, lost_share

WORST_CASE = "worst_case"  # the name of the row that is none of `attacks.SUITE`


@dataclass(frozen=True, kw_only=True)
class Sights:
    """What the report shows of one attack; `Result.shown` says of which images.

    Attributes:
        images: [shown, height, width, 3] the attacked pictures, floats in [0, 1].
        texts: [shown, 5] captions (rows of the gallery) nearest to each picture.
        pictures: [shown, 5] images nearest to the first caption of each picture.
    """

    images: np.ndarray
    texts: np.ndarray
    pictures: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attack measured on one model.

    Attributes:
        attack: name in `attacks.SUITE`; "none" is the clean measurement, "worst_case" the
            largest rank of each query over several (`headline`).
        eps: radius of the image perturbation, None where the image is left alone.
        protocol: everything the adversary was allowed, see `protocol` of the JSON file.
        ranks: of every query.
        rounded: the same with the pictures rounded to 8 bits, None where none was changed.
        captions: all captions as the model saw them.
        changed: share of the captions that differ from the clean ones.
        language: how far from the clean captions those are, see `language.language_of`.
        seconds: wall-clock time of the attack and the encoding, compilation included.
        checks: measured invariants, for example the largest |delta|.
        depths: the k that R@k is as attacked for. A suite that leaves an image whose queries are
            no longer first, and a run that stops early, say too much of others: no figure is given.
        sights: for the report, or None.
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
    depths: tuple[int, ...] = DEPTHS
    sights: Sights | None = None

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
    """One thing that must hold for the numbers to be believed; see `mat_jax.checks`.

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
        protocol: what all rows share: gallery, sizes, seed, versions.
        rows: the clean row, then one for each attack and eps.
        flags: sentences a reader of the numbers must know.
        notes: sentences on what was checked and held.
        checks: of the model, the attack and what they did, see `mat_jax.checks`.
        shown: rows of the gallery's images that the report shows.
        thumbnails: gallery row -> uint8 picture, for those and for their neighbours.
    """

    model: str
    protocol: Mapping[str, Any]
    rows: tuple[Row, ...]
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    shown: tuple[int, ...] = ()
    thumbnails: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def cautions(self) -> tuple[str, ...]:
        """Every sentence that asks for care: the flags, and of the checks those flagged."""
        found = (f"{one.name}: {one.sentence}" for one in self.checks if one.verdict == "flagged")
        return *self.flags, *found

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

    def figures(self, row: Row) -> dict[str, dict[str, float]]:
        """Every number of a row, in percent, with its 95 % interval and its n; see `figures`."""
        seed = int(self.protocol.get("seed", 0))
        return figures(self.clean.ranks, row.ranks, seed=seed, depths=row.depths)


Matrix = Mapping[str, Mapping[str, Result]]  # surrogate -> target -> what was measured


def figures(
    clean: Ranks, adv: Ranks, *, seed: int = 0, depths: Collection[int] = DEPTHS
) -> dict[str, dict[str, float]]:
    """The numbers of one attack, in percent, each as {value, low, high, n}.

    - `tr@k`, `ir@k`: recall; Wilson interval over images (`clustered_wilson`): the captions of an
      image are not independent.
    - `tr_asr@k`, `ir_asr@k`: attack success as SGA counts it, the share of the queries right when
      clean that fail under attack; n is how many were right; the same interval.
    - `tr_drop@k`, `ir_drop@k`: attack success as Co-Attack counts it, clean minus adversarial
      recall in points; bootstrap over images.
    - `tr_lost@k`, `ir_lost@k`: the share of the clean recall that is gone; bootstrap over images.

    A k that is not among `depths` was not attacked for: its numbers are NaN (null in the file).
    """
    found: dict[str, dict[str, float]] = {}

    def put(name: str, value: float, bounds: tuple[float, float], n: int) -> None:
        if int(name.split("@")[1]) not in depths:
            value, bounds = float("nan"), (float("nan"), float("nan"))
        low, high = bounds
        found[name] = {"value": 100 * value, "low": 100 * low, "high": 100 * high, "n": n}

    for direction in ("tr", "ir"):
        ranks = getattr(adv, direction)
        owner = image_of(adv, direction)
        for k in DEPTHS:
            right = ranks <= k
            bounds = clustered_wilson(right, owner)
            put(f"{direction}@{k}", float(np.mean(right)), bounds, len(ranks))
    if adv is clean:
        return found
    statistics: tuple[tuple[str, Callable, Callable], ...] = (
        ("drop", drop, lambda before, after: before - after),
        ("lost", lost_share, lambda before, after: (before - after) / before),
    )
    for direction in ("tr", "ir"):
        n, owner = len(getattr(adv, direction)), image_of(adv, direction)
        for k in DEPTHS:
            fallen, right = attack_success(clean, adv, direction, k)
            share = fallen / right if right else float("nan")
            before = getattr(clean, direction) <= k
            lost = getattr(adv, direction)[before] > k
            put(f"{direction}_asr@{k}", share, clustered_wilson(lost, owner[before]), right)
            for name, value, resampled in statistics:
                bounds = paired_bootstrap(clean, adv, direction, resampled, k, seed=seed)
                put(f"{direction}_{name}@{k}", value(clean, adv, direction, k), bounds, n)
    return found


def image_of(ranks: Ranks, direction: str) -> np.ndarray:
    """[queries] the row of the image that each query of "tr" or "ir" belongs to."""
    return np.arange(len(ranks.tr)) if direction == "tr" else ranks.owner


def eps_text(eps: float | None) -> str:
    """`4/255` where eps is a whole number of grey levels, else a decimal number."""
    if eps is None:
        return "-"
    levels = Fraction(eps).limit_denominator(255)
    exact = abs(float(levels) - eps) < 1e-9 and 255 % levels.denominator == 0
    return f"{levels.numerator * 255 // levels.denominator}/255" if exact else f"{eps:.4g}"
