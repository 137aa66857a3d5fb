"""Measures of augmentations against hand values, closed forms, scipy and torch."""

import numpy as np
import pytest
import scipy.linalg
import torch

from mat_jax.augment import measures


def turned(degrees):
    angle = np.deg2rad(np.asarray(degrees, float))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_alignment_is_the_mean_cosine_with_the_owner_whatever_the_lengths():
    anchors = turned([0, 90]) * [[3.0], [0.1]]
    partners = turned([60, 0, 90]) * [[1.0], [7.0], [2.0]]
    # cos 60 with the first, cos 90 and cos 0 with the second.
    found = measures.alignment(anchors, partners, np.array([0, 1, 1]))
    assert found == pytest.approx((0.5 + 0.0 + 1.0) / 3)


def test_diversity_is_the_mean_over_items_of_the_mean_over_pairs():
    partners = turned([0, 60, 120, 0, 90, 10])
    owner = np.array([0, 0, 0, 2, 2, 1])  # item 1 has one partner: it says nothing
    first = 1 - (0.5 + 0.5 - 0.5) / 3  # pairs 60, 60 and 120 degrees apart
    assert measures.diversity(partners, owner) == pytest.approx((first + 1.0) / 2)
    assert measures.diversity(partners[:2], np.array([0, 0])) == pytest.approx(0.5)
    assert np.isnan(measures.diversity(partners[:2], np.array([0, 1])))
    assert measures.diversity(np.ones((4, 3)), np.zeros(4, int)) == pytest.approx(0.0, abs=1e-12)


def test_diversity_equals_the_pairs_one_by_one():
    rng = np.random.default_rng(0)
    partners, owner = rng.normal(size=(17, 5)), rng.permutation(np.arange(17) % 4)
    unit = partners / np.linalg.norm(partners, axis=1, keepdims=True)
    items = []
    for item in range(4):
        own = unit[owner == item]
        pairs = [1 - own[i] @ own[j] for i in range(len(own)) for j in range(i)]
        items.append(np.mean(pairs))
    assert measures.diversity(partners, owner) == pytest.approx(np.mean(items))


def test_frechet_of_numbers_is_the_closed_form():
    """Of two normal distributions of numbers: (m1 - m2)^2 + (s1 - s2)^2."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(1.0, 2.0, (40, 1)), rng.normal(-1.0, 0.5, (30, 1))
    wanted = (one.mean() - other.mean()) ** 2 + (one.std(ddof=1) - other.std(ddof=1)) ** 2
    assert measures.frechet(one, other) == pytest.approx(wanted)


def test_frechet_against_scipy_s_matrix_root():
    rng = np.random.default_rng(1)
    one = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6))
    other = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6)) + 0.3
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    apart = np.sum((one.mean(0) - other.mean(0)) ** 2)
    wanted = apart + np.trace(first + second - 2 * root)
    assert measures.frechet(one, other) == pytest.approx(wanted, rel=1e-8)
    assert measures.frechet(one, one) == pytest.approx(0.0, abs=1e-8)
    # Fewer rows than dimensions: singular, and still a number of the same symmetric kind.
    few = measures.frechet(one[:4], other[:3])
    assert few == pytest.approx(measures.frechet(other[:3], one[:4])) and few > 0


def test_frechet_of_a_shifted_set_is_the_shift_squared():
    rng = np.random.default_rng(2)
    rows, shift = rng.normal(size=(30, 4)), np.array([0.5, 0.0, -2.0, 1.0])
    assert measures.frechet(rows, rows + shift) == pytest.approx(5.25)


def test_mmd_by_hand():
    """Two rows each, kernel x y: (1 * 3) + (0 * 2) - 2 mean([1, 3] x [0, 2])."""
    one, other = np.array([[1.0], [3.0]]), np.array([[0.0], [2.0]])
    found = measures.mmd(one, other, kernel=lambda a, b: a @ b.T)
    assert found == pytest.approx(3.0 + 0.0 - 2 * (0 + 2 + 0 + 6) / 4)


def test_mmd_against_torch_pair_by_pair(monkeypatch):
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 1.0
    x, y = torch.from_numpy(one), torch.from_numpy(other)

    def k(a, b):
        return torch.exp(-(torch.cdist(a, b) ** 2) / (2 * 1.5**2))

    def apart(a):
        values = k(a, a)
        return values[~torch.eye(len(a), dtype=torch.bool)].mean()

    wanted = apart(x) + apart(y) - 2 * k(x, y).mean()
    kernel = measures.gaussian(1.5)
    assert measures.mmd(one, other, kernel) == pytest.approx(float(wanted), rel=1e-9)
    monkeypatch.setattr(measures, "BLOCK", 3)  # blocks of 3, 3, 1 and of 3, 2 rows
    assert measures.mmd(one, other, kernel) == pytest.approx(float(wanted), rel=1e-9)


def test_mmd_is_unbiased_for_one_distribution_and_grows_with_the_shift():
    rng = np.random.default_rng(4)
    kernel = measures.gaussian(2.0)
    draws = [
        measures.mmd(rng.normal(size=(8, 3)), rng.normal(size=(8, 3)), kernel) for _ in range(400)
    ]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 4 * error and min(draws) < 0
    # Of normal distributions of unit variance in d dimensions, means m apart, width s (integrals of
    # Gaussians): 2 (s^2 / (s^2 + 2))^(d/2) (1 - e^(-m^2 / (2 s^2 + 4))).
    one, other = rng.normal(size=(1500, 3)), rng.normal(size=(1500, 3))
    other[:, 0] += 1.0
    wanted = 2 * (4 / 6) ** 1.5 * (1 - np.exp(-1 / 12))
    assert measures.mmd(one, other, kernel) == pytest.approx(wanted, rel=0.2)


def test_the_usual_width_is_the_median_distance():
    rows = np.array([[0.0], [1.0], [3.0]])  # distances 1, 2, 3
    assert measures.median_distance(rows) == pytest.approx(2.0)
    one, other = np.array([[0.0], [1.0]]), np.array([[3.0], [4.5]])
    both = measures.median_distance(np.concatenate([one, other]))
    assert measures.mmd(one, other) == measures.mmd(one, other, measures.gaussian(both))


def test_truth_is_the_share_that_the_picture_s_own_judge_takes_for_true():
    judges = [lambda text: "red" in text, lambda text: "blue" in text]
    assert measures.truth(judges, ["red ball", "blue ball", "red hat"], [0, 0, 1]) == pytest.approx(
        1 / 3
    )


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: measures.alignment(np.ones((2, 3)), np.ones((1, 3)), np.array([2])), "items to 1"),
        (lambda: measures.diversity(np.ones((0, 3)), np.zeros(0, int)), "0 partners with 0 owners"),
        (lambda: measures.frechet(np.ones((1, 3)), np.ones((5, 3))), "sets of 1 and 5"),
        (lambda: measures.mmd(np.ones((5, 3)), np.ones((1, 3))), "sets of 5 and 1"),
        (lambda: measures.gaussian(0.0), "width of a kernel is 0"),
        (lambda: measures.truth([], [], []), "no partner texts"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
