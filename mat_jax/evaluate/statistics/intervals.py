"""How sure a measured share is: intervals for proportions and for paired differences."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

import numpy as np

from mat_jax.evaluate.ranks import Ranks, attack_success, drop, lost_share
from mat_jax.evaluate.statistics.clustered import LEVEL, clustered_wilson

# `tr@1` -> {value, low, high, n}.
Figures = Mapping[str, Mapping[str, float]]


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
    kind: str,
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
        kind: of the queries.
        statistic: maps [samples] clean and [samples] adversarial R@k to [samples] values.
        samples: number of resamplings.
        seed: of the resampling.

    Returns:
        (low, high); NaN where the statistic is not finite in any resampling.
    """
    owner = clean.group(kind)
    images = 1 + int(owner.max())
    right = [ranks.right(kind, k) for ranks in (clean, adv)]
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


def share(successes: int, n: int) -> dict[str, float]:
    """A share in percent with Wilson's interval."""
    return _in_percent(successes / n if n else float("nan"), wilson(successes, n), n)


def _in_percent(value: float, bounds: tuple[float, float], n: int) -> dict[str, float]:
    low, high = bounds
    return {"value": 100 * value, "low": 100 * low, "high": 100 * high, "n": n}


def ranked_figures(
    clean: Ranks,
    adv: Ranks,
    *,
    depths: Sequence[int] = (1, 5, 10),
    after: Sequence[int] | None = None,
    seed: int = 0,
) -> Figures:
    """The numbers of one attack, in percent, each as {value, low, high, n}.

    - `kind@k` (`tr@1`): recall; Wilson interval over examples (`clustered_wilson`): the captions
      of an image are not independent. Of marks it is their mean, times 100. Marks above 1 have the
      bootstrap's interval: few come near the highest, so a share says little of them.
    - `kind_asr@k`: attack success as SGA counts it, the share of the queries right when clean that
      fail under attack; n is how many were right; the same interval. Not of marks.
    - `kind_drop@k`: attack success as Co-Attack counts it, clean minus adversarial recall in
      points; bootstrap over examples.
    - `kind_lost@k`: the share of the clean recall that is gone; bootstrap over examples.

    Args:
        clean, adv: ranks of the queries without and under attack.
        depths: the k.
        after: those of them that the attack was after; the numbers of others are NaN (null in the
            file). None is all.
        seed: of the bootstrap.
    """
    found: dict[str, dict[str, float]] = {}
    given = depths if after is None else after

    def put(name: str, value: float, bounds: tuple[float, float], n: int) -> None:
        if int(name.split("@")[1]) not in given:
            value, bounds = float("nan"), (float("nan"), float("nan"))
        found[name] = _in_percent(value, bounds, n)

    for kind in adv.kinds:
        for k in depths:
            right = adv.right(kind, k)
            if kind in adv.highest:
                bounds = paired_bootstrap(adv, adv, kind, lambda _, own: own, k, seed=seed)
            else:
                # Marks lie nearer together than right and wrong do.
                least = 0.0 if kind in adv.marks else 1.0
                bounds = clustered_wilson(right, adv.group(kind), least=least)
            put(f"{kind}@{k}", float(np.mean(right)), bounds, len(right))
    if adv is clean:
        return found
    statistics: tuple[tuple[str, Callable, Callable], ...] = (
        ("drop", drop, lambda before, after: before - after),
        ("lost", lost_share, lambda before, after: (before - after) / before),
    )
    for kind in adv.kinds:
        n, owner = len(adv[kind]), adv.group(kind)
        for k in depths:
            if kind not in adv.marks:
                fallen, right = attack_success(clean, adv, kind, k)
                share = fallen / right if right else float("nan")
                before = clean[kind] <= k
                lost = adv[kind][before] > k
                put(f"{kind}_asr@{k}", share, clustered_wilson(lost, owner[before]), right)
            for name, value, resampled in statistics:
                bounds = paired_bootstrap(clean, adv, kind, resampled, k, seed=seed)
                put(f"{kind}_{name}@{k}", value(clean, adv, kind, k), bounds, n)
    return found
