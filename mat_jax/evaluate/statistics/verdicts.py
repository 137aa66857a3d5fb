"""Whether one model has more right than another, measured on the same images."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.statistics.noise import paired


@dataclass(frozen=True)
class Difference:
    """What one model has right more than another, in points.

    Attributes:
        mean: of the shares of all kinds of queries.
        noise: standard deviation of that over draws of the images. What an image owes to itself
            cancels. How far other trainings of the two would lie apart is not in it.
    """

    mean: float
    noise: float

    @property
    def verdict(self) -> str:
        """See `graded`."""
        return graded(self.mean / self.noise)

    def __str__(self) -> str:
        """`+3.1 ± 1.2 points, confirmed`."""
        return f"{self.mean:+.1f} ± {self.noise:.1f} points, {self.verdict}"

    def as_json(self) -> Mapping[str, float | str]:
        """For a file."""
        return {"points": self.mean, "noise": self.noise, "verdict": self.verdict}


def graded(score: float) -> str:
    """The verdict on a difference of so many times its noise.

    "confirmed" is above twice the noise, "likely" above it, "opposite" and "likely opposite" as far
    on the other side. By noise alone a difference is "likely" or more in about 16 of 100 cases, and
    "confirmed" in 2.
    """
    if not abs(score) > 1 or math.isnan(score):
        return "not confirmed"
    if score > 0:
        return "confirmed" if score > 2 else "likely"
    return "opposite" if score < -2 else "likely opposite"


def difference(one: Ranks, other: Ranks, k: int = 1) -> Difference:
    """What the first has right more than the second, of the same queries; see `noise.paired`."""
    apart = by_image(one, k) - by_image(other, k)
    return Difference(float(apart.mean()), paired(apart))


def by_image(ranks: Ranks, k: int = 1) -> Float[np.ndarray, " images"]:
    r"""What each image gives to the mean of the shares, in points; their mean is that mean.

    $$\frac{100}{K} \sum_\kappa \frac{n}{m_\kappa} \sum_{q \in i, \kappa} r_q$$

    for image i of n, over the K kinds of queries, of which $m_\kappa$ are of kind $\kappa$; $r_q$
    is 1 where query q is right, or its mark.
    """
    images = 1 + max(int(ranks.group(kind).max()) for kind in ranks.kinds)
    total = np.zeros(images)
    for kind in ranks.kinds:
        right = ranks.right(kind, k)
        own = np.bincount(ranks.group(kind), weights=right, minlength=images)
        total += 100 * own * images / len(right) / len(ranks.kinds)
    return total
