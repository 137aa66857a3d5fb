"""CIDEr-D: how near a caption is to what most people say (Vedantam et al., CVPR 2015)."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from mat_jax.evaluate.captions.ngrams import LONGEST, Runs, runs

SIGMA = 6.0  # words; how fast a wrong length costs

Words = Sequence[str]
Weights = dict[tuple[str, ...], float]


def cider_d_scores(
    written: Sequence[Words], references: Sequence[Sequence[Words]]
) -> Float[np.ndarray, " pictures"]:
    r"""CIDEr-D of each caption, 0 to 10; COCO's figure is the mean.

    $$10 \cdot \frac{1}{4m} \sum_{n=1}^4 \sum_{j=1}^m e^{-(l - l_j)^2 / 2\sigma^2}
      \frac{\min(g^n, g^n_j) \cdot g^n_j}{\lVert g^n \rVert \lVert g^n_j \rVert}$$

    $g^n$ holds a weight for each run of n words: how often the caption has it, times the logarithm
    of how few pictures have it in a reference (equations 1, 4 and 5). What is rare is counted over
    `references`, so a figure holds for its set of pictures alone; for one picture it is 0.

    Args:
        written: the words of one caption a picture.
        references: the words of the captions of people, at least one a picture.
    """
    seen = Counter[tuple[str, ...]]()  # pictures that have a run
    for people in references:
        seen.update({run for one in people for n in range(LONGEST) for run in runs(one, n + 1)})
    rarity = math.log(len(references)) if references else 0.0

    def weigh(found: Runs) -> Weights:
        return {run: n * (rarity - math.log(max(1, seen[run]))) for run, n in found.items()}

    values = []
    for words, people in zip(written, references, strict=True):
        total = 0.0
        for n in range(LONGEST):
            own = weigh(runs(words, n + 1))
            for one in people:
                # COCO takes the number of pairs of words for the length.
                apart = max(len(words) - 1, 0) - max(len(one) - 1, 0)
                likeness = _likeness(own, weigh(runs(one, n + 1)))
                total += likeness * math.exp(-(apart**2) / (2 * SIGMA**2))
        values.append(10 * total / (LONGEST * len(people)))
    return np.array(values, np.float64)


def _likeness(own: Mapping[tuple[str, ...], float], other: Weights) -> float:
    """The cosine, where no run counts more often than the reference has it."""
    product = sum(min(own[run], other[run]) * other[run] for run in own if run in other)
    length = math.sqrt(sum(x * x for x in own.values()) * sum(x * x for x in other.values()))
    return product / length if length else 0.0
