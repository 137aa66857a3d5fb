"""Intervals of shares whose queries come in groups: five captions of one image."""

import math
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float, Int

LEVEL = 0.95
Successes = Bool[np.ndarray, " queries"] | Float[np.ndarray, " queries"]


def design_effect(
    successes: Successes, owner: Int[np.ndarray, " queries"], *, least: float = 1.0
) -> float:
    r"""How many times the variance of a share is that of as many independent queries.

    The share is a ratio of sums over images, $p = \sum_i y_i / \sum_i m_i$, and by linearisation

    $$\widehat{\text{var}}(p) = \frac{\sum_i (y_i - p m_i)^2}{(\sum_i m_i)^2}$$

    over the images that have a query (Cochran 1977, section 6.4). The effect is that, over
    $p (1 - p) / \sum_i m_i$ (Kish 1965). A few successes say little of how alike queries are, and
    none say nothing. So two images of usual size are put in, one right and one wrong throughout:
    where the data are silent queries count as alike, where they speak it hardly matters.

    Args:
        successes: of each query, right or wrong, or a mark from 0 to 1.
        owner: the group that each belongs to.
        least: below this the effect is not believed. With 1, that captions of an image exclude
            each other is not assumed; marks vary less than right and wrong, and may have 0.

    Returns:
        1 for independent queries, 5 where five captions of an image succeed or fail together.
    """
    _, group = np.unique(owner, return_inverse=True)
    sizes = np.bincount(group).astype(np.float64)
    usual = np.square(sizes).sum() / sizes.sum()
    sums = np.append(np.bincount(group, weights=successes), [usual, 0.0])
    sizes = np.append(sizes, [usual, usual])
    share = sums.sum() / sizes.sum()
    variance = np.square(sums - share * sizes).sum() / sizes.sum()
    return max(least, float(variance / (share * (1 - share))))


def clustered_wilson(
    successes: Successes,
    owner: Int[np.ndarray, " owners"],
    level: float = LEVEL,
    *,
    least: float = 1.0,
) -> tuple[float, float]:
    """Wilson's score interval with as many queries as the groups are worth.

    The number of queries n is divided by the design effect, as for surveys (Korn and Graubard
    1998; Franco et al. 2019): the shares p with `|share - p| <= z sqrt(p (1 - p) deff / n)`. With
    one query a group, or with independent ones, it is `statistics.wilson`; where all captions of an
    image fall together, it is that of the images. At 0 and 1, where a bootstrap has no width, the
    interval is that of the images.

    Args:
        successes: of each query, whether it is right, or a mark from 0 to 1.
        owner: the image of each query.
        level: of confidence.
        least: of the design effect.

    Returns:
        (low, high) in [0, 1]; (0, 1) where there is no query.

    Raises:
        ValueError: not one owner for each query.
    """
    if len(successes) != len(owner):
        raise ValueError(
            f"{len(successes)} queries have {len(owner)} owners; give the image of each query"
        )
    if not len(successes):
        return 0.0, 1.0
    n = len(successes) / design_effect(successes, owner, least=least)
    share = float(np.mean(successes))
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if share == 0 else max(0.0, centre - half)
    return low, 1.0 if share == 1 else min(1.0, centre + half)
