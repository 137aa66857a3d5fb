"""Captions made plain before they are tokenized."""

import re

_DELETED = re.compile(r"[,.'!?\"()*#:;~]")
_SPACED = re.compile(r"[-/]")
_MAX_WORDS = 30


def clean_caption(text: str, *, max_words: int = _MAX_WORDS) -> str:
    """Lower-case words with single spaces between them, and no punctuation.

    The rule of ALBEF's data set code (Li et al. 2021), which Co-Attack and SGA also evaluate
    with: lower-case; delete `, . ' ! ? " ( ) * # : ; ~`; turn `-` and `/` into spaces; turn
    `<person>` into `person`; keep the first `max_words` words. Applying it twice changes nothing.

    Args:
        text: one caption, as people wrote it.
        max_words: how many words to keep.

    Returns:
        The cleaned caption; empty if the text holds no word.

    >>> clean_caption("A man's T-shirt,  on a bike.")
    'a mans t shirt on a bike'
    """
    text = _SPACED.sub(" ", _DELETED.sub("", text.lower())).replace("<person>", "person")
    return " ".join(text.split()[:max_words])
