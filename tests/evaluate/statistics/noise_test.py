"""Noise against scipy and against the papers' own formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from mat_jax.evaluate.statistics import by_chance, paired, rank_correlation


def test_paired_noise_is_that_of_agresti_and_min():
    """sqrt(b + c + 1 - (c - b)^2 / (n + 2)) / (n + 2), of b and c images that one side has."""
    for b, c, n in ((0, 0, 50), (3, 9, 100), (40, 0, 100)):
        apart = np.zeros(n)
        apart[:b], apart[b : b + c] = -100, 100
        expected = 100 * math.sqrt(b + c + 1 - (c - b) ** 2 / (n + 2)) / (n + 2)
        assert paired(apart) == pytest.approx(expected)
    # Of many images it is the usual standard error.
    apart = np.random.default_rng(0).normal(3.0, 40.0, 20_000)
    assert paired(apart) == pytest.approx(stats.sem(apart), rel=1e-2)


@pytest.mark.parametrize(
    "other", [(3.0, 1.0, 2.0, 5.0), (1.0, 1.0, 2.0, 2.0), (4.0, 3.0, 3.0, 1.0)]
)
def test_rank_correlation_is_scipy_s(other):
    one = (0.1, 0.4, 0.4, 2.0)
    pairs = {str(n): pair for n, pair in enumerate(zip(one, other, strict=True))}
    assert rank_correlation(pairs) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert math.isnan(rank_correlation(dict(list(pairs.items())[:2])))


@pytest.mark.parametrize("other", [(3.0, 1.0, 2.0, 5.0, 4.0), (1.0, 1.0, 2.0, 2.0, 3.0)])
def test_chance_is_that_of_all_orders(other):
    one = (0.1, 0.4, 0.5, 2.0, 1.0)

    def rho(order):
        return stats.spearmanr(one, order).statistic

    test = stats.permutation_test(
        (other,), rho, permutation_type="pairings", alternative="greater", n_resamples=np.inf
    )
    pairs = {str(n): pair for n, pair in enumerate(zip(one, other, strict=True))}
    assert by_chance(pairs) == pytest.approx(test.pvalue)


def test_chance_of_many_is_the_normal_one_s():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 9))
    pairs = {str(n): (a, b) for n, (a, b) in enumerate(zip(one, other, strict=True))}
    rho = stats.spearmanr(one, other).statistic
    assert by_chance(pairs) == pytest.approx(stats.norm.sf(rho * math.sqrt(8)))
