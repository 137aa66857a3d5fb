"""The worst case over several attacks, cheap to dear, each only on what still stands.

A threat model says what an adversary may do; an attack is one way to do it. What a model withstands
is what it withstands of all of them (Croce & Hein, ICML 2020, section 6, for one image and its
label). Retrieval has queries in the place of labels: Q_i is image i with its captions as answers,
and each of its captions with the image as answer. And it has a gallery G, an adversarial point
(image and captions) for each image, in which every query q has a rank r_q(G).

With G_0 the clean gallery and b_i the point kept of image i, attack m = 1, 2, ... sees

    w_q  = max_{n < m} r_q(G_n)                      the worst rank of a query so far
    S_m  = { i : w_q = 1 for some q in Q_i }         the images of which a query still stands
    G_m  = { attack_m(i) : i in S_m } and { b_i : i not in S_m }

and then, of image i's points, b_i is the one under which most of its queries had fallen, ties by
the sum of their ranks: the largest (#{q in Q_i : r_q(G) > 1}, sum_q r_q(G)) over the galleries G
it was in. The worst-case R@k is the share of queries with w_q <= k over all galleries. It is never
above the R@k of any of them. The adversary may so choose another gallery for each query; what is
left where all queries meet in the one gallery of the b_i is reported beside it.

For k above 1 that share is too high: an image whose query stands at rank 2 is in no S_m, so nothing
pushes it beyond k. It is as attacked for k only where the same images would have been attacked for
it: where { i : w_q <= k for some q in Q_i } is S_m for every member m. `in_turn` says for which k
it was so; for the others no number is given. The maximum over attacks that were each run on all
images needs no such care.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from mat_jax.attacks.registry import ATTACKS
from mat_jax.attacks.threat import ThreatModel
from mat_jax.utils.spelling import meant


class Member(NamedTuple):
    """An attack of an ensemble and how hard it tries; what it may do, the threat model says."""

    attack: str
    steps: int = 10
    restarts: int = 1

    def threat(self, threat: ThreatModel) -> ThreatModel:
        """The same threat with the member's steps, and each attack's own step size.

        For an attack on captions alone eps is 0: one compiled program serves every eps.
        """
        eps = threat.eps if ATTACKS[self.attack].on_images else 0.0
        return replace(threat, eps=eps, steps=self.steps, restarts=self.restarts, step_size=None)


# Cheap to dear, as `cost.passes` counts. The fused ones are left out where a model does not fuse.
ENSEMBLES: dict[str, tuple[Member, ...]] = {
    "quick": (
        Member("bert_attack"),
        Member("co_attack", 10),
        Member("match", 10),
        Member("verdict", 10),
        Member("answer", 10),
        Member("exhaustive", 10),
        Member("sga", 10),
    ),
    "standard": (
        Member("bert_attack"),
        Member("co_attack", 20),
        Member("match", 20),
        Member("verdict", 20),
        Member("answer", 20),
        Member("exhaustive", 20),
        Member("apgd", 50),
        Member("apgd_margin", 50),
        Member("sga", 20),
    ),
    "thorough": (
        Member("bert_attack"),
        Member("co_attack_fused", 50),
        Member("co_attack", 50, 2),
        Member("match", 50, 2),
        Member("verdict", 50, 2),
        Member("answer", 50, 2),
        Member("exhaustive", 50, 2),
        Member("vlp_attack", 20),
        Member("dra", 20),
        Member("sa_aet", 20),
        Member("apgd", 100, 3),
        Member("apgd_margin", 100, 3),
        Member("sga", 50, 2),
        Member("square", 100),
    ),
    # Of classification: AutoAttack's "standard" and "rand" (Croce & Hein 2020), as released.
    "autoattack": (
        Member("apgd_ce", 100),
        Member("apgd_targeted", 100),
        Member("fab_targeted", 100),
        Member("square_margin", 100),
    ),
    # The first two of them, with which FARE measures zero-shot (arXiv:2402.12336, as our sheet of
    # facts has it from memory).
    "fare": (
        Member("apgd_ce", 100),
        Member("apgd_targeted", 100),
    ),
    "autoattack_rand": (
        Member("apgd_ce_rand", 100),
        Member("apgd_dlr_rand", 100),
    ),
}


def require_suite(suite: str) -> None:
    """One clear sentence for a suite that does not exist."""
    if suite not in ENSEMBLES:
        near = meant(suite, ENSEMBLES)
        raise ValueError(f"unknown suite {suite!r}{near}; choose from {', '.join(ENSEMBLES)}")


def members(
    suite: str, *, norm: str, fuses: bool, allows: Callable[[str], bool]
) -> tuple[Member, ...]:
    """The members of a suite that there are in a norm, for a task and a model.

    Args:
        suite: its name.
        norm: of the image attacks.
        fuses: whether the model reads image and text together.
        allows: whether an attack makes sense for the task.

    Raises:
        ValueError: a suite that does not exist, or has nothing for the task.
    """
    require_suite(suite)
    made_for = [member for member in ENSEMBLES[suite] if allows(member.attack)]
    if not made_for:
        raise ValueError(
            f"the suite {suite!r} has no attack that is made for this task: name another, or none"
        )
    return tuple(
        member
        for member in made_for
        if norm in ATTACKS[member.attack].norms and (fuses or not ATTACKS[member.attack].fuses)
    )


Damage = Int[np.ndarray, "examples 2"]


def standing(
    places: Int[np.ndarray, " queries"],
    owner: Int[np.ndarray, " queries"],
    examples: int,
    k: int = 1,
) -> Bool[np.ndarray, " examples"]:
    """Examples of which a query still has rank k or less.

    Args:
        places: the worst rank of each query so far.
        owner: the example each query belongs to; of an image in retrieval, the image's own query
            and those of its captions.
        examples: how many there are.
        k: 1 asks who still stands first.
    """
    return np.bincount(owner, weights=places <= k, minlength=examples) > 0


def damage(
    places: Int[np.ndarray, " queries"], owner: Int[np.ndarray, " queries"], examples: int
) -> Damage:
    """What a gallery does to each example: how many queries fall, and the sum of their ranks."""

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, weights=values, minlength=examples).astype(np.int64)

    return np.stack([total(places > 1), total(places)], axis=1)


def worse(one: Damage, other: Damage) -> Bool[np.ndarray, " examples"]:
    """For which examples one damage is the larger: more queries fall, or as many and deeper."""
    equal = one[:, 0] == other[:, 0]
    return (one[:, 0] > other[:, 0]) | (equal & (one[:, 1] > other[:, 1]))


class State(NamedTuple):
    """The worst case so far: the worst rank of every query, and the point kept of each example.

    `points` is whatever the caller keeps of a gallery; it is only handed back.
    """

    places: Int[np.ndarray, " queries"]
    points: Any
    damage: Damage


# `merge(points, others, rows) -> points` with those of the examples `rows` taken from `others`.
Merge = Callable[[Any, Any, Int[np.ndarray, " rows"]], Any]


def updated(
    state: State | None,
    points: Any,
    places: Int[np.ndarray, " queries"],
    owner: Int[np.ndarray, " queries"],
    examples: int,
    merge: Merge,
) -> State:
    """The worst case after one more gallery, of these points, in which queries had these ranks."""
    now = damage(places, owner, examples)
    if state is None:
        return State(places, points, now)
    more = worse(now, state.damage)
    return State(
        np.maximum(state.places, places),
        merge(state.points, points, np.flatnonzero(more)),
        np.where(more[:, None], now, state.damage),
    )


def in_turn(
    members: Sequence[Member],
    state: State,
    owner: Int[np.ndarray, " queries"],
    *,
    craft: Callable[[Member, np.ndarray, Any], Any],
    judge: Callable[[Any], np.ndarray],
    merge: Merge,
    depths: tuple[int, ...] = (1,),
) -> tuple[State, tuple[int, ...], tuple[int, ...]]:
    """Run attacks one after another, each on the examples of which a query still stands.

    Args:
        members: in their order.
        state: where to start: the clean gallery, and what else was measured (`updated`).
        owner: the example each query belongs to.
        craft: `(member, rows, points) -> points`, those of the examples `rows` made anew.
        judge: `points -> [queries]`, the ranks in the gallery of these points.
        merge: see `Merge`.
        depths: the k of R@k that are wanted.

    Returns:
        The worst case after the last member; how many examples each had to attack; and of `depths`
        those for which the same examples would have been attacked.
    """
    attacked, examples = [], len(state.damage)
    for member in members:
        rows = np.flatnonzero(standing(state.places, owner, examples))
        deeper = [int(standing(state.places, owner, examples, k).sum()) for k in depths]
        # Whoever stands first stands among the first k, so equal numbers are equal examples.
        depths = tuple(k for k, count in zip(depths, deeper, strict=True) if count == len(rows))
        attacked.append(len(rows))
        if len(rows):
            gallery = craft(member, rows, state.points)
            state = updated(state, gallery, judge(gallery), owner, examples, merge)
    return state, tuple(attacked), depths
