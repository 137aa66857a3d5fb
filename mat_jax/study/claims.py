"""A claim about results, and the rule by which all comparisons of two sides are decided.

    confirmed       the difference of the means is larger than its noise
    not confirmed   it is not
    opposite        it is as far on the other side
    not measured    runs are missing

The noise is sqrt(n_1^2 + n_2^2), with n^2 = seeds^2 + sampling^2 for each side: the standard
deviation over seeds, and that over draws of the test images (`sampled`). Seeds share their test
images, so that where they agree the images still decide. (So do the two sides: what both owe to the
images cancels, and the rule errs to "not confirmed".) A side of one seed has the second alone;
where that seed is one of a training, which others may not bear out, the verdict says "one seed".
Correlations have a rule of their own, `orderings.properties`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from mat_jax.report.words import title
from mat_jax.study.saved import Shelf, Spread, spread


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
    figure: str = "mean"

    def found(self, shelf: Shelf) -> "Found":
        """Over the seeds that all its runs have; an untrained model counts with each."""
        values: dict[int, list[float]] = {}
        constant: list[float] = []
        images = 1
        for key in self.keys:
            for saved in shelf.of(key):
                own = [saved.value(attack, self.figure) for attack in self.attacks]
                trained = saved.content["trained"]
                (values.setdefault(saved.seed, []) if trained else constant).extend(own)
                images = saved.content["protocol"]["images"]
        wanted = len(self.keys) * len(self.attacks)
        every = [[*of, *constant] for of in (values or {0: []}).values()]
        means = [fmean(of) for of in every if len(of) == wanted]
        over = spread([mean for mean in means if mean == mean])
        return Found(over, sampled(over.mean, images), single=bool(values) and over.count == 1)


class Found(NamedTuple):
    """A side as it was found: over seeds, and how far it may be off.

    Attributes:
        spread: over seeds.
        sampling: standard deviation over draws of the test images, in points.
        single: of one training.
    """

    spread: Spread
    sampling: float
    single: bool

    @property
    def noise(self) -> float:
        """How far the mean may be off: standard deviation over seeds and over draws of images."""
        return math.hypot(self.spread.sd or 0.0, self.sampling)


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
    apart, noise = one.spread.mean - other.spread.mean, math.hypot(one.noise, other.noise)
    word = "confirmed" if apart > noise else "opposite" if -apart > noise else "not confirmed"
    return f"{word} (one seed)" if one.single or other.single else word


def told(*sides: tuple[str, Found]) -> str:
    """`MAT 15.5 ± 1.1, TeCoA-ITR 0.9 ± 0.4`; nothing where one of them is missing."""
    if not all(found.spread.count for _, found in sides):
        return ""
    return ", ".join(f"{name} {found.spread}" for name, found in sides)


def gain(shelf: Shelf, key: str, base: str, attacks: Sequence[str]) -> Found:
    """What a run has more than another under some attacks, seed by seed.

    An untrained base stands beside every seed, a trained one beside its own.
    """
    gains, noises = [], []
    for one in shelf.of(key):
        fit = (o for o in shelf.of(base) if o.seed == one.seed or not o.content["trained"])
        other = next(fit, None)
        if other is not None:
            left = [fmean(side.value(a) for a in attacks) for side in (one, other)]
            images = [side.content["protocol"]["images"] for side in (one, other)]
            gains.append(left[0] - left[1])
            noises.append(math.hypot(*map(sampled, left, images)))
    over = spread([gain for gain in gains if gain == gain])
    return Found(over, fmean(noises) if noises else 0.0, single=over.count == 1)


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
