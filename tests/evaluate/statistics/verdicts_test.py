"""Verdicts by what chance alone would give, and differences by the images they are made of."""

import numpy as np
import pytest

from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.statistics import by_image, difference, graded, paired
from mat_jax.evaluate.tasks.cosine_ranks import both_ways


def test_of_a_hundred_normal_scores_two_are_confirmed():
    scores = np.random.default_rng(0).normal(size=20_000)
    words = [graded(score) for score in scores]
    for word, share in (("confirmed", 2), ("likely", 14), ("likely opposite", 14), ("opposite", 2)):
        assert 100 * words.count(word) / len(words) == pytest.approx(share, abs=0.8)


def test_no_difference_and_no_number_are_not_confirmed():
    assert graded(0.0) == graded(float("nan")) == "not confirmed"


def drawn(seed, images=30, captions=3):
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(images), captions)
    return both_ways(rng.integers(1, 4, images), rng.integers(1, 4, len(owner)), owner)


def test_what_images_give_has_the_recalls_mean():
    ranks = drawn(0)
    each = by_image(ranks)
    assert each.shape == (30,) and each.mean() == pytest.approx(100 * ranks.mean(1))
    # Image 4: half its own caption found, half the mean of its three captions that find it.
    own = ranks["ir"][12:15] <= 1
    assert each[4] == pytest.approx(50 * (ranks["tr"][4] <= 1) + 50 * own.mean())


def test_a_difference_is_the_recalls_and_its_noise_is_paired():
    one, other = drawn(1), drawn(2)
    found = difference(one, other)
    assert found.mean == pytest.approx(100 * (one.mean(1) - other.mean(1)))
    assert found.noise == pytest.approx(paired(by_image(one) - by_image(other)))
    assert difference(other, one).mean == pytest.approx(-found.mean)
    same = difference(one, one)
    assert same.mean == 0.0 and same.noise > 0 and same.verdict == "not confirmed"


def test_marks_count_as_they_are():
    places, rows = np.array([2, 2, 1]), np.arange(3)
    high = Ranks({"a": places}, {"a": rows}, marks={"a": np.array([0.5, 0.9, 1.0])})
    low = Ranks({"a": places}, {"a": rows}, marks={"a": np.array([0.25, 0.9, 1.0])})
    assert difference(high, low).mean == pytest.approx(100 * 0.25 / 3)
