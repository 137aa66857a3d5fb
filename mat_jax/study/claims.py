"""A claim about results, and the rule by which all comparisons of two sides are decided.

    confirmed       the difference of the means is larger than its noise
    not confirmed   it is not
    opposite        it is as far on the other side
    not measured    runs are missing

The noise is sqrt(seeds_1^2 + seeds_2^2 + images^2): the standard deviations of both sides over
seeds, and that of their difference over draws of the test images. Seeds share their test images, so
that where they agree the images still decide. Both sides were measured on the same ones, and what
an image owes to itself cancels (`paired`); results that do not say what each image gave count as
independent (`sampled`). A side of one seed has no spread; where that seed is one of a training,
which others may not bear out, the verdict says "one seed".
Correlations have a rule of their own, `orderings.properties`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mat_jax.report.words import title
from mat_jax.study.saved import Saved, Shelf, Spread, spread

JOINT = ("co_attack", "sga")  # the attacks on both sides that all papers have


@dataclass(frozen=True)
class Claim:
    """One comparison of a finding.

    Attributes:
        letter: of the finding, A to J.
        text: what is claimed.
        verdict: see above.
        figures: what it was decided by, in words.
    """

    letter: str
    text: str
    verdict: str
    figures: str


@dataclass(frozen=True)
class Side:
    """One side of a comparison: runs under attacks, averaged for each seed."""

    name: str
    keys: tuple[str, ...]
    attacks: tuple[str, ...]

    def found(self, shelf: Shelf) -> "Found":
        """Over the seeds that all its runs have; an untrained model counts with each."""
        seeds: dict[int, list[Saved]] = {}
        constant: list[Saved] = []
        for key in self.keys:
            for saved in shelf.of(key):
                trained = saved.content["trained"]
                (seeds.setdefault(saved.seed, []) if trained else constant).append(saved)
        every = [[*of, *constant] for of in (seeds or {0: []}).values()]
        whole = [of for of in every if len(of) == len(self.keys)]
        return _found(whole, self.attacks, trained=bool(seeds))


class Found(NamedTuple):
    """A side as it was found: over seeds, and how far it may be off.

    Attributes:
        spread: over seeds.
        sampling: standard deviation over draws of the test images, in points.
        each: what each test image gives to the mean, where that was kept.
        single: of one training.
    """

    spread: Spread
    sampling: float
    each: Float[np.ndarray, " images"] | None
    single: bool


def _found(seeds: Sequence[Sequence[Saved]], attacks: Sequence[str], *, trained: bool) -> Found:
    """The mean of some results under some attacks, over seeds; those that lack one are left out."""
    values = {n: fmean(one.value(a) for one in of for a in attacks) for n, of in enumerate(seeds)}
    values = {n: value for n, value in values.items() if value == value}
    over = spread(list(values.values()))
    kept = [one for n in values for one in seeds[n]]
    each = [one.each(attack) for one in kept for attack in attacks]
    there = [of for of in each if of is not None]
    return Found(
        over,
        sampled(over.mean, kept[0].content["protocol"]["images"] if kept else 1),
        each=np.mean(there, axis=0) if there and len(there) == len(each) else None,
        single=trained and over.count == 1,
    )


def sampled(mean: float, images: int) -> float:
    r"""Standard deviation of a share in percent over draws of the images it is measured on.

    $$100 \sqrt{p (1 - p) / (n + 4)}, \qquad p = (\text{right} + 2) / (n + 4)$$

    (Agresti and Coull 1998): unlike the plain share's it is not 0 where none or all are right.
    """
    share = (images * min(max(mean / 100, 0.0), 1.0) + 2) / (images + 4) if mean == mean else 0.0
    return 100 * math.sqrt(share * (1 - share) / (images + 4))


def compare(letter: str, text: str, shelf: Shelf, more: Side, less: Side) -> Claim:
    """Whether one side has more right than another."""
    one, other = more.found(shelf), less.found(shelf)
    return Claim(letter, text, verdict(one, other), told((more.name, one), (less.name, other)))


def verdict(one: Found, other: Found) -> str:
    """Whether one side is above another by more than the noise of the difference."""
    if not (one.spread.count and other.spread.count):
        return "not measured"
    apart, noise = one.spread.mean - other.spread.mean, noise_between(one, other)
    word = "confirmed" if apart > noise else "opposite" if -apart > noise else "not confirmed"
    return f"{word} (one seed)" if one.single or other.single else word


def noise_between(one: Found, other: Found) -> float:
    """How far the difference of two sides may be off, in points; see above."""
    if one.each is None or other.each is None or len(one.each) != len(other.each):
        images = math.hypot(one.sampling, other.sampling)
    else:
        images = paired(one.each - other.each)
    return math.hypot(one.spread.sd or 0.0, other.spread.sd or 0.0, images)


def difference(shelf: Shelf, key: str, other: str, attack: str) -> str:
    """`+3.1 ± 2.0`, what one run has more than another and its noise; bold where that is less."""
    one, two = (Side(of, (of,), (attack,)).found(shelf) for of in (key, other))
    if not (one.spread.count and two.spread.count):
        return "–"
    apart, noise = one.spread.mean - two.spread.mean, noise_between(one, two)
    text = f"{apart:+.1f} ± {noise:.1f}"
    return f"**{text}**" if abs(apart) > noise else text


def paired(apart: Float[np.ndarray, " images"]) -> float:
    r"""Standard deviation of the mean of $n$ differences over draws of the images.

    $$\sqrt{\Big(\frac{100^2 + \sum_i d_i^2}{n + 2} - \Big(\frac{\sum_i d_i}{n + 2}\Big)^2\Big)
        / (n + 2)}$$

    with $d_i$ in points: two more images are thought of, on which the sides differ by 100 half of
    the time, either way as often (Agresti and Min 2005, of pairs of yes and no). Unlike the plain
    one it is not 0 where the sides do alike on all images.
    """
    count = len(apart) + 2
    square = (100.0**2 + float(np.sum(apart**2))) / count - (float(np.sum(apart)) / count) ** 2
    return math.sqrt(square / count)


def told(*sides: tuple[str, Found]) -> str:
    """`MAT 15.5 ± 1.1, TeCoA-ITR 0.9 ± 0.4`; nothing where one of them is missing."""
    if not all(found.spread.count for _, found in sides):
        return ""
    return ", ".join(f"{name} {found.spread}" for name, found in sides)


def gain(shelf: Shelf, key: str, base: str, attacks: Sequence[str]) -> Found:
    """What a run has more than another under some attacks, seed by seed.

    An untrained base stands beside every seed, a trained one beside its own.
    """
    pairs = []
    for one in shelf.of(key):
        fit = (o for o in shelf.of(base) if o.seed == one.seed or not o.content["trained"])
        pairs += [(one, other) for other in fit][:1]
    gains = [fmean(a.value(n) - b.value(n) for n in attacks) for a, b in pairs]
    pairs = [pair for pair, found in zip(pairs, gains, strict=True) if found == found]
    sides = [_found([[pair[n]] for pair in pairs], attacks, trained=True) for n in (0, 1)]
    each = [side.each for side in sides]
    return Found(
        spread([found for found in gains if found == found]),
        math.hypot(*(side.sampling for side in sides)),
        each=None if each[0] is None or each[1] is None else each[0] - each[1],
        single=len(pairs) == 1,
    )


def named(attacks: Sequence[str]) -> str:
    """Attacks as papers write them."""
    return ", ".join(title(attack) for attack in attacks)


def rank_correlation(pairs: Mapping[str, tuple[float, float]]) -> float:
    """Spearman's rho of named pairs, ties by their mean rank; NaN for fewer than three."""
    if len(pairs) < 3:
        return float("nan")
    one, other = (_ranks([pair[side] for pair in pairs.values()]) for side in (0, 1))
    middle = (len(pairs) + 1) / 2
    dot = sum((a - middle) * (b - middle) for a, b in zip(one, other, strict=True))
    lengths = [sum((a - middle) ** 2 for a in ranks) for ranks in (one, other)]
    return dot / math.sqrt(math.prod(lengths)) if all(lengths) else float("nan")


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (1 + sum(other == value for other in values)) / 2
        for value in values
    ]
