"""Captions made plain before they are tokenized."""

import re

_DELETED = re.compile(r"[,.'!?\"()*#:;~]")
_SPACED = re.compile(r"[-/]")
_BLIP_SPACED = re.compile(r"[.!\"()*#:;~]")
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


def clean_blip_caption(text: str, *, max_words: int = 50) -> str:
    """Lower-case words with single spaces between them, as BLIP's data set code has it.

    The rule of Li et al. 2022, for BLIP's own figures: lower-case; turn `. ! " ( ) * # : ; ~`
    into spaces; keep the first `max_words` words. Commas, apostrophes, hyphens and question marks
    stay where they are, so a word may carry one: word attacks use `clean_caption`, for every
    model. Applying it twice changes nothing.

    >>> clean_blip_caption("A man's T-shirt,  on a bike.")
    "a man's t-shirt, on a bike"
    """
    return " ".join(_BLIP_SPACED.sub(" ", text.lower()).split()[:max_words])
