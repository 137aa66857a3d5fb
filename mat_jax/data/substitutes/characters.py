"""Captions one typing error away: a table of character edits, in the form of word substitutes.

A caption of n characters has 2 n + 1 positions: its characters, and the gaps around them. At each
a character may be put (in a gap: inserted), or, at a character, taken away: every caption at
Levenshtein distance 1 over the alphabet of cleaned captions. Each such edit is a substitute of
one word, so all that carries substituted words carries these; an edit of the space between two
words makes one word of them.
"""

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from mat_jax.data.clean import clean_caption
from mat_jax.data.substitutes.candidates import Vocabulary
from mat_jax.types.arrays import Words
from mat_jax.types.protocols import Tokenizer

# What a position may become. The first is how a position is tried out; "" takes it away.
CHARACTERS = (" ", "", *"abcdefghijklmnopqrstuvwxyz0123456789")


@dataclass(frozen=True)
class CharacterTable:
    """Captions as words, with their edits; a `corpus.CandidateTable`.

    Substitute `place * len(CHARACTERS) + c` of a word is the edit that puts `CHARACTERS[c]` at one
    place of it. Place 0 is the space after the word: there the next word is swallowed.

    Attributes:
        vocabulary: every word and edited word, as text.
        parts: their ids under the victim's tokenizer, 0 past the end.
        lengths: how many ids each has.
        captions: the words of each caption, -1 past the end.
        edits: what becomes of one word at one place, by character, -1 for no edit.
        places: the rows of `edits` of each word of each caption, -1 for no place.
    """

    vocabulary: tuple[str, ...]
    parts: Int[np.ndarray, "vocabulary parts"]
    lengths: Int[np.ndarray, " vocabulary"]
    captions: Int[np.ndarray, "captions words"]
    edits: Int[np.ndarray, "edits characters"]
    places: Int[np.ndarray, "captions words places"]

    def __len__(self) -> int:
        return len(self.captions)

    def take(self, rows: Int[np.ndarray, "*lead"]) -> Words:
        """The captions `rows` as `types.arrays.Words`; row -1 is a caption without words."""
        rows = np.asarray(rows)
        absent = rows < 0
        captions = np.where(absent[..., None], -1, self.captions[rows])
        places = np.where(absent[..., None, None], -1, self.places[rows])
        edits = np.where(places[..., None] < 0, -1, self.edits[places])
        return Words(*self._ids(captions), *self._ids(edits.reshape(*captions.shape, -1)))

    def caption(self, row: int, choice: Sequence[int] | np.ndarray | None = None) -> str:
        """The cleaned caption with edit `choice[w]` at word w, -1 for none."""
        words = [int(word) for word in self.captions[row] if word >= 0]
        chosen = [-1] * len(words) if choice is None else [int(c) for c in choice[: len(words)]]
        found, slot = [], 0
        while slot < len(words):
            place, character = divmod(chosen[slot], len(CHARACTERS))
            if chosen[slot] < 0:
                found.append(self.vocabulary[words[slot]])
            else:
                edit = self.edits[self.places[row, slot, place], character]
                found.append(self.vocabulary[edit])
                slot += int(place == 0)
            slot += 1
        return " ".join(found)

    def _ids(self, indices: np.ndarray) -> tuple[Any, Any]:
        there = indices >= 0
        lengths = np.where(there, self.lengths[indices], 0).astype(np.int32)
        return np.where(there[..., None], self.parts[indices], 0).astype(np.int32), lengths


def build_characters(
    captions: Sequence[str],
    tokenizer: Tokenizer,
    *,
    positions: int | None = 50,
    seed: int = 0,
    known: Collection[str] | None = None,
) -> CharacterTable:
    """List the character edits of captions, tokenized for a victim.

    Edits that cleaning undoes (a space beside a space) or that leave no word are none. Capital
    letters and punctuation, which LEAF also tries, do not survive cleaning.

    Args:
        captions: as people wrote them.
        tokenizer: the victim's.
        positions: how many positions of a caption are open, drawn at random (LEAF's rho); None
            for all.
        seed: of that draw. It depends on the caption's text, not on its place in the list.
        known: English words. Then an edit is kept only if the word it changes is one of them and
            nothing it leaves is: LEAF's constraint that no new word comes in. None keeps all.

    Raises:
        ValueError: no captions, a caption without words, or `positions` below 1.
    """
    if positions is not None and positions < 1:
        raise ValueError(f"positions {positions} must be 1 or more, or None for all")
    texts = [clean_caption(caption) for caption in captions]
    if not texts or not all(texts):
        raise ValueError("every caption must hold a word, and there must be one at least")
    maker = _Edits(tokenizer, None if known is None else frozenset(known))
    rows = {text: maker.places(text, positions, seed) for text in dict.fromkeys(texts)}
    slots = max(len(row) for row in rows.values())
    width = max(len(places) for row in rows.values() for places in row)
    table = np.full((len(texts), slots), -1, np.int32)
    places = np.full((len(texts), slots, width), -1, np.int32)
    for index, text in enumerate(texts):
        words = text.split()
        table[index, : len(words)] = [maker.vocabulary.index(word) for word in words]
        for slot, found in enumerate(rows[text]):
            places[index, slot, : len(found)] = found
    edits = np.array(maker.rows, np.int32).reshape(-1, len(CHARACTERS))
    return CharacterTable(*maker.vocabulary.arrays(), table, edits, places)


@dataclass(frozen=True)
class Typos:
    """What an experiment names as its `substitutes` where typing errors are the attack.

    Args:
        positions: as for `build_characters`, LEAF's rho; None for all.
        known: English words, for LEAF's constraint that no new one comes in; None keeps all edits.
        seed: of the positions.
    """

    positions: int | None = 50
    known: frozenset[str] | None = None
    seed: int = 0

    def build(self, corpus: Any, tokenizer: Tokenizer, **_: Any) -> CharacterTable:
        """The edits of a corpus's captions; quick enough not to be cached."""
        return build_characters(
            corpus.caption_list,
            tokenizer,
            positions=self.positions,
            seed=self.seed,
            known=self.known,
        )


class _Edits:
    """Edits of words met so far, each made once."""

    def __init__(self, tokenizer: Tokenizer, known: frozenset[str] | None) -> None:
        self.vocabulary = Vocabulary(tokenizer)
        self.known = known
        self.rows: list[list[int]] = [[-1] * len(CHARACTERS)]
        self.made: dict[tuple[str, int], int] = {}

    def places(self, text: str, positions: int | None, seed: int) -> list[list[int]]:
        """For each word of a caption the rows of its open places; the first is its space's."""
        words = text.split()
        # A position is (word, place): -1 the space after it, 2 i a gap, 2 i + 1 a character.
        every = [(w, p) for w, word in enumerate(words) for p in range(-1, 2 * len(word) + 1)]
        every.remove((len(words) - 1, -1))
        if positions is not None and positions < len(every):
            draw = np.random.default_rng([seed, zlib.crc32(text.encode())])
            chosen = draw.choice(len(every), positions, replace=False)
            every = [every[i] for i in sorted(chosen)]
        found: list[list[int]] = [[-1] for _ in words]
        for w, place in every:
            if place < 0:
                found[w][0] = self._row(f"{words[w]} {words[w + 1]}", 2 * len(words[w]) + 1)
            else:
                found[w].append(self._row(words[w], place))
        return found

    def _row(self, text: str, place: int) -> int:
        """The row of the edits of a word, or of two with the space between them, at one place."""
        if (text, place) not in self.made:
            self.made[text, place] = len(self.rows)
            self.rows.append([self._edit(text, place, new) for new in CHARACTERS])
        return self.made[text, place]

    def _edit(self, text: str, place: int, new: str) -> int:
        at, gap = place // 2, place % 2 == 0
        # What a character already is, is taken away instead.
        new = "" if not gap and text[at] == new else new
        edited = clean_caption(text[:at] + new + text[at if gap else at + 1 :])
        if edited in ("", text) or not self._allowed(text, edited):
            return -1
        index = self.vocabulary.index(edited)
        return index if self.vocabulary.parts[index] else -1

    def _allowed(self, text: str, edited: str) -> bool:
        if self.known is None:
            return True
        return not self.known.isdisjoint(text.split()) and self.known.isdisjoint(edited.split())
