"""Image-text retrieval: who is found by whom, and how much an attack takes away.

Text retrieval (TR): an image is the query, all captions are the gallery, and the image is served
at rank r if its best own caption stands at place r. Image retrieval (IR): a caption is the query
and its image is looked for among all images. R@k is the share of queries with rank at most k.

Under attack both sides are adversarial: all images and all captions, queries and gallery, are
replaced by their attacked versions, as in Co-Attack (arXiv:2206.09391) and SGA
(arXiv:2307.14061).

Ties are decided against the model: whoever scores as high as the query's own match (within `tie`)
stands before it, so a model that gives every pair the same score has no recall at all. A score
that is not a number ranks last: it never beats anything, and a query whose own match has no
number gets the last rank and is counted as an error.
"""

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mat_jax.evaluate.ranks import Ranks

DEPTHS = (1, 5, 10)


def rank(
    queries: Float[Array | np.ndarray, "queries embed"],
    gallery: Float[Array | np.ndarray, "gallery embed"],
    query_owner: Int[Array | np.ndarray, " queries"],
    gallery_owner: Int[Array | np.ndarray, " gallery"],
    *,
    tie: float = 1e-6,
    block: int = 512,
) -> tuple[Int[np.ndarray, " queries"], Bool[np.ndarray, " queries"]]:
    """Rank the best gallery item with the query's owner among all items of other owners.

    rank(q) = 1 + #{g : owner(g) != owner(q), s(q, g) >= max_{own g} s(q, g) - tie},
    s the inner product, summed in float64 (so `tie` only has to cover the encoders' rounding).

    Args:
        queries, gallery: vectors on the unit sphere.
        query_owner, gallery_owner: image each row belongs to; equal owners are a match.
        tie: scores this close count as equal, and equal scores count against the query.
        block: queries scored at once, which bounds the memory to `block * gallery` numbers.

    Returns:
        Ranks, and which queries had no finite score to an own item; their rank is the size of
        the gallery.

    Raises:
        ValueError: a query without any match in the gallery.
    """
    queries, gallery = np.asarray(queries, np.float64), np.asarray(gallery, np.float64)
    query_owner, gallery_owner = np.asarray(query_owner), np.asarray(gallery_owner)
    lonely = ~np.isin(query_owner, gallery_owner)
    if lonely.any():
        raise ValueError(
            f"{int(lonely.sum())} queries have no match in the gallery (the first belongs to image "
            f"{query_owner[lonely][0]}): give every image a caption and every caption its image."
        )
    ranks = np.empty(len(queries), np.int32)
    lost = np.zeros(len(queries), bool)
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        with np.errstate(invalid="ignore"):
            scores = queries[part] @ gallery.T
        scores[np.isnan(scores)] = -np.inf
        own = query_owner[part, None] == gallery_owner[None, :]
        best = np.where(own, scores, -np.inf).max(axis=1)
        ahead = ~own & (scores >= best[:, None] - tie)
        lost[part] = ~np.isfinite(best)
        ranks[part] = np.where(lost[part], len(gallery), 1 + ahead.sum(axis=1))
    return ranks, lost


def both_ways(
    tr: Int[np.ndarray, " images"],
    ir: Int[np.ndarray, " captions"],
    owner: Int[np.ndarray, " captions"],
    errors: int = 0,
) -> Ranks:
    """Ranks of both kinds of queries, "tr" and "ir"; `owner` is the image of each caption."""
    return Ranks({"tr": tr, "ir": ir}, {"tr": np.arange(len(tr)), "ir": owner}, errors=errors)


def retrieval_ranks(
    images: Float[Array | np.ndarray, "images embed"],
    texts: Float[Array | np.ndarray, "texts embed"],
    owner: Int[Array | np.ndarray, " texts"],
    *,
    tie: float = 1e-6,
) -> Ranks:
    """Rank in both directions. `owner[t]` is the row of the image that caption t describes."""
    owner = np.asarray(owner)
    rows = np.arange(len(images))
    tr, tr_lost = rank(images, texts, rows, owner, tie=tie)
    ir, ir_lost = rank(texts, images, owner, rows, tie=tie)
    return both_ways(tr, ir, owner, int(tr_lost.sum() + ir_lost.sum()))


def nearest(
    query: Float[Array | np.ndarray, " embed"],
    gallery: Float[Array | np.ndarray, "gallery embed"],
    k: int = 5,
) -> Int[np.ndarray, " k"]:
    """Rows of the k best scored gallery items, best first; what is not a number comes last."""
    scores = np.asarray(gallery, np.float64) @ np.asarray(query, np.float64)
    return np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")[:k]
