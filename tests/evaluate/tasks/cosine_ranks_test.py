"""Ranks against hand-worked tables and against a slow loop written from the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax.evaluate.ranks import attack_success, drop, lost_share
from mat_jax.evaluate.tasks import cosine_ranks


def sphere(rng, n, width):
    vectors = rng.normal(size=(n, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slow_ranks(images, texts, owner):
    """Sort every list and read off the first own place: the textbook way, one query at a time."""
    tr, ir = [], []
    for i, image in enumerate(images):
        order = sorted(range(len(texts)), key=lambda t: -float(np.dot(image, texts[t])))
        tr.append(1 + next(place for place, t in enumerate(order) if owner[t] == i))
    for t, text in enumerate(texts):
        order = sorted(range(len(images)), key=lambda i: -float(np.dot(text, images[i])))
        ir.append(1 + order.index(owner[t]))
    return tr, ir


def test_a_table_worked_by_hand():
    # Scores are the entries themselves: images are the unit axes.
    #            t0   t1   t2   t3  (owners 0, 0, 1, 2)
    scores = [
        [0.1, 0.8, 0.9, 0.2],  # image 0: best own t1, behind t2       -> TR rank 2
        [0.3, 0.4, 0.5, 0.6],  # image 1: own t2, behind t3            -> TR rank 2
        [0.9, 0.8, 0.7, 0.1],
    ]  # image 2: own t3, behind all three     -> TR rank 4
    texts = np.array(scores, np.float32).T
    ranks = cosine_ranks.retrieval_ranks(np.eye(3, dtype=np.float32), texts, np.array([0, 0, 1, 2]))
    assert ranks["tr"].tolist() == [2, 2, 4]
    # t0: 0.1 of (0.1, 0.3, 0.9) -> 3; t1: 0.8 ties with image 2 -> 2; t2: 0.5 is last -> 3;
    # t3: 0.1 is last -> 3.
    assert ranks["ir"].tolist() == [3, 2, 3, 3]
    assert ranks.errors == 0
    assert ranks.recall("tr", 1) == 0.0
    assert ranks.recall("tr", 2) == pytest.approx(2 / 3)
    assert ranks.recall("ir", 2) == pytest.approx(1 / 4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 9))
def test_agrees_with_the_slow_loop(seed, n, width):
    rng = np.random.default_rng(seed)
    owner = np.concatenate([np.arange(n), rng.integers(0, n, size=2 * n)])
    rng.shuffle(owner)
    images, texts = sphere(rng, n, width), sphere(rng, len(owner), width)
    ranks = cosine_ranks.retrieval_ranks(images, texts, owner, tie=0.0)
    tr, ir = slow_ranks(images.astype(np.float64), texts.astype(np.float64), owner)
    assert ranks["tr"].tolist() == tr
    assert ranks["ir"].tolist() == ir


def test_blocks_do_not_matter():
    rng = np.random.default_rng(0)
    queries, gallery, owner = sphere(rng, 23, 4), sphere(rng, 23, 4), np.arange(23)
    whole, _ = cosine_ranks.rank(queries, gallery, owner, owner, block=100)
    parts, _ = cosine_ranks.rank(queries, gallery, owner, owner, block=5)
    assert whole.tolist() == parts.tolist()


def test_a_collapsed_model_has_no_recall():
    """Every pair scores the same: the honest rank is behind everybody else's match."""
    images, texts = np.ones((4, 3), np.float32), np.ones((8, 3), np.float32)
    ranks = cosine_ranks.retrieval_ranks(images, texts, np.repeat(np.arange(4), 2))
    assert ranks["tr"].tolist() == [7] * 4  # six captions of others before the own ones
    assert ranks["ir"].tolist() == [4] * 8
    assert ranks.recall("tr", 1) == ranks.recall("ir", 1) == 0.0


def test_what_is_not_a_number_ranks_last():
    images = np.eye(3, dtype=np.float32)
    texts = np.eye(3, dtype=np.float32)
    texts[1] = np.nan
    ranks = cosine_ranks.retrieval_ranks(images, texts, np.arange(3))
    assert ranks["tr"].tolist() == [1, 3, 1]  # image 1 lost its caption, nobody else gained
    assert ranks["ir"].tolist() == [1, 3, 1]
    assert ranks.errors == 2
    assert 1 not in cosine_ranks.nearest(images[0], texts, k=2)


def test_an_image_keeps_the_captions_that_are_numbers():
    texts = np.array([[np.nan, np.nan], [1.0, 0.0], [0.0, 1.0]], np.float32)
    ranks = cosine_ranks.retrieval_ranks(np.eye(2, dtype=np.float32), texts, np.array([0, 0, 1]))
    assert ranks["tr"].tolist() == [1, 1]
    assert ranks["ir"].tolist() == [2, 1, 1]
    assert ranks.errors == 1


def test_an_image_without_caption_is_refused():
    with pytest.raises(ValueError, match="1 queries have no match.*image 1"):
        cosine_ranks.retrieval_ranks(np.eye(2), np.eye(2), np.array([0, 0]))


def test_both_success_definitions_worked_by_hand():
    owner = np.arange(5)
    clean = cosine_ranks.both_ways(np.array([1, 1, 1, 1, 3]), np.array([1, 2, 1, 7, 1]), owner)
    adv = cosine_ranks.both_ways(np.array([2, 1, 9, 1, 1]), np.array([1, 2, 3, 7, 6]), owner)
    # TR@1: 4 right, two of them fall, one wrong is mended: 4/5 -> 3/5.
    assert attack_success(clean, adv, "tr", 1) == (2, 4)
    assert drop(clean, adv, "tr", 1) == pytest.approx(1 / 5)
    assert lost_share(clean, adv, "tr", 1) == pytest.approx(1 / 4)
    # IR@5: 4 right, the last falls.
    assert attack_success(clean, adv, "ir", 5) == (1, 4)
    # Identity of the two: robust R@k >= clean R@k (1 - success rate).
    for direction in ("tr", "ir"):
        for k in (1, 5, 10):
            fallen, right = attack_success(clean, adv, direction, k)
            assert (
                adv.recall(direction, k)
                >= clean.recall(direction, k) * (1 - fallen / right) - 1e-12
            )


def test_share_lost_of_nothing_is_not_a_number():
    none = cosine_ranks.both_ways(np.array([2, 2]), np.array([2, 2]), np.arange(2))
    assert np.isnan(lost_share(none, none, "tr", 1))


def test_nearest_is_sorted():
    gallery = np.array([[0.1], [0.9], [0.5]], np.float32)
    assert cosine_ranks.nearest(np.array([1.0], np.float32), gallery, k=5).tolist() == [1, 2, 0]
