"""Intervals of shares of grouped queries: their limits, and how often they hold the truth."""

import numpy as np
import pytest

from mat_jax.evaluate.statistics import clustered_wilson, design_effect, ranked_figures, wilson
from mat_jax.evaluate.tasks.cosine_ranks import both_ways


def five(images):
    return np.repeat(np.arange(images), 5)


def test_captions_that_fall_together_are_worth_one():
    """The interval of 5 n equal captions is Wilson's of n images."""
    right = np.arange(100) < 30
    assert clustered_wilson(np.repeat(right, 5), five(100)) == pytest.approx(wilson(30, 100))
    assert design_effect(np.repeat(right, 5), five(100)) == pytest.approx(5)


def test_one_query_an_image_is_wilson():
    right = np.arange(400) < 90
    assert clustered_wilson(right, np.arange(400)) == pytest.approx(wilson(90, 400))


def test_independent_captions_are_wilson():
    right = np.random.default_rng(0).random(20_000) < 0.3
    found = clustered_wilson(right, five(4000))
    assert found == pytest.approx(wilson(int(right.sum()), len(right)), abs=1e-3)


@pytest.mark.parametrize("all_right", [False, True])
def test_at_the_ends_it_is_that_of_the_images(all_right):
    found = clustered_wilson(np.full(500, all_right), five(100))
    assert found == pytest.approx(wilson(100 * all_right, 100))
    assert found[1] - found[0] > 0.03


def test_groups_of_several_sizes_by_hand():
    """Images of 1 and 3 queries, the one right, and two of (1 + 9) / 4 = 2.5: p = 3.5 / 9."""
    right, owner = np.array([True, False, False, False]), np.array([0, 1, 1, 1])
    p = 3.5 / 9
    squares = (1 - p) ** 2 + (3 * p) ** 2 + (2.5 * (1 - p)) ** 2 + (2.5 * p) ** 2
    assert design_effect(right, owner) == pytest.approx(squares / 9 / (p * (1 - p)))
    # Names of images do not matter, nor the order of queries.
    assert design_effect(right[::-1], 7 * owner[::-1] + 3) == design_effect(right, owner)


def test_one_success_more_hardly_lowers_the_bound():
    """Of few successes the data do not say how alike captions are."""
    highs = [clustered_wilson(np.arange(500) < n, five(100))[1] for n in range(4)]
    assert min(highs) > 0.95 * highs[0]


@pytest.mark.parametrize("likeness", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5])
def test_it_holds_the_truth_as_often_as_it_says(share, likeness):
    """Of 1,000 made-up galleries about 95 % hold the share they were drawn with.

    With `likeness` a caption falls with its image, else by itself: a correlation of likeness^2.
    """
    random, images = np.random.default_rng(1), 200
    held, plain = [], []
    for _ in range(1000):
        of_image = np.repeat(random.random(images) < share, 5)
        alone = random.random(5 * images) < share
        right = np.where(random.random(5 * images) < likeness, of_image, alone)
        low, high = clustered_wilson(right, five(images))
        held.append(low <= share <= high)
        low, high = wilson(int(right.sum()), len(right))
        plain.append(low <= share <= high)
    assert 0.93 <= np.mean(held) <= 0.995
    if likeness == 1.0:  # what was wrong: the interval of independent captions
        assert np.mean(plain) < 0.7


def test_figures_count_images():
    """IR and its ASR have intervals over images; TR has one query an image."""
    owner = five(60)
    clean = both_ways(np.ones(60, int), np.ones(300, int), owner)
    fallen = np.arange(60) < 24
    adv = both_ways(np.where(fallen, 9, 1), np.repeat(np.where(fallen, 9, 1), 5), owner)
    found = ranked_figures(clean, adv)
    for name, successes in (("ir@1", 36), ("ir_asr@1", 24)):
        bounds = [found[name][end] / 100 for end in ("low", "high")]
        assert bounds == pytest.approx(wilson(successes, 60))
        assert found[name]["n"] == 300
    assert [found["tr@1"][end] / 100 for end in ("low", "high")] == pytest.approx(wilson(36, 60))


def test_one_owner_for_each_query():
    with pytest.raises(ValueError, match="3 queries have 2 owners"):
        clustered_wilson(np.ones(3, bool), np.zeros(2, int))
    assert clustered_wilson(np.ones(0, bool), np.zeros(0, int)) == (0.0, 1.0)
