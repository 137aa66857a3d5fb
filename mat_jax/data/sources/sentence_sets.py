"""Entailed sentences with further texts of their picture: what MAVA attacks and trains on."""

from dataclasses import dataclass

import numpy as np

from mat_jax.data.sources.entailment_rows import Entailments
from mat_jax.data.sources.retrieval import RetrievalJson
from mat_jax.types.arrays import Example
from mat_jax.types.sources import VERDICTS

TEXTS = 5  # of a set, the sentence and four captions


@dataclass(frozen=True, kw_only=True, eq=False)
class EntailedSets:
    """A picture with a sentence that follows from it, and captions of the same picture.

    Args:
        pairs: the sentences, of which only those that follow are kept.
        rows: which of them these are.
        texts: of each, the sentence first.
    """

    pairs: Entailments
    rows: tuple[int, ...]
    texts: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        """Of the sentences."""
        return f"{self.pairs.name}, entailed"

    @property
    def form(self) -> str:
        """Of the files, in words."""
        return f"{self.pairs.form}, sets of {len(self.texts[0])} texts"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int, /) -> Example:
        place = range(len(self))[index]
        return Example(self.pairs[self.rows[place]].image, self.captions(place), place)

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The texts of one set, the sentence first."""
        return self.texts[index]

    def label(self, index: int, /) -> int:
        """All follow."""
        return self.pairs.label(self.rows[index])

    def picture(self, index: int, /) -> int:
        """A number of the picture: sets of one picture have the same."""
        return self.pairs.picture(self.rows[index])


def entailed_sets(
    pairs: Entailments, captions: RetrievalJson, *, texts: int = TEXTS
) -> EntailedSets:
    """The entailed sentences of SNLI-VE, each with captions of its picture.

    MAVA's paper names SNLI-VE and does not say how its pairs are put together. Its program keeps
    entailed pairs alone, and gives SGA sets of five texts: the sentence and four captions of
    Flickr30k. Which four the notes leave open; here they are the first ones that are not the
    sentence itself. The task judges the sentence alone (`Evaluation.captions`).

    Args:
        pairs: sentences with verdicts (`entailment_json`).
        captions: of the same pictures, found by the name of their file (`retrieval_json`).
        texts: of each set.

    Raises:
        ValueError: no sentence follows, or a picture has too few captions.
    """
    if texts < 1:
        raise ValueError(f"texts={texts} leaves no sentence; give 1 or more, {TEXTS} as published")
    follows = VERDICTS.index("entailment")
    rows = tuple(np.flatnonzero(np.array(pairs.verdicts) == follows).tolist())
    if not rows:
        raise ValueError(f"{pairs.name!r} has no sentence that follows from its picture")
    known = {path.name: own for path, own in zip(captions.paths, captions.texts, strict=True)}
    sets = []
    for row in rows:
        name, sentence = pairs.paths[row].name, pairs.sentences[row]
        others = [text for text in known.get(name, ()) if text != sentence][: texts - 1]
        if len(others) < texts - 1:
            raise ValueError(
                f"the picture {name!r} has {len(others)} captions in {captions.name!r}, and a set "
                f"of {texts} texts needs {texts - 1}: give captions of all pictures, or fewer texts"
            )
        sets.append((sentence, *others))
    return EntailedSets(pairs=pairs, rows=rows, texts=tuple(sets))
