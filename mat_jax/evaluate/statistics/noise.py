"""How far a figure may be off by chance: over draws of the images, and of ranks."""

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from jaxtyping import Float

EXACT = 8  # so many pairs are ranked in all orders; of more, the normal distribution's share


def sampled(mean: float, images: int) -> float:
    r"""Standard deviation of a share in percent over draws of the images it is measured on.

    $$100 \sqrt{p (1 - p) / (n + 4)}, \qquad p = (\text{right} + 2) / (n + 4)$$

    (Agresti and Coull 1998): unlike the plain share's it is not 0 where none or all are right.
    """
    share = (images * min(max(mean / 100, 0.0), 1.0) + 2) / (images + 4) if mean == mean else 0.0
    return 100 * math.sqrt(share * (1 - share) / (images + 4))


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


def rank_correlation(pairs: Mapping[str, tuple[float, float]]) -> float:
    """Spearman's rho of named pairs, ties by their mean rank; NaN for fewer than three."""
    if len(pairs) < 3:
        return float("nan")
    one, other = (_ranks([pair[side] for pair in pairs.values()]) for side in (0, 1))
    return _correlation(one, other)


def by_chance(pairs: Mapping[str, tuple[float, float]]) -> float:
    """Share of all orders of one side in which Spearman's rho is at least as high as it is."""
    one, other = (_ranks([pair[side] for pair in pairs.values()]) for side in (0, 1))
    found = _correlation(one, other)
    if len(pairs) > EXACT:
        return math.erfc(found * math.sqrt(len(pairs) - 1) / math.sqrt(2)) / 2
    orders = list(permutations(other))
    return sum(_correlation(one, order) >= found - 1e-9 for order in orders) / len(orders)


def _correlation(one: Sequence[float], other: Sequence[float]) -> float:
    middle = (len(one) + 1) / 2
    dot = sum((a - middle) * (b - middle) for a, b in zip(one, other, strict=True))
    lengths = [sum((a - middle) ** 2 for a in ranks) for ranks in (one, other)]
    return dot / math.sqrt(math.prod(lengths)) if all(lengths) else float("nan")


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (1 + sum(other == value for other in values)) / 2
        for value in values
    ]
