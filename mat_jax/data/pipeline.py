"""The stream of training batches."""

from collections.abc import Sequence

import grain
import numpy as np

from mat_jax.data.corpus import Corpus
from mat_jax.records import Batch


def pipeline(
    corpus: Corpus,
    *,
    batch_size: int,
    seed: int,
    captions: int | None = 1,
    threads: int = 2,
    ahead: int = 4,
) -> grain.DatasetIterator[Batch]:
    """Endless batches of a corpus: every image once an epoch, in a new order each epoch.

    Batches run across the end of an epoch, so none is smaller and no image is left out. Which
    batch comes when depends only on the corpus, `batch_size`, `captions` and `seed`: the iterator's
    `get_state()` is its position, and `set_state()` goes there.

    Args:
        corpus: prepared images and captions.
        batch_size: images in a batch.
        seed: decides the order, and which captions are drawn.
        captions: captions drawn of an image at each visit, without repetition; None takes all,
            in their order.
        threads: threads that prepare batches.
        ahead: batches prepared before they are asked for.

    Returns:
        A grain iterator of `Batch`, of numpy arrays with `captions` captions an image.
    """
    if not 1 <= batch_size <= len(corpus):
        raise ValueError(
            f"batch_size={batch_size} does not suit {corpus.name!r} with {len(corpus)} images; "
            f"give 1 to {len(corpus)}"
        )
    if captions is not None and captions < 1:
        raise ValueError(f"captions={captions} leaves no caption; give at least 1, or None for all")

    def draw(index: int, rng: np.random.Generator) -> tuple[int, np.ndarray]:
        count = len(corpus.captions(index))
        if captions is None:
            slots = np.where(
                np.arange(corpus.caption_count) < count, np.arange(corpus.caption_count), -1
            )
        else:
            slots = np.full(captions, -1)
            drawn = rng.permutation(count)[:captions]
            slots[: len(drawn)] = drawn
        return index, slots

    def assemble(drawn: Sequence[tuple[int, np.ndarray]]) -> Batch:
        return corpus.batch([i for i, _ in drawn], np.stack([slots for _, slots in drawn]))

    batches = (
        grain.MapDataset.range(len(corpus))
        .seed(seed)
        .shuffle()
        .repeat()
        .random_map(draw)
        .batch(batch_size, drop_remainder=True, batch_fn=assemble)
    )
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
    return iter(batches.to_iter_dataset(options))
