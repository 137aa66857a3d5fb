"""A corpus made ready for text attacks: with its candidate table."""

from typing import Any

from mat_jax.data.corpus import Corpus
from mat_jax.types.protocols import Tokenizer
from mat_jax.utils.cache import folder


def attackable(
    corpus: Corpus,
    substitutes: Any,
    tokenizer: Tokenizer,
    *,
    progress: bool = False,
) -> Corpus:
    """The corpus with the candidates that `substitutes` asks for.

    Args:
        corpus: prepared, and cut to what is attacked.
        substitutes: a `Substitutes`, or what has its `build`; None for none.
        tokenizer: the victim's.
        progress: show a progress bar.

    Raises:
        ValueError: the truthful constraint on data that does not know what is true.
    """
    if substitutes is None:
        return corpus
    table = substitutes.build(corpus, tokenizer, cache=folder("candidates"), progress=progress)
    return corpus.with_words(table)
