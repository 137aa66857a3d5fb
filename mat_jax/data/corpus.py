"""Images and captions ready to be batched: tokens and word tables made, pixels on demand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from mat_jax.data.clean import clean_caption
from mat_jax.data.images import Fit
from mat_jax.data.pixels import Originals, Partners
from mat_jax.types.arrays import Batch, GivenAnswers, Tokens, Words
from mat_jax.types.protocols import Tokenizer
from mat_jax.types.sources import (
    HasAnswers,
    HasLabels,
    HasPartnerCaptions,
    HasPartnerImages,
    Source,
)
from mat_jax.types.text_format import TextFormat

CACHE_BYTES = 1 << 30  # decoded images are kept in memory up to this much


@runtime_checkable
class CandidateTable(Protocol):
    """What a corpus asks of a candidate table: `data.substitutes.candidates.WordTable` is one."""

    def __len__(self) -> int:
        """How many captions it has; a row each, image by image."""
        ...

    def take(self, rows: Int[np.ndarray, "*lead"], /) -> Words:
        """The words of these rows, as numpy arrays; row -1 has none."""
        ...

    def caption(self, row: int, choice: Any, /) -> str:
        """The caption as text with substitute `choice[w]` at word w, -1 where the word stays."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """A source whose captions are tokenized, and whose images come at one size.

    Captions are held one a row, image by image; `rows[i, m]` is the row of caption m of image i,
    -1 where the image has fewer captions than others. Such an absent caption comes as an empty
    one (`start end`) with `present` False.

    A corpus with partners has more texts an image: of `texts[i]` the first `own[i]` are its own
    captions, and `partner_texts[i]` are the places of its partners, some of which may be own
    captions as well. `pictures` are its partner pictures. Both are None without such partners.
    """

    source: Source
    image_size: int
    texts: tuple[tuple[str, ...], ...]
    rows: Int[np.ndarray, "images captions"]
    tokens: Tokens  # [rows + 1, length]; the last row is the empty caption
    table: CandidateTable | None = None
    labels: Int[np.ndarray, " images"] | None = None  # where the source has `label(i)`
    answers: GivenAnswers | None = None  # [images, answers, ...], where the source has them
    own: Int[np.ndarray, " images"]
    partner_texts: tuple[tuple[int, ...], ...] | None = field(default=None, repr=False)
    images: Originals = field(repr=False)
    pictures: Partners | None = field(default=None, repr=False)

    @classmethod
    def prepare(
        cls,
        source: Source,
        tokenizer: Tokenizer,
        *,
        image_size: int,
        fit: Fit = "crop",
        captions_per_image: int | None = None,
        words: CandidateTable | None = None,
        partners: bool = False,
    ) -> "Corpus":
        """Tokenize all captions of a source; images are decoded when first asked for.

        Args:
            source: where images and captions come from.
            tokenizer: the tokenizer of the model that will read the captions.
            image_size: side of the square images, in pixels.
            fit: how images become squares: what `data.resize` calls the model's way.
            captions_per_image: keep at most so many captions of each image, the first ones;
                None keeps all.
            words: substitution candidates, one row for each caption of the result's
                `caption_list`; None where no text is attacked, or `with_words` follows.
            partners: take the partners of the source too, where it has some; without, nothing of
                them is seen.

        Raises:
            ValueError: an empty source, a caption without words, or a table of other captions.
        """
        if captions_per_image is not None and captions_per_image < 1:
            raise ValueError(
                f"captions_per_image={captions_per_image} leaves no caption; give at least 1, "
                "or None for all"
            )
        if not len(source):
            raise ValueError(f"the source {source.name!r} is empty; expected at least one image")
        images = Originals(source, image_size, fit, CACHE_BYTES)
        texts = tuple(
            _checked(images.captions(i)[:captions_per_image], i, source.name)
            for i in range(len(source))
        )
        own = np.array([len(t) for t in texts], dtype=np.int32)
        partner_texts = pictures = None
        if partners:
            texts, partner_texts = _with_partners(source, texts)
            pictures = _pictures(source, image_size, fit, CACHE_BYTES - images.store.kept)
        counts = np.array([len(t) for t in texts], dtype=np.int32)
        slots = np.arange(counts.max(), dtype=np.int32)[None, :]
        first = (np.cumsum(counts) - counts)[:, None].astype(np.int32)
        rows = np.where(slots < counts[:, None], first + slots, np.int32(-1))
        # Each text once: the prompts of ImageNet's classes come a million times.
        flat = [text for captions in texts for text in captions]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(flat))}
        places = np.array([numbers[text] for text in flat])
        tokens = jax.tree.map(lambda x: np.asarray(x)[places], tokenizer(list(numbers)))
        corpus = cls(
            source=source,
            image_size=image_size,
            texts=texts,
            rows=rows,
            tokens=_with_empty(tokens, tokenizer.text_format),
            labels=_labels(source),
            answers=_answers(source, tokenizer),
            own=own,
            partner_texts=partner_texts,
            images=images,
            pictures=pictures,
        )
        return corpus if words is None else corpus.with_words(words)

    def with_words(self, table: CandidateTable) -> "Corpus":
        """The same corpus with substitution candidates, one row for each of `caption_list`."""
        have, want = len(table), len(self.tokens.ids) - 1
        if have != want:
            raise ValueError(
                f"the candidate table has {have} captions, the corpus {self.name!r} has {want}; "
                "build the table from corpus.caption_list"
            )
        return replace(self, table=table)

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def caption_count(self) -> int:
        """Captions of the image that has the most, partners among them."""
        return self.rows.shape[1]

    def reach(self, changes: int) -> Int[np.ndarray, " rows"]:
        """Ids that each caption may have after so many changed words, start and end included.

        The last row is the empty caption's. It is an upper bound: each changed word may have as
        many ids as any in the table.
        """
        more = 0
        if changes and self.table is not None:
            more = changes * (self.table.take(np.zeros(1, int)).parts.shape[-1] - 1)
        return np.minimum(np.asarray(self.tokens.mask).sum(axis=1) + more, self.text_length)

    @property
    def text_length(self) -> int:
        """Ids of a text, with what pads it."""
        return self.tokens.ids.shape[1]

    @property
    def caption_list(self) -> list[str]:
        """All captions, image by image: the row order of the candidate table."""
        return [text for captions in self.texts for text in captions]

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of one image, then its partners."""
        return self.texts[index]

    def adversarial_caption(
        self, index: int, caption: int, choice: Sequence[int] | Int[np.ndarray | Array, " words"]
    ) -> str:
        """Caption number `caption` of an image with the chosen substitutes, as text.

        Args:
            index: position of the image.
            caption: which of its captions.
            choice: for each word slot the substitute, -1 for none, as in `Adversarial.choice`.
        """
        if self.table is None:
            return self.texts[index][caption]
        return self.table.caption(int(self.rows[index, caption]), np.asarray(choice))

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of one image at the size of the corpus."""
        return self.images.get(index)[0]

    def batch(
        self,
        indices: Sequence[int] | Int[np.ndarray, " batch"],
        slots: Int[np.ndarray, "batch captions"] | None = None,
        pictures: Int[np.ndarray, "batch pictures"] | None = None,
    ) -> Batch:
        """Put images and captions together as one batch of numpy arrays.

        Args:
            indices: positions of the images.
            slots: which captions of each image, -1 for an absent one; None takes all.
            pictures: which partner pictures of each image, -1 for the image itself once more; None
                takes none.
        """
        indices = np.asarray(indices, dtype=np.int64)
        rows = self.rows[indices]
        if slots is not None:
            rows = np.where(slots < 0, -1, np.take_along_axis(rows, np.maximum(slots, 0), axis=1))
        pairs = self.images.get_all([int(i) for i in indices])
        # The records are declared as device arrays; until they are sent there they hold numpy.
        ids: Any = np.array([image_id for _, image_id in pairs], dtype=np.int32)
        images: Any = _floats(np.stack([image for image, _ in pairs]))
        present: Any = rows >= 0
        labels: Any = None if self.labels is None else self.labels[indices]
        answers: Any = None if self.answers is None else _rows(self.answers, indices)
        partner_images: Any = None
        if pictures is not None and pictures.shape[1]:
            partner_images = _floats(
                np.stack(
                    [
                        [self.picture(int(i), int(n)) for n in row]
                        for i, row in zip(indices, pictures, strict=True)
                    ]
                )
            )
        return Batch(
            ids=ids,
            images=images,
            tokens=jax.tree.map(lambda x: x[rows], self.tokens),
            present=present,
            words=None if self.table is None else self.table.take(rows),
            labels=labels,
            partner_images=partner_images,
            answers=answers,
        )

    def picture(self, index: int, number: int) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of a partner picture of an image; -1 is the image itself."""
        if number < 0 or self.pictures is None:
            return self.image(index)
        return self.pictures.get(index, number)


def _with_partners(
    source: Source, texts: tuple[tuple[str, ...], ...]
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[int, ...], ...] | None]:
    """Captions with the partners behind them, and where partners are; None if there are none."""
    if not isinstance(source, HasPartnerCaptions):
        return texts, None
    joined = [_joined(own, source.partner_captions(i)) for i, own in enumerate(texts)]
    places = tuple(found for _, found in joined)
    checked = tuple(_checked(both, i, source.name) for i, (both, _) in enumerate(joined))
    return checked, places if any(places) else None


def _joined(
    captions: tuple[str, ...], partners: Sequence[str]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The texts of one image, none of the partners twice, and the places of its partners."""
    texts, known = list(captions), {}
    for place, text in enumerate(captions):
        known.setdefault(clean_caption(text), place)
    places = []
    for text in partners:
        place = known.setdefault(clean_caption(text), len(texts))
        if place == len(texts):
            texts.append(text)
        places.append(place)
    return tuple(texts), tuple(dict.fromkeys(places))


def _pictures(source: Source, size: int, fit: Fit, room: int) -> Partners | None:
    """The partner pictures of a source, if it has some."""
    found = Partners(source, size, fit, room) if isinstance(source, HasPartnerImages) else None
    return found if found is not None and found.counts.any() else None


def _checked(captions: tuple[str, ...], index: int, name: str) -> tuple[str, ...]:
    if not captions:
        raise ValueError(f"image {index} of {name!r} has no caption; give it one or leave it out")
    for text in captions:
        if not clean_caption(text):
            raise ValueError(
                f"image {index} of {name!r} has a caption without words ({text!r}); "
                "give it words or leave it out"
            )
    return captions


def _labels(source: Source) -> Int[np.ndarray, " images"] | None:
    """The class of every image, if the source has classes."""
    if not isinstance(source, HasLabels):
        return None
    return np.array([source.label(i) for i in range(len(source))], np.int32)


def answer_tokens(tokenizer: Tokenizer, answers: Sequence[str]) -> Tokens:
    """Answers framed as `start a_1 ... a_n end`, as short as the longest allows.

    Answers are lower-cased and otherwise left as they are: "t-shirt" keeps its hyphen.
    """
    tokens = tokenizer(answers, clean=lambda text: " ".join(text.lower().split()))
    longest = int(np.asarray(tokens.mask).sum(axis=1).max())
    return jax.tree.map(lambda x: np.asarray(x)[:, :longest], tokens)


def _answers(source: Source, tokenizer: Tokenizer) -> GivenAnswers | None:
    """What people answered to every question, each answer once with its share."""
    if not isinstance(source, HasAnswers):
        return None
    counts = [Counter(source.answers(i)) for i in range(len(source))]
    numbers = {text: n for n, text in enumerate(dict.fromkeys(text for c in counts for text in c))}
    shape = len(counts), max(map(len, counts))
    places, weights = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    for row, given in enumerate(counts):
        places[row, : len(given)] = [numbers[text] for text in given]
        weights[row, : len(given)] = np.array(list(given.values())) / given.total()
    found: Any = weights
    return GivenAnswers(_rows(answer_tokens(tokenizer, list(numbers)), places), found)


def _rows(tree: Any, chosen: np.ndarray) -> Any:
    return jax.tree.map(lambda x: x[chosen], tree)


def _with_empty(tokens: Tokens, text_format: TextFormat) -> Tokens:
    """Tokens with one more row, the empty caption, which index -1 finds."""
    empty = np.full((1, text_format.length), text_format.pad, dtype=np.int32)
    empty[0, :2] = text_format.start, text_format.end
    ids: Any = np.concatenate([np.asarray(tokens.ids, np.int32), empty])
    mask: Any = np.concatenate([np.asarray(tokens.mask), np.arange(text_format.length)[None] < 2])
    return Tokens(ids, mask)


def _floats(pixels: UInt8[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return np.divide(pixels, np.float32(255), dtype=np.float32)
