"""How every query came out: the place of its right answer, and what an attack does to that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Ranks:
    """The place of every query's right answer, 1 for the first.

    A task has one or more kinds of queries. Retrieval asks texts of images ("tr") and images of
    texts ("ir"); zero-shot classification asks one class of each image ("top"). A task that knows
    only right and wrong has ranks 1 and 2. Where an answer may be right in part, as a caption is,
    its kind has marks, and rank 1 stands for an answer that is wholly right.

    Attributes:
        places: kind -> [queries] rank of the right answer.
        owners: kind -> [queries] row of the example that each query belongs to.
        answers: kind -> [queries] what stood first, where the task says so.
        errors: number of queries whose own score was not a number.
        marks: kind -> [queries] how right an answer is, 0 to `highest`, where it may be so in part.
        highest: kind -> the highest mark there can be, where that is not 1; CIDEr-D has 10.
        clusters: kind -> [queries] groups of queries that are alike; None is `owners`.
    """

    places: Mapping[str, Int[np.ndarray, " queries"]]
    owners: Mapping[str, Int[np.ndarray, " queries"]]
    answers: Mapping[str, np.ndarray] = field(default_factory=dict)
    errors: int = 0
    marks: Mapping[str, Float[np.ndarray, " queries"]] = field(default_factory=dict)
    highest: Mapping[str, float] = field(default_factory=dict)
    clusters: Mapping[str, Int[np.ndarray, " queries"]] = field(default_factory=dict)

    def __getitem__(self, kind: str) -> Int[np.ndarray, " queries"]:
        """The ranks of one kind of queries."""
        return self.places[kind]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of queries there are."""
        return tuple(self.places)

    @property
    def queries(self) -> int:
        """How many queries there are, of all kinds."""
        return sum(len(ranks) for ranks in self.places.values())

    @property
    def examples(self) -> int:
        """How many examples the queries belong to."""
        return 1 + max(int(owner.max(initial=-1)) for owner in self.owners.values())

    def right(self, kind: str, k: int) -> Float[np.ndarray, " queries"]:
        """What each query gives to the recall: its mark, or 1 where its rank is at most k."""
        if kind in self.marks:
            return self.marks[kind]
        return (self.places[kind] <= k).astype(np.float64)

    def group(self, kind: str) -> Int[np.ndarray, " queries"]:
        """Which queries are alike, so that intervals resample them together."""
        return self.clusters.get(kind, self.owners[kind])

    def recall(self, kind: str, k: int) -> float:
        """Share of the queries of a kind with rank at most k, in [0, 1]; of marks, the mean."""
        return float(np.mean(self.right(kind, k)))

    def mean(self, k: int = 1) -> float:
        """The mean of the recalls of all kinds, in [0, 1]."""
        return sum(self.recall(kind, k) for kind in self.kinds) / len(self.kinds)

    @property
    def flat(self) -> tuple[Int[np.ndarray, " queries"], Int[np.ndarray, " queries"]]:
        """The ranks of all queries, whatever their kind, and the examples they belong to."""
        places = np.concatenate(list(self.places.values()))
        return places, np.concatenate([self.owners[kind] for kind in self.kinds])


def worst(several: Sequence[Ranks]) -> Ranks:
    """The largest rank, or the lowest mark, of each query in several measurements."""
    first = several[0]
    marks = {
        kind: np.minimum.reduce([ranks.marks[kind] for ranks in several]) for kind in first.marks
    }
    worst_ranks = {
        kind: np.maximum.reduce([ranks[kind] for ranks in several]) for kind in first.kinds
    }
    answers = {}
    for kind in first.answers:
        # Of each query the answer of the first measurement in which it came out worst.
        worse = [-ranks.marks[kind] if kind in marks else ranks[kind] for ranks in several]
        which = np.argmax(worse, axis=0)
        table = np.stack([ranks.answers[kind] for ranks in several])
        answers[kind] = np.take_along_axis(table, which[None], axis=0)[0]
    return replace(
        first,
        places=worst_ranks,
        answers=answers,
        errors=max(ranks.errors for ranks in several),
        marks=marks,
    )


def attack_success(clean: Ranks, adv: Ranks, kind: str, k: int) -> tuple[int, int]:
    """Attack success as SGA defines it: of the queries right when clean, how many fail.

    Returns:
        (fallen, right): #{clean rank <= k < adversarial rank} and #{clean rank <= k}; the rate
        is their quotient, and undefined where no query was right to begin with.
    """
    before, after = clean[kind] <= k, adv[kind] <= k
    return int((before & ~after).sum()), int(before.sum())


def drop(clean: Ranks, adv: Ranks, kind: str, k: int) -> float:
    """Attack success as Co-Attack defines it: clean minus adversarial R@k, in [-1, 1]."""
    return clean.recall(kind, k) - adv.recall(kind, k)


def lost_share(clean: Ranks, adv: Ranks, kind: str, k: int) -> float:
    """Share of the clean R@k that is gone: (clean - adversarial) / clean; NaN where clean is 0.

    At most SGA's success rate, which does not credit queries that the attack happens to mend.
    """
    before = clean.recall(kind, k)
    return drop(clean, adv, kind, k) / before if before else float("nan")
