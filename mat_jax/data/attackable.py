"""A corpus made ready for text attacks: with its candidate table."""

from pathlib import Path

from mat_jax.data.candidates import Substitutes, WordTokenizer
from mat_jax.data.corpus import Corpus


def attackable(
    corpus: Corpus,
    substitutes: Substitutes,
    tokenizer: WordTokenizer,
    *,
    cache: str | Path | None = None,
    progress: bool = False,
) -> Corpus:
    """The corpus with the candidates that `substitutes` asks for.

    Args:
        corpus: prepared, and cut to what is attacked.
        substitutes: masked language model, number of candidates, constraint.
        tokenizer: the victim's.
        cache: folder in which the language model's proposals are kept.
        progress: show a progress bar.

    Raises:
        ValueError: the truthful constraint on data that does not know what is true.
    """
    table = substitutes.build(corpus, tokenizer, cache=cache, progress=progress)
    return corpus.with_words(table)
