"""EDA, easy data augmentation (Wei and Zou 2019): four ways of editing the words of a caption."""

from collections.abc import Sequence

import numpy as np

from mat_jax.data.substitutes.stop_words import STOP_WORDS

Options = Sequence[Sequence[str]]  # for each word of a caption, what says the same


def edited(
    caption: str,
    options: Options,
    rng: np.random.Generator,
    *,
    alpha: float = 0.1,
    operation: str | None = None,
) -> str:
    """A caption of l words after one of the four operations, n = max(1, floor(alpha l)) times.

    - `replacement`: n words that have synonyms become one of them;
    - `insertion`: a synonym of any word that has one is put in at any place, n times;
    - `swap`: two words change places, n times;
    - `deletion`: every word goes with probability alpha, but one is always left.

    With alpha = 0 nothing is edited, as in the released code. Function words
    (`data.substitutes.stop_words`) have no synonyms; they are swapped and deleted like others.

    Args:
        caption: cleaned (`data.clean_caption`).
        options: synonyms of each of its words; see `augment.synonyms`.
        rng: what is drawn.
        alpha: share of the words that change, in [0, 1]; the paper advises 0.1.
        operation: one of the four; None draws one.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha} is no share of the words; choose 0 to 1")
    if operation is not None and operation not in OPERATIONS:
        raise ValueError(f"EDA has no {operation!r}; choose one of {', '.join(OPERATIONS)}")
    if not alpha:
        return caption
    words = caption.split()
    known = [
        [] if word in STOP_WORDS else list(own) for word, own in zip(words, options, strict=True)
    ]
    chosen = operation or str(rng.choice(list(OPERATIONS)))
    if chosen == "deletion":
        return " ".join(deletion(words, alpha, rng))
    times = max(1, int(alpha * len(words)))
    if chosen == "swap":
        return " ".join(swap(words, times, rng))
    change = replacement if chosen == "replacement" else insertion
    return " ".join(change(words, known, times, rng))


def replacement(
    words: Sequence[str], options: Options, times: int, rng: np.random.Generator
) -> list[str]:
    """So many of the words that have synonyms, each become one of its own."""
    able = [place for place, own in enumerate(options) if own]
    changed = list(words)
    for place in rng.permutation(able)[:times]:
        changed[int(place)] = str(rng.choice(list(options[int(place)])))
    return changed


def insertion(
    words: Sequence[str], options: Options, times: int, rng: np.random.Generator
) -> list[str]:
    """So many times, a synonym of a word that has one is put in anywhere."""
    able = [list(own) for own in options if own]
    changed = list(words)
    for _ in range(times if able else 0):
        new = str(rng.choice(able[rng.integers(len(able))]))
        changed.insert(int(rng.integers(len(changed) + 1)), new)
    return changed


def swap(words: Sequence[str], times: int, rng: np.random.Generator) -> list[str]:
    """So many times, two words change places."""
    changed = list(words)
    for _ in range(times if len(words) > 1 else 0):
        one, other = map(int, rng.choice(len(changed), 2, replace=False))
        changed[one], changed[other] = changed[other], changed[one]
    return changed


def deletion(words: Sequence[str], share: float, rng: np.random.Generator) -> list[str]:
    """Each word goes with probability `share`; of a caption that would go whole, one stays."""
    kept = [word for word in words if rng.random() >= share]
    return kept or [str(rng.choice(list(words)))]


OPERATIONS = ("replacement", "insertion", "swap", "deletion")
