"""Runs of words, and how often each occurs."""

from collections import Counter
from collections.abc import Sequence

LONGEST = 4  # words of a run, in BLEU and in CIDEr

Runs = Counter[tuple[str, ...]]


def runs(words: Sequence[str], length: int) -> Runs:
    """How often each run of `length` words occurs."""
    starts = range(len(words) - length + 1)
    return Counter(tuple(words[start : start + length]) for start in starts)
