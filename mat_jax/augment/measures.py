r"""What makes a good augmentation: alignment, diversity, and the gap between distributions.

The three properties are named in MAT's figure 2 (Waseda et al., WACV 2026, arXiv:2405.18770);
how they were computed is not public. These are our formulas. All take vectors from a frozen
model, the same for all augmentations that are compared, and compute in float64.

Partners are held one a row, and `owner[k]` is the row of the item that partner k was made for, so
that items may have any number of partners.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

Vectors = Float[np.ndarray, "rows embed"]
Owner = Int[np.ndarray, " rows"]
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]
BLOCK = 2_048  # rows that a kernel is asked of at once


def alignment(anchors: Float[np.ndarray, "items embed"], partners: Vectors, owner: Owner) -> float:
    r"""How well partners go with the other modality they belong to, -1 to 1.

    $$A = \frac1K \sum_k \cos\big(a_{owner(k)}, p_k\big)$$

    For partner texts the anchors are the images, for partner images the captions (CLIPScore without
    its factor 2.5 and its cut at 0; Hessel et al. 2021).

    Args:
        anchors: vectors of the items, any length.
        partners: vectors of the partners, any length.
        owner: the item of each partner.
    """
    _require(partners, owner, len(anchors))
    return float(np.mean(np.sum(_unit(anchors)[owner] * _unit(partners), axis=1)))


def truth(
    judges: Sequence[Callable[[str], bool]], captions: Sequence[str], owner: Sequence[int]
) -> float:
    """The share of partner texts that are true of their picture, 0 to 1; for `scenes`.

    Args:
        judges: one an image, from `source.oracle(i)`.
        captions: the partner texts.
        owner: the image of each.
    """
    if not len(captions):
        raise ValueError("there are no partner texts to judge: give at least one")
    true = [judges[item](text) for text, item in zip(captions, owner, strict=True)]
    return float(np.mean(true))


def diversity(partners: Vectors, owner: Owner) -> float:
    r"""How much the partners of one item differ, 0 to 2; NaN where no item has two.

    $$D = \operatorname{mean}_{i : n_i \ge 2} \frac{2}{n_i (n_i - 1)}
          \sum_{k < l,\; owner(k) = owner(l) = i} \big( 1 - \cos(p_k, p_l) \big)$$

    With the item itself put among its partners (an image among its partner images, say) it is the
    diversity of all that stands for the item.
    """
    _require(partners, owner)
    unit, owner = _unit(partners), np.asarray(owner)
    count = np.bincount(owner)
    total = np.zeros((len(count), unit.shape[1]))
    np.add.at(total, owner, unit)
    several = count >= 2
    if not several.any():
        return float("nan")
    # The sum over pairs of cosines from the length of the sum: |sum p|^2 = sum |p|^2 + 2 pairs.
    lengths = np.bincount(owner, weights=np.sum(np.square(unit), axis=1))
    n = count[several]
    pairs = (np.sum(np.square(total[several]), axis=1) - lengths[several]) / 2
    return float(np.mean(1 - pairs / (n * (n - 1) / 2)))


def frechet(one: Vectors, other: Float[np.ndarray, "others embed"]) -> float:
    r"""Frechet distance of the normal distributions fitted to two sets, 0 for the same set.

    $$F = \|\mu_1 - \mu_2\|^2
          + \operatorname{tr}\big( \Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2} \big)$$

    (Dowson and Landau 1982; of Inception features it is FID, Heusel et al. 2017.) The covariances
    divide by n - 1. It is too large for few samples: compare sets of equal sizes, more rows than
    dimensions.
    """
    _require_two(one, other)
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    first, second = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (one, other))
    # tr (S1 S2)^(1/2) is the sum of the roots of the eigenvalues of R S2 R, with R R = S1.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    mixed = np.linalg.eigvalsh(root @ second @ root)
    cross = np.sum(np.sqrt(np.maximum(mixed, 0)))
    apart = np.sum(np.square(one.mean(axis=0) - other.mean(axis=0)))
    return float(max(apart + np.trace(first) + np.trace(second) - 2 * cross, 0.0))


def mmd(
    one: Vectors, other: Float[np.ndarray, "others embed"], kernel: Kernel | None = None
) -> float:
    r"""Squared maximum mean discrepancy, without bias: 0 on average for the same distribution.

    $$M = \frac{\sum_{i \ne j} k(x_i, x_j)}{n (n - 1)}
          + \frac{\sum_{i \ne j} k(y_i, y_j)}{m (m - 1)}
          - \frac{2}{n m} \sum_{i, j} k(x_i, y_j)$$

    (Gretton et al. 2012, equation 3.) It may be a little below 0. The kernel is `gaussian(width)`,
    by default as wide as the median distance between rows of both sets. Kernels are summed in
    blocks, so any number of rows fits.
    """
    _require_two(one, other)
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    k = kernel or gaussian(median_distance(np.concatenate([one, other])))

    def total(one: np.ndarray, other: np.ndarray) -> float:
        return math.fsum(k(a, b).sum() for a, b in itertools.product(_parts(one), _parts(other)))

    def within(rows: np.ndarray) -> float:
        n = len(rows)
        diagonal = math.fsum(np.trace(k(part, part)) for part in _parts(rows))
        return (total(rows, rows) - diagonal) / (n * (n - 1))

    between = total(one, other) / (len(one) * len(other))
    return within(one) + within(other) - 2 * between


def gaussian(width: float) -> Kernel:
    r"""$k(x, y) = e^{-\|x - y\|^2 / (2 \sigma^2)}$ with $\sigma$ the width."""
    if not width > 0:
        raise ValueError(f"the width of a kernel is {width}: it must be above 0")
    return lambda one, other: np.exp(-_squared_distances(one, other) / (2 * width**2))


def median_distance(rows: np.ndarray, most: int = 1_000) -> float:
    """The median Euclidean distance between two rows, of evenly spaced ones where there are many.

    The usual width of a Gaussian kernel (Gretton et al. 2012, section 8).
    """
    chosen = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    above = np.triu_indices(len(chosen), 1)
    return float(np.sqrt(np.median(_squared_distances(chosen, chosen)[above])))


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]


def _squared_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1)[None, :]
    return np.maximum(lengths - 2 * one @ other.T, 0.0)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)


def _require(partners: np.ndarray, owner: np.ndarray, items: int | None = None) -> None:
    if not len(partners) or len(partners) != len(owner):
        raise ValueError(
            f"{len(partners)} partners with {len(owner)} owners: give each partner one owner, and "
            "at least one partner"
        )
    if items is not None and not 0 <= np.min(owner) <= np.max(owner) < items:
        raise ValueError(
            f"owners run from {np.min(owner)} to {np.max(owner)}, items to {items - 1}"
        )


def _require_two(one: np.ndarray, other: np.ndarray) -> None:
    if min(len(one), len(other)) < 2:
        raise ValueError(
            f"sets of {len(one)} and {len(other)} have no spread: give at least 2 rows"
        )
