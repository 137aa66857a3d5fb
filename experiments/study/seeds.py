"""How far trainings of one kind lie apart, where a run was trained once."""

import math
from collections.abc import Sequence

import numpy as np

from experiments.study.saved import Saved, Shelf

# Here a seed changes the first weights too, and trainings lie further apart.
FROM_NOTHING = ("aerial",)


def usual(shelf: Shelf, like: Saved, attacks: Sequence[str]) -> float:
    r"""Standard deviation over trainings that runs with several seeds have, where one has one.

    $$\sqrt{\sum_r \sum_s (v_{rs} - \bar v_r)^2 / \sum_r (n_r - 1)}$$

    over the trained runs r, of $v_{rs}$, the mean under `attacks` of its seed s; 0 where no run has
    several. Runs count whose figures are those of `like`: retrieval's, grounding's or captioning's;
    those that begin from nothing count among themselves.
    """
    squares, freedom = 0.0, 0
    for seeds in shelf.runs.values():
        if any(_from_nothing(one) != _from_nothing(like) for one in seeds):
            continue
        same = [
            one
            for one in seeds
            if one.content["trained"]
            and all(
                one.content["attacks"].get(a, {}).keys()
                == like.content["attacks"].get(a, {}).keys()
                for a in attacks
            )
        ]
        if len(same) > 1:
            values = [np.mean([one.value(a) for a in attacks]) for one in same]
            squares += len(values) * float(np.var(values))
            freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom else 0.0


def _from_nothing(saved: Saved) -> bool:
    return saved.content["study"] in FROM_NOTHING
