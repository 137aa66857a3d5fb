"""A corpus made ready for text attacks: with its candidate table."""

from mat_jax.data.cache import folder
from mat_jax.data.candidates import Substitutes, WordTokenizer
from mat_jax.data.corpus import Corpus


def attackable(
    corpus: Corpus,
    substitutes: Substitutes | None,
    tokenizer: WordTokenizer,
    *,
    progress: bool = False,
) -> Corpus:
    """The corpus with the candidates that `substitutes` asks for.

    Args:
        corpus: prepared, and cut to what is attacked.
        substitutes: masked language model, number of candidates, constraint; None for none.
        tokenizer: the victim's.
        progress: show a progress bar.

    Raises:
        ValueError: the truthful constraint on data that does not know what is true.
    """
    if substitutes is None:
        return corpus
    table = substitutes.build(corpus, tokenizer, cache=folder("candidates"), progress=progress)
    return corpus.with_words(table)
