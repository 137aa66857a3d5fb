"""BLEU of all captions together (Papineni et al., ACL 2002), as COCO computes it."""

import math
from collections.abc import Sequence

from mat_jax.evaluate.captions.ngrams import LONGEST, Runs, runs

# COCO's guard against division by zero. It is no smoothing: no run right is a BLEU of nearly 0.
TINY, SMALL = 1e-15, 1e-9

Words = Sequence[str]


def bleu_scores(
    written: Sequence[Words], references: Sequence[Sequence[Words]]
) -> tuple[float, ...]:
    r"""BLEU-1 to BLEU-4, each 0 to 1.

    $$\mathrm{BLEU}_n = \min(1, e^{1 - r/c}) \Big(\prod_{k=1}^n
      \frac{\sum_i \mathrm{right}_k(i)}{\sum_i \mathrm{runs}_k(i)}\Big)^{1/n}$$

    A run of k words is right as often as in the one reference that has it most. c is the number of
    words that were written, r the same of the references. The reference that is nearest in length
    counts, of two as near the shorter one (equations 1 to 3, section 2.3).

    Args:
        written: the words of one caption a picture.
        references: the words of the captions of people, at least one a picture.
    """
    right, all_runs = [0] * LONGEST, [0] * LONGEST
    length = wanted = 0
    for words, people in zip(written, references, strict=True):
        length += len(words)
        wanted += min((abs(len(one) - len(words)), len(one)) for one in people)[1]
        for n in range(LONGEST):
            found, most = runs(words, n + 1), Runs()
            for one in people:
                most |= runs(one, n + 1)
            all_runs[n] += found.total()
            right[n] += (found & most).total()
    ratio = (length + TINY) / (wanted + SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, values = 1.0, []
    for n in range(LONGEST):
        product *= (right[n] + TINY) / (all_runs[n] + SMALL)
        values.append(brevity * product ** (1 / (n + 1)))
    return tuple(values)
