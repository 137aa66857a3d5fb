"""Two-stage ranks against a table worked by hand and a slow loop written from the protocol."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax.evaluate.tasks.cosine_ranks import retrieval_ranks
from mat_jax.evaluate.tasks.reranking import reranked


def sphere(rng, n, width):
    vectors = rng.normal(size=(n, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slow(cosine, scores, owners, wanted, k):
    """One query after another: the k nearest by score, then the others by cosine."""
    ranks = []
    for q, own in enumerate(wanted):
        near = sorted(range(cosine.shape[1]), key=lambda g: -cosine[q, g])
        order = sorted(near[:k], key=lambda g: -scores[q, g]) + near[k:]
        ranks.append(1 + next(place for place, g in enumerate(order) if owners[g] == own))
    return ranks


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 30))
def test_agrees_with_the_slow_loop(seed, n, k):
    rng = np.random.default_rng(seed)
    owner = np.concatenate([np.arange(n), rng.integers(0, n, size=2 * n)])
    images, texts = sphere(rng, n, 4), sphere(rng, len(owner), 4)
    table = rng.normal(size=(n, len(owner)))
    asked = []

    def score(pairs):
        asked.append(pairs)
        return table[pairs[:, 0], pairs[:, 1]]

    ranks = reranked(images, texts, owner, score, shortlist=k, tie=0.0)
    cosine = images.astype(np.float64) @ texts.astype(np.float64).T
    assert ranks["tr"].tolist() == slow(cosine, table, owner, range(n), k)
    assert ranks["ir"].tolist() == slow(cosine.T, table.T, np.arange(n), owner, k)
    # No pair is scored twice, and none that is on no list.
    assert len(np.unique(asked[0], axis=0)) == len(asked[0]) <= n * k + len(owner) * k


def test_a_shortlist_of_one_is_the_cosines_own_first_place():
    rng = np.random.default_rng(0)
    images, texts, owner = sphere(rng, 9, 4), sphere(rng, 9, 4), np.arange(9)
    plain = retrieval_ranks(images, texts, owner)
    ranks = reranked(images, texts, owner, lambda pairs: rng.normal(size=len(pairs)), shortlist=1)
    assert ranks["tr"].tolist() == plain["tr"].tolist()
    assert ranks["ir"].tolist() == plain["ir"].tolist()


def test_equal_scores_count_against_the_model():
    rng = np.random.default_rng(0)
    images, texts, owner = sphere(rng, 5, 4), sphere(rng, 5, 4), np.arange(5)
    ranks = reranked(images, texts, owner, lambda pairs: np.ones(len(pairs)))
    assert ranks["tr"].tolist() == ranks["ir"].tolist() == [5] * 5


@pytest.mark.parametrize("cosine", [False, True])
def test_what_is_not_a_number_ranks_last(cosine):
    images, texts = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    if cosine:
        texts[1] = np.nan

    def score(pairs):
        found = (pairs[:, 0] == pairs[:, 1]).astype(float)
        return np.where((pairs == 1).all(axis=1), np.nan, found)

    ranks = reranked(images, texts, np.arange(3), score)
    assert ranks["tr"].tolist() == ranks["ir"].tolist() == [1, 3, 1]
    assert ranks.errors == 2
