"""Intervals against published examples and against their own definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mat_jax.evaluate.statistics import paired_bootstrap, wilson
from mat_jax.evaluate.tasks.cosine_ranks import both_ways


@pytest.mark.parametrize(
    "successes, n, low, high",
    [  # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (Wilson without correction)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_newcombe_1998(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_its_own_equation(case):
    successes, n = case
    for bound in wilson(successes, n):
        if 0 < bound < 1:
            miss = abs(successes / n - bound)
            assert miss == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / n), rel=1e-4)


def test_wilson_of_nothing_and_nonsense():
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="6 successes of 5"):
        wilson(6, 5)


def ranks_with(right, captions=1):
    right = np.asarray(right, bool)
    return both_ways(
        np.where(right, 1, 50),
        np.repeat(np.where(right, 1, 50), captions),
        np.repeat(np.arange(len(right)), captions),
    )


def difference(clean, adv):
    return clean - adv


def test_bootstrap_of_a_difference_matches_its_standard_error():
    """40 of 400 images fall, none is mended: a binomial with share 0.1."""
    clean = ranks_with(np.ones(400))
    adv = ranks_with(np.arange(400) >= 40)
    low, high = paired_bootstrap(clean, adv, "tr", difference, 1, samples=4000)
    error = 1.96 * math.sqrt(0.1 * 0.9 / 400)
    assert (low, high) == pytest.approx((0.1 - error, 0.1 + error), abs=0.006)


def test_captions_of_an_image_are_drawn_together():
    """Five equal captions carry the information of one: the interval must not shrink."""
    one = ranks_with(np.arange(100) % 2 == 0), ranks_with(np.arange(100) % 4 == 0)
    five = ranks_with(np.arange(100) % 2 == 0, 5), ranks_with(np.arange(100) % 4 == 0, 5)
    narrow, wide = (paired_bootstrap(clean, adv, "ir", difference, 1) for clean, adv in (one, five))
    assert narrow == wide


def test_no_difference_has_no_width():
    ranks = ranks_with(np.arange(10) % 2)
    assert paired_bootstrap(ranks, ranks, "tr", difference, 1) == (0.0, 0.0)


def test_share_of_nothing_is_not_a_number():
    ranks = ranks_with(np.zeros(4))
    low, high = paired_bootstrap(ranks, ranks, "tr", lambda c, a: (c - a) / c, 1)
    assert math.isnan(low) and math.isnan(high)
