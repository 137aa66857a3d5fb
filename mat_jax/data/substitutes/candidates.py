"""Candidate tables: for every word of every caption, what an attacker may put in its place.

They depend on a masked language model and the captions, not on the model under attack, so the
host builds them once and keeps them on disk; the victim's tokenizer then turns them into ids.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from mat_jax.data.clean import clean_caption
from mat_jax.data.substitutes.loading import load_language_model, load_model
from mat_jax.data.substitutes.proposals import Alignment, propose
from mat_jax.data.substitutes.similarity import SentenceEncoder, similar
from mat_jax.data.substitutes.truth import Keep, truthful
from mat_jax.types.arrays import Words
from mat_jax.types.protocols import LanguageModel, ReadableTokenizer, Tokenizer
from mat_jax.utils.cache import unwritable


@dataclass(frozen=True)
class WordTable:
    """Captions as words with their substitutes, each word an index into one vocabulary.

    Attributes:
        vocabulary: every word and substitute, as text.
        parts: their ids under the victim's tokenizer, 0 past the end.
        lengths: how many ids each has.
        captions: the words of each caption, -1 past the end.
        substitutes: the substitutes of each word, the likeliest first, -1 past the end.
    """

    vocabulary: tuple[str, ...]
    parts: Int[np.ndarray, "vocabulary parts"]
    lengths: Int[np.ndarray, " vocabulary"]
    captions: Int[np.ndarray, "captions words"]
    substitutes: Int[np.ndarray, "captions words candidates"]

    def __len__(self) -> int:
        return len(self.captions)

    @cached_property
    def words(self) -> Words:
        """All captions as `types.arrays.Words` of numpy arrays, one row a caption."""
        return self.take(np.arange(len(self)))

    def take(self, rows: Int[np.ndarray, "*lead"]) -> Words:
        """The captions `rows` as `types.arrays.Words`; row -1 is a caption without words."""
        absent = np.asarray(rows) < 0
        captions = np.where(absent[..., None], -1, self.captions[rows])
        substitutes = np.where(absent[..., None, None], -1, self.substitutes[rows])
        return Words(*self._ids(captions), *self._ids(substitutes))

    @cached_property
    def attackable(self) -> Int[np.ndarray, " captions"]:
        """How many words of each caption have a substitute; 0 is a caption no attack changes."""
        return np.any(self.substitutes >= 0, axis=-1).sum(axis=-1, dtype=np.int32)

    def caption(self, row: int, choice: Sequence[int] | np.ndarray | None = None) -> str:
        """The cleaned caption with substitute `choice[w]` in the place of word w, -1 for none."""
        words = [int(word) for word in self.captions[row] if word >= 0]
        chosen = [] if choice is None else choice[: len(words)]
        for slot, substitute in enumerate(chosen):
            if substitute >= 0:
                words[slot] = int(self.substitutes[row, slot, substitute])
        return " ".join(self.vocabulary[word] for word in words)

    def _ids(self, indices: np.ndarray) -> tuple[Any, Any]:
        there = indices >= 0
        lengths = np.where(there, self.lengths[indices], 0).astype(np.int32)
        return np.where(there[..., None], self.parts[indices], 0).astype(np.int32), lengths


@dataclass(frozen=True)
class Substitutes:
    """Where substitutes come from: a setting of an experiment.

    Attributes:
        mlm: masked language model, a name or folder for `models.load`.
        candidates: how many of its likeliest words are considered in each place.
        alignment: `fixed`, or `official`: as the released programs have it (`build_words`).
        constraint: `none`; `truthful`: only what leaves the caption true of its picture, for
            sources that know (`scenes`); or `similar`: only what leaves it near the clean caption.
        similarity: for `similar`, the least cosine of the two captions under the encoder.
        encoder: for `similar`, a text model for `models.load`, image-text or BERT. There is no
            default: the model under attack would judge what moves it least to mean the same.
    """

    mlm: str = "scenes-bert"
    candidates: int = 10
    alignment: Alignment = "fixed"
    constraint: Literal["none", "truthful", "similar"] = "none"
    similarity: float = 0.8
    encoder: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in (
            ("alignment", ("fixed", "official")),
            ("constraint", ("none", "truthful", "similar")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is not one of {', '.join(allowed)}"
                )
        if self.constraint == "similar" and self.encoder is None:
            raise ValueError(
                "the similar constraint needs a text model to judge by: give encoder (--encoder), "
                "one that is not under attack"
            )

    def build(
        self,
        corpus: Any,
        tokenizer: Tokenizer,
        *,
        cache: str | Path | None = None,
        progress: bool = False,
    ) -> WordTable:
        """The table of a corpus: `corpus.with_words(substitutes.build(corpus, tokenizer))`."""
        keep = truthful(corpus) if self.constraint == "truthful" else None
        if self.constraint == "truthful" and keep is None:
            raise ValueError(
                "the truthful constraint needs to know what is true of each picture, which "
                f"{corpus.name!r} does not say: use constraint='none', or the scenes data"
            )

        if self.constraint == "similar":
            judge = SentenceEncoder(*load_model(str(self.encoder)))
            keep = similar(corpus, judge, self.similarity)
        mlm, mlm_tokenizer = load_language_model(self.mlm)
        return build_words(
            corpus.caption_list,
            tokenizer,
            mlm,
            mlm_tokenizer,
            candidates=self.candidates,
            alignment=self.alignment,
            keep=keep,
            cache=cache,
            progress=progress,
        )


def build_words(
    captions: Sequence[str],
    tokenizer: Tokenizer,
    mlm: LanguageModel,
    mlm_tokenizer: ReadableTokenizer,
    *,
    candidates: int = 10,
    alignment: Alignment = "fixed",
    keep: Keep | None = None,
    cache: str | Path | None = None,
    progress: bool = False,
) -> WordTable:
    """For each word of each caption, the substitutes a masked language model proposes.

    The model reads the clean caption once, nothing masked, and its `candidates` likeliest tokens
    at the word are the substitutes (BERT-Attack, Li et al. 2020, section 3.2; see
    `proposals.propose`). Dropped are the word itself, word pieces, function words, what is not
    letters, and what the victim's tokenizer cannot tell from the word. Function words, and words
    the victim no longer sees because the caption is too long, get no substitutes. Which words are
    function words, the alignment says: our own list (`stop_words`), or the released programs'
    (`released_stop_words`).

    Args:
        captions: raw or cleaned (`clean_caption`).
        tokenizer: the victim's.
        mlm: `logits(Tokens) -> [n, length, vocabulary]`, for example `models.BertMLM`.
        mlm_tokenizer: its own tokenizer.
        candidates: substitutes a word has at most.
        alignment: `fixed` reads a word's substitutes at the word. `official` reads them one token
            earlier and stops at 30 tokens, as the released Co-Attack and SGA do: the substitutes
            of the word before. A word that is several tokens of the model has up to 24 there,
            whatever `candidates` says. Signs are substitutes too, and the model sees no [SEP].
        keep: asked once with all `(caption index, word index, substitute)`; False drops one.
        cache: folder in which the model's proposals are kept, found again by their content. The
            table is then read from the disk, row by row as it is used.
        progress: show a progress bar.

    Raises:
        ValueError: a caption without words, or settings out of range, in one sentence.
    """
    if candidates < 1:
        raise ValueError(f"candidates {candidates} must be 1 or more")
    texts = [clean_caption(caption) for caption in captions]
    for index, text in enumerate(texts):
        if not text:
            raise ValueError(
                f"caption {index} is {captions[index]!r}, which holds no word: give it a text or "
                "leave it out"
            )
    if not texts:
        raise ValueError("there are no captions to attack: give at least one")
    distinct = list(dict.fromkeys(texts))
    proposed = propose(
        distinct,
        mlm,
        mlm_tokenizer,
        candidates=candidates,
        alignment=alignment,
        cache=cache,
        progress=progress,
    )
    vocabulary = Vocabulary(tokenizer)
    places: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        places.setdefault(text, []).append(index)
    slots = max(len(text.split()) for text in distinct)
    most = max(len(options) for found in proposed for options in found)
    table = _room((len(texts), slots), cache)
    substitutes = _room((len(texts), slots, max(candidates, most)), cache)
    width = candidates
    for text, proposals in zip(distinct, proposed, strict=True):
        words, found = _row(text, proposals, vocabulary, tokenizer.text_format.length)
        first, *others = places[text]
        table[first, : len(words)] = words
        for slot, options in enumerate(found):
            substitutes[first, slot, : len(options)] = options
            width = max(width, len(options))
        table[others], substitutes[others] = table[first], substitutes[first]
    substitutes = substitutes[..., :width]
    if keep is not None:
        _drop(substitutes, vocabulary, keep)
    return WordTable(*vocabulary.arrays(), table, substitutes)


def _room(shape: tuple[int, ...], folder: str | Path | None) -> Int[np.ndarray, "..."]:
    """Room for indices, -1 everywhere: with a folder in a file there, of which only what is used is
    in memory. The file has no name, and ends with the array."""
    if folder is None:
        return np.full(shape, -1, np.int32)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            room = np.memmap(file, np.int32, "w+", shape=shape)
            room[...] = -1
    except OSError as error:
        raise unwritable(Path(folder), error) from error
    return room


def _drop(substitutes: np.ndarray, vocabulary: "Vocabulary", keep: Keep) -> None:
    """Take out what `keep` refuses; the others move up, in their order."""
    places = np.argwhere(substitutes >= 0)
    texts = [vocabulary.texts[i] for i in substitutes[substitutes >= 0]]
    asked = [
        (int(row), int(slot), text) for (row, slot, _), text in zip(places, texts, strict=True)
    ]
    refused = places[~np.asarray(keep(asked), bool)] if asked else places
    substitutes[tuple(refused.T)] = -1
    order = np.argsort(substitutes < 0, axis=-1, kind="stable")
    substitutes[:] = np.take_along_axis(substitutes, order, axis=-1)


def _row(
    text: str, found: list[list[str]], vocabulary: "Vocabulary", length: int
) -> tuple[list[int], list[list[int]]]:
    """One caption in vocabulary indices, with the substitutes of the words the victim sees."""
    words = [vocabulary.index(word) for word in text.split()]
    substitutes, position = [], 0
    for word, options in zip(words, found, strict=True):
        visible = position < length - 2
        position += len(vocabulary.parts[word])
        indices = [vocabulary.index(option) for option in options] if visible else []
        parts = vocabulary.parts
        substitutes.append([i for i in indices if parts[i] and parts[i] != parts[word]])
    return words, substitutes


class Vocabulary:
    """Texts met so far, by number, and their ids under the victim's tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.texts: list[str] = []
        self.parts: list[list[int]] = []
        self.known: dict[str, int] = {}

    def index(self, text: str) -> int:
        """The number of a text, a new one if it is new."""
        if text not in self.known:
            self.known[text] = len(self.texts)
            self.texts.append(text)
            # A substitute of two words ("official" allows it) is its words one after another.
            self.parts.append([i for word in text.split() for i in self.tokenizer.parts(word)])
        return self.known[text]

    def arrays(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """All texts, their ids, 0 past the end, and how many ids each has."""
        lengths = np.array([len(ids) for ids in self.parts], np.int32)
        parts = np.zeros((len(self.parts), max(1, int(lengths.max()))), np.int32)
        for row, ids in enumerate(self.parts):
            parts[row, : len(ids)] = ids
        return tuple(self.texts), parts, lengths
