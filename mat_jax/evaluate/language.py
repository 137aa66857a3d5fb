"""What an attack did to the language: words changed, likeness, truth."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from mat_jax.data import SentenceEncoder
from mat_jax.types.sources import HasOracle


@runtime_checkable
class Gallery(Protocol):
    """Captions, image by image, and the source that may know what is true: a `data.Corpus`."""

    @property
    def source(self) -> object:
        """Where the images are from."""
        ...

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        """The captions of each image."""
        ...


def language_of(
    gallery: Gallery,
    clean: Sequence[str],
    attacked: Sequence[str],
    encoder: SentenceEncoder | None = None,
) -> dict[str, float]:
    """Means over the captions of a gallery.

    - `words_changed`: words put in, taken out or replaced (Levenshtein distance over words);
    - `word_error_rate`: the same, over the words of the clean caption;
    - `similarity`: cosine with the clean caption, where there is an encoder to ask;
    - `true`: share that is true of its picture, where the source knows (`oracle(i)`).

    Args:
        gallery: the captions with their source.
        clean: its captions, cleaned, image by image.
        attacked: the same captions after the attack.
        encoder: a text model not under attack.
    """
    pairs = [(one.split(), other.split()) for one, other in zip(clean, attacked, strict=True)]
    distances = np.array([distance(one, other) for one, other in pairs])
    found = {
        "words_changed": float(distances.mean()),
        "word_error_rate": float(np.mean(distances / [max(len(one), 1) for one, _ in pairs])),
    }
    if encoder is not None:
        found["similarity"] = float(np.mean(encoder.cosines(clean, attacked)))
    if isinstance(gallery.source, HasOracle):
        texts = iter(attacked)
        answers = []
        for index, own in enumerate(gallery.texts):
            true = gallery.source.oracle(index)
            answers += [true(next(texts)) for _ in own]
        found["true"] = float(np.mean(answers))
    return found


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """The fewest insertions, deletions and replacements that turn one sequence into the other."""
    if one == other:
        return 0
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (a != b))
    return row[-1]
