"""Which examples an attack does the most damage to, by the ranks of their queries."""

import numpy as np

from mat_jax.evaluate.ranks import Ranks

MOST = 8  # failures that the report shows of each attack


def wrong_queries(ranks: Ranks, place: int) -> tuple[int, int]:
    """Of the queries of one example, how many are not wholly right, and how many there are."""
    places, owners = ranks.flat
    own = places[owners == place]
    return int((own > 1).sum()), len(own)


def failing(ranks: Ranks, most: int = MOST) -> list[int]:
    r"""Rows of the examples with a wrong answer, the worst first.

    The worst has the largest

    $$\sum_\kappa \frac{1}{m_\kappa} \sum_{q \in \kappa} (1 - r_q + \epsilon \log \rho_q)$$

    over the $m_\kappa$ queries of kind $\kappa$ that it has, of which $r_q$ is 1 where query q is
    right, or its share of the highest mark; $\rho_q$ is its rank and epsilon so small that ranks
    only tell equals apart. Of what is equal even then the first row is first.

    Args:
        ranks: of an attack.
        most: how many are named at most.
    """
    count = ranks.examples
    damage, wrong = np.zeros(count), np.zeros(count, bool)
    for kind, places in ranks.places.items():
        owner = ranks.owners[kind]
        own = np.maximum(np.bincount(owner, minlength=count), 1)
        lost = 1 - ranks.right(kind, 1) / ranks.highest.get(kind, 1.0)
        lost = lost + 1e-6 * np.log(np.maximum(places, 1))
        damage += np.bincount(owner, weights=lost, minlength=count) / own
        wrong |= np.bincount(owner, weights=places > 1, minlength=count) > 0
    order = np.argsort(-damage, kind="stable")
    return [int(place) for place in order if wrong[place]][:most]


def worst_text(ranks: Ranks, owner: np.ndarray, place: int, kind: str = "ir") -> int:
    """Row of the text of an example whose own query came out worst, the first of equals.

    Args:
        ranks: with one query of the kind for each text.
        owner: [texts] row of the example of each text.
        place: the example.
        kind: of the queries that the texts are.
    """
    own = np.flatnonzero(owner == place)
    return int(own[np.argmax(ranks[kind][own])])
