"""Retrieval in two stages: the nearest by cosine, put in order by a model that reads the pair.

The protocol of ALBEF, TCL and BLIP (their evaluation code, and that of Co-Attack and SGA): each
query's `shortlist` best by cosine are scored again with the image-text matching head; all others
come after them. ALBEF and TCL rank by the logit of a match, BLIP by that plus the cosine
(`model.match_score`). Flickr30k is ranked with a shortlist of 128, COCO with 256.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.tasks.cosine_ranks import both_ways, rank

Scorer = Callable[[Int[np.ndarray, "pairs 2"]], Float[np.ndarray, " pairs"]]


def reranked(
    images: Float[np.ndarray, "images embed"],
    texts: Float[np.ndarray, "texts embed"],
    owner: Int[np.ndarray, " texts"],
    score: Scorer,
    *,
    shortlist: int = 128,
    tie: float = 1e-6,
) -> Ranks:
    """Rank in both directions; a query whose match is not on its shortlist keeps its cosine rank.

    Ties and what is not a number are decided against the model, as in `evaluate.tasks.retrieval`.

    Args:
        images, texts: vectors on the unit sphere.
        owner: row of the image that each caption describes.
        score: what the model makes of pairs (row of an image, row of a text).
        shortlist: items of each query that are scored.
        tie: scores this close count as equal.
    """
    to_texts, to_images = best(images, texts, shortlist), best(texts, images, shortlist)
    here, there = np.arange(len(images)), np.arange(len(texts))
    pairs = np.concatenate(
        [
            np.stack([np.repeat(here, to_texts.shape[1]), to_texts.ravel()], axis=1),
            np.stack([to_images.ravel(), np.repeat(there, to_images.shape[1])], axis=1),
        ]
    )
    # Most pairs of one direction are those of the other too.
    once, back = np.unique(pairs, axis=0, return_inverse=True)
    scores = np.asarray(score(once), np.float64)[back.ravel()]
    tr_scores, ir_scores = np.split(scores, [to_texts.size])
    tr, tr_lost = _ranks(images, texts, here, owner, to_texts, tr_scores, tie)
    ir, ir_lost = _ranks(texts, images, owner, here, to_images, ir_scores, tie)
    return both_ways(tr, ir, np.asarray(owner), tr_lost + ir_lost)


def best(
    queries: Float[np.ndarray, "queries embed"],
    gallery: Float[np.ndarray, "gallery embed"],
    count: int,
    *,
    block: int = 512,
) -> Int[np.ndarray, "queries k"]:
    """Rows of the `count` highest cosines of each query, best first; `block` queries at once."""
    found, gallery = [], np.asarray(gallery, np.float64)
    for first in range(0, len(queries), block):
        scores = np.asarray(queries[first : first + block], np.float64) @ gallery.T
        scores[np.isnan(scores)] = -np.inf
        found.append(np.argsort(-scores, axis=1, kind="stable")[:, :count])
    return np.concatenate(found)


def _ranks(
    queries: np.ndarray,
    gallery: np.ndarray,
    query_owner: np.ndarray,
    gallery_owner: np.ndarray,
    listed: np.ndarray,
    scores: np.ndarray,
    tie: float,
) -> tuple[np.ndarray, int]:
    """Ranks, and how many queries have no number for any match of theirs."""
    scores = np.where(np.isnan(scores), -np.inf, scores).reshape(listed.shape)
    own = gallery_owner[listed] == query_owner[:, None]
    top = np.where(own, scores, -np.inf).max(axis=1)
    ahead = (~own & (scores >= top[:, None] - tie)).sum(axis=1)
    by_cosine, lost = rank(queries, gallery, query_owner, gallery_owner, tie=tie)
    lost |= own.any(axis=1) & ~np.isfinite(top)
    ranks = np.where(own.any(axis=1), 1 + ahead, by_cosine)
    return np.where(lost, len(gallery), ranks).astype(np.int32), int(lost.sum())
