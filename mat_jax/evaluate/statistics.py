"""How sure a measured share is: intervals for proportions and for paired differences."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from mat_jax.evaluate.tasks.retrieval import Ranks

LEVEL = 0.95


def wilson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927; Newcombe 1998, method 3).

    The shares p that a test of successes / n does not reject:
    |successes / n - p| <= z * sqrt(p (1 - p) / n). Queries count as independent.

    Returns:
        (low, high) in [0, 1]; (0, 1) where n is 0.
    """
    if not 0 <= successes <= n:
        raise ValueError(
            f"{successes} successes of {n} trials cannot be; expected 0 <= successes <= n."
        )
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The bounds of "none" and "all" are exactly 0 and 1; rounding must not say otherwise.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == n else min(1.0, centre + half)


def paired_bootstrap(
    clean: Ranks,
    adv: Ranks,
    direction: str,
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    k: int,
    *,
    samples: int = 1000,
    seed: int = 0,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile interval of a statistic of clean and adversarial R@k, resampling images.

    An image is drawn together with all its captions and with both its ranks, so the pairing of
    clean with adversarial and the likeness of one image's captions are kept (Efron 1979;
    clustered as in Davison and Hinkley 1997, section 3.8).

    Args:
        statistic: maps [samples] clean and [samples] adversarial R@k to [samples] values.
        samples: number of resamplings.
        seed: of the resampling.

    Returns:
        (low, high); NaN where the statistic is not finite in any resampling.
    """
    images = len(clean.tr)
    owner = np.arange(images) if direction == "tr" else clean.owner
    right = [getattr(ranks, direction) <= k for ranks in (clean, adv)]
    # [images, 3]: queries, right when clean, right under attack; their sums make any R@k.
    counts = np.stack(
        [np.bincount(owner, minlength=images)]
        + [np.bincount(owner, weights=r, minlength=images) for r in right],
        axis=1,
    )
    # How often each image is drawn; a multinomial is the bootstrap without the index table.
    draws = np.random.default_rng(seed).multinomial(images, [1 / images] * images, size=samples)
    total, before, after = (draws @ counts).T
    with np.errstate(invalid="ignore", divide="ignore"):
        values = statistic(before / total, after / total)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
