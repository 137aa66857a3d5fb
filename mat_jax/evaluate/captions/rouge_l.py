"""ROUGE-L of a caption: the longest run of words in common, with gaps (Lin, ACL 2004)."""

from collections.abc import Sequence

BETA = 1.2  # how much more recall weighs than precision, in COCO's scores


def rouge_l_score(words: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    r"""$(1 + \beta^2) p r / (r + \beta^2 p)$, 0 to 1.

    p is the longest common subsequence divided by the words that were written, r the same divided
    by the words of a reference. Each is the largest over the references (section 3, with COCO's
    maximum over each of the two by itself).

    Args:
        words: of the caption.
        references: the words of the captions of people, at least one.
    """
    common = [_common(words, one) for one in references]
    # A caption without words counts as one word, as in COCO's program.
    precision = max(common) / max(len(words), 1)
    recall = max(n / max(len(one), 1) for n, one in zip(common, references, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How long the longest common subsequence is."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = row
        row = [0]
        for place, its in enumerate(other):
            row.append(before[place] + 1 if word == its else max(row[place], before[place + 1]))
    return row[-1]
