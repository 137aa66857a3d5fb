"""The stream of training batches."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from mat_jax.data.corpus import Corpus
from mat_jax.data.mending import Draw, Mended, Mender
from mat_jax.types.arrays import Batch
from mat_jax.types.text_format import cut_length

SHORTEST = 32  # ids of a training text; almost all captions fit, and so there are few programs


@runtime_checkable
class Batches(Protocol):
    """Batches without end, whose position can be kept and gone back to: grain's iterator."""

    def __iter__(self) -> "Batches": ...

    def __next__(self) -> Batch: ...

    def get_state(self) -> Any:
        """The position, a JSON value."""
        ...

    def set_state(self, state: Any, /) -> None:
        """Go to a position."""
        ...


@runtime_checkable
class Replaces(Protocol):
    """Batches that know how many of their examples another took the place of."""

    @property
    def replaced(self) -> int:
        """How many, in the batches handed out so far."""
        ...


def training_batches(
    corpus: Corpus,
    *,
    batch_size: int,
    seed: int,
    captions: int | None = 1,
    images: int = 0,
    threads: int = 2,
    ahead: int = 4,
    rows: Sequence[int] | None = None,
    skip_bad: bool = False,
    changes: int | None = None,
) -> Batches:
    """Endless batches of a corpus: every image once an epoch, in a new order each epoch.

    Batches run across the end of an epoch, so none is smaller and no image is left out. Which
    batch comes when depends only on the corpus, `batch_size`, `captions`, `images` and `seed`: the
    iterator's `get_state()` is its position, and `set_state()` goes there.

    Of a corpus with partner texts the first text of an image is a caption of its own, the one
    that would be drawn without partners, and all others are partners. An image with fewer partner
    pictures than asked for comes again itself.

    Args:
        corpus: prepared images and captions.
        batch_size: images in a batch.
        seed: decides the order, and which captions and partners are drawn.
        captions: texts drawn of an image at each visit, without repetition; None takes all, in
            their order; of a corpus with partners one of its own, and all its partners.
        images: partner pictures drawn of an image at each visit, without repetition.
        threads: threads that prepare batches.
        ahead: batches prepared before they are asked for.
        rows: which rows of every batch are read here, where several processes read a part each;
            None for all. The batches are the same ones, and so are positions in the stream.
        skip_bad: an image that cannot be read is named once on stderr, and the next readable one
            takes its place; the result is `Replaces`. Else the error ends the stream.
        changes: words of a caption that an attack may change; texts are then cut where nothing can
            stand in any of the batch, in steps of few lengths (`cut_length`). None cuts none.

    Returns:
        A grain iterator of `Batch`, of numpy arrays with `captions` captions an image and
        `images` partner pictures.
    """
    if not 1 <= batch_size <= len(corpus):
        raise ValueError(
            f"batch_size={batch_size} does not suit {corpus.name!r} with {len(corpus)} images; "
            f"give 1 to {len(corpus)}"
        )
    if captions is not None and captions < 1:
        raise ValueError(f"captions={captions} leaves no caption; give at least 1, or None for all")
    if images < 0:
        raise ValueError(f"images={images} partner pictures: give 0 or more")
    if images and corpus.pictures is None:
        raise ValueError(
            f"images={images} asks for partner pictures and {corpus.name!r} has none: make some "
            "with python -m mat_jax.augment, or give images=0"
        )

    import grain  # here, because it is slow to import: it brings orbax

    partners = corpus.partner_texts
    most = captions or 1 + max(map(len, partners or ()), default=0)

    def draw(index: int, rng: np.random.Generator) -> Draw:
        if captions is None and partners is None:
            count = len(corpus.captions(index))
            every = np.arange(corpus.caption_count)
            slots = np.where(every < count, every, -1)
        else:
            slots = _filled(_texts(corpus, index, rng), most)
        there = 0 if corpus.pictures is None else corpus.pictures.counts[index]
        return Draw(index, slots, _filled(rng.permutation(there), images))

    mender = Mender(corpus, draw, seed) if skip_bad else None
    reach = None if changes is None else corpus.reach(changes)

    def room(drawn: Sequence[Draw]) -> int:
        """Of the whole batch, whoever reads which part of it. A mended one has any captions."""
        if reach is None:
            return corpus.text_length
        if mender is not None:
            longest = reach.max()
        else:
            longest = max(_rows(corpus, one, reach).max() for one in drawn)
        return cut_length(int(longest), corpus.text_length, least=SHORTEST)

    def assemble(drawn: Sequence[Draw]) -> Batch:
        here = drawn if rows is None else [drawn[row] for row in rows]
        return _cut(put_together(here), room(drawn))

    def mended(drawn: Sequence[Draw]) -> tuple[Batch, int]:
        assert mender is not None
        here = drawn if rows is None else [drawn[row] for row in rows]
        batch, replaced = mender.batch(here, put_together)
        return _cut(batch, room(drawn)), replaced

    def put_together(drawn: Sequence[Draw]) -> Batch:
        return corpus.batch(
            [one.index for one in drawn],
            np.stack([one.slots for one in drawn]),
            np.stack([one.pictures for one in drawn]),
        )

    batches = (
        grain.MapDataset.range(len(corpus))
        .seed(seed)
        .shuffle()
        .repeat()
        .random_map(draw)
        .batch(batch_size, drop_remainder=True, batch_fn=mended if mender else assemble)
    )
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
    found: Any = iter(batches.to_iter_dataset(options))
    return Mended(found) if mender else found


def _rows(corpus: Corpus, one: Draw, values: np.ndarray) -> np.ndarray:
    """The values of the captions of a draw; those of the last row where there is none."""
    return values[np.where(one.slots < 0, -1, corpus.rows[one.index, one.slots])]


def _cut(batch: Batch, length: int) -> Batch:
    """The batch with its texts cut to so many ids."""
    return batch._replace(tokens=jax.tree.map(lambda x: x[..., :length], batch.tokens))


def _texts(corpus: Corpus, index: int, rng: np.random.Generator) -> np.ndarray:
    """The texts of an image in a random order, with partners one of its own before them."""
    own = rng.permutation(int(corpus.own[index]))
    if corpus.partner_texts is None:
        return own
    others = [place for place in corpus.partner_texts[index] if place != own[0]]
    return np.array([own[0], *rng.permutation(others)], dtype=own.dtype)


def _filled(places: np.ndarray, count: int) -> np.ndarray:
    """The first `count`, and -1 where there are not so many."""
    found = np.full(count, -1)
    found[: len(places)] = places[:count]
    return found
