"""A claim about results, and the rule by which all comparisons of two sides are decided.

    confirmed         the difference of the means is above twice its noise
    likely            it is above its noise
    not confirmed     it is within its noise
    likely opposite   it is as far on the other side
    opposite
    not measured      runs are missing

The noise is the standard deviation that the difference would have in other studies like this one:
sqrt(e_1^2 + e_2^2 + images^2). e is the standard error of a side's mean over its trainings, from
the spread of its seeds; a side of one seed has the spread that runs of several seeds have
(`seeds.usual`), and the verdict says "one seed". `images` is the standard deviation over draws of
the test images. Both sides were measured on the same ones, and what an image owes to itself cancels
(`statistics.paired`); results that do not say what each image gave count as independent
(`statistics.sampled`). If noise is all there is, a claim is "likely" or more by chance in about 16
of 100 cases, and "confirmed" in 2, or more often where the spread of three seeds, itself a guess,
is most of the noise; of a hundred claims a few will be.
Correlations have a rule of their own at the same odds, `one_to_many.properties`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from jaxtyping import Float

from experiments.study.saved import Saved, Shelf
from experiments.study.seeds import usual
from mat_jax.evaluate.report.wording import title
from mat_jax.evaluate.statistics import Spread, graded, paired, sampled, spread

JOINT = ("co_attack", "sga")  # the attacks on both sides that all papers have


@dataclass(frozen=True)
class Claim:
    """One comparison of a finding.

    Attributes:
        letter: of the finding, A to K, or of the question L.
        text: what is claimed.
        verdict: see above.
        figures: what it was decided by, in words.
    """

    letter: str
    text: str
    verdict: str
    figures: str


@dataclass(frozen=True)
class Found:
    """A mean as it was found, and how far it may be off.

    Attributes:
        values: one a seed.
        error: standard error of their mean over trainings, in points; 0 of an untrained model.
        sampling: standard deviation over draws of the test images, in points.
        each: what each test image gives to the mean, where that was kept.
        single: of one training.
    """

    values: tuple[float, ...]
    error: float
    sampling: float
    each: Float[np.ndarray, " images"] | None
    single: bool

    @property
    def spread(self) -> Spread:
        """Over seeds."""
        return spread(self.values)

    @property
    def noise(self) -> float:
        """Standard deviation of the mean over trainings and images, in points."""
        return math.hypot(self.error, self.sampling if self.each is None else paired(self.each))


@dataclass(frozen=True)
class Side:
    """One side of a comparison: runs under attacks, averaged for each seed."""

    name: str
    keys: tuple[str, ...]
    attacks: tuple[str, ...]

    def found(self, shelf: Shelf) -> Found:
        """Over the seeds that all its runs have; an untrained model counts with each."""
        seeds: dict[int, list[Saved]] = {}
        constant: list[Saved] = []
        for key in self.keys:
            for saved in shelf.of(key):
                trained = saved.content["trained"]
                (seeds.setdefault(saved.seed, []) if trained else constant).append(saved)
        every = [[*of, *constant] for of in (seeds or {0: []}).values()]
        whole = [of for of in every if len(of) == len(self.keys)]
        return _found(shelf, whole, self.attacks)


def _found(shelf: Shelf, seeds: Sequence[Sequence[Saved]], attacks: Sequence[str]) -> Found:
    """The mean of some results under some attacks, over seeds; those that lack one are left out."""
    means = [fmean(one.value(a) for one in of for a in attacks) for of in seeds]
    there = [n for n, value in enumerate(means) if value == value]
    values = tuple(means[n] for n in there)
    kept = [one for n in there for one in seeds[n]]
    each = [one.each(attack) for one in kept for attack in attacks]
    known = [of for of in each if of is not None]
    trained = [one for one in (seeds[there[0]] if there else ()) if one.content["trained"]]
    error = _error(values)
    if len(values) == 1 and trained:
        # Of the mean over runs, each a training of its own.
        error = usual(shelf, kept[0], attacks) * math.sqrt(len(trained)) / len(seeds[there[0]])
    return Found(
        values,
        error,
        sampled(spread(values).mean, kept[0].content["protocol"]["images"] if kept else 1),
        each=np.mean(known, axis=0) if known and len(known) == len(each) else None,
        single=len(values) == 1 and bool(trained),
    )


def _error(values: Sequence[float]) -> float:
    """Standard error of the mean of several values, 0 of one."""
    return (spread(values).sd or 0.0) / math.sqrt(max(len(values), 1))


def apart(one: Found, other: Found) -> Found:
    """The difference of two sides that trained apart, measured on the same images."""
    return Found(
        (one.spread.mean - other.spread.mean,) if one.values and other.values else (),
        math.hypot(one.error, other.error),
        math.hypot(one.sampling, other.sampling),
        each=_each_apart(one, other),
        single=one.single or other.single,
    )


def gains(shelf: Shelf, key: str, base: str, *several: Sequence[str]) -> list[Found]:
    """What a run has more than another, seed by seed, under the first attacks, the second, ...

    An untrained base stands beside every seed, a trained one beside its own. A seed that was not
    measured under one of the attacks is left out of all.
    """
    every = [attack for attacks in several for attack in attacks]
    pairs = []
    for one in shelf.of(key):
        fit = (o for o in shelf.of(base) if o.seed == one.seed or not o.content["trained"])
        pairs += [(one, other) for other in fit][:1]
    pairs = [p for p in pairs if all(side.value(a) == side.value(a) for side in p for a in every)]
    return [
        seed_by_seed(*(_found(shelf, [[p[n]] for p in pairs], attacks) for n in (0, 1)))
        for attacks in several
    ]


def seed_by_seed(one: Found, other: Found) -> Found:
    """The difference of two figures of the same seeds in the same order: what is shared cancels."""
    values = tuple(a - b for a, b in zip(one.values, other.values, strict=True))
    several = len(values) > 1
    return Found(
        values,
        _error(values) if several else math.hypot(one.error, other.error),
        math.hypot(one.sampling, other.sampling),
        each=_each_apart(one, other),
        single=one.single or other.single,
    )


def _each_apart(one: Found, other: Found) -> Float[np.ndarray, " images"] | None:
    if one.each is None or other.each is None or len(one.each) != len(other.each):
        return None
    return one.each - other.each


def compare(
    letter: str, text: str, shelf: Shelf, more: Side, less: Side, *, margin: float = 0.0
) -> Claim:
    """Whether one side has more right than another, or no more than `margin` points less."""
    one, other = more.found(shelf), less.found(shelf)
    between = apart(one, other)
    return Claim(
        letter, text, verdict(between, margin), told((more.name, one), (less.name, other), between)
    )


def verdict(between: Found, margin: float = 0.0) -> str:
    """Whether a difference is above -margin by more than noise; see above."""
    if not between.values:
        return "not measured"
    word = graded((between.spread.mean + margin) / between.noise)
    return f"{word} (one seed)" if between.single else word


def difference(shelf: Shelf, key: str, other: str, attack: str) -> str:
    """`+3.1 ± 2.0`, what one run has more than another and its noise; bold if above twice that."""
    between = apart(*(Side(of, (of,), (attack,)).found(shelf) for of in (key, other)))
    if not between.values:
        return "–"
    text = _signed(between)
    return f"**{text}**" if abs(between.spread.mean) > 2 * between.noise else text


def _signed(between: Found) -> str:
    return f"{between.spread.mean:+.1f} ± {between.noise:.1f}"


def told(one: tuple[str, Found], other: tuple[str, Found], between: Found) -> str:
    """`MAT 15.5 ± 1.1, TeCoA-ITR 0.9 ± 0.4: +14.6 ± 2.0`; nothing where one is missing."""
    if not between.values:
        return ""
    sides = ", ".join(f"{name} {found.spread}" for name, found in (one, other))
    return f"{sides}: {_signed(between)}"


def named(attacks: Sequence[str]) -> str:
    """Attacks as papers write them."""
    return ", ".join(title(attack) for attack in attacks)
