import json
from collections import Counter
from collections.abc import Callable, Sequence

import jax
import numpy as np
import pytest

from mat_jax.data import Corpus, Example, TextFormat, training_batches
from mat_jax.types.arrays import Batch, Tokens, Words
from tests.tools.narrow import host

FORMAT = TextFormat(start=1, end=2, pad=0, length=3)


class Tokenizer:
    """The caption `"117"` has the id 117."""

    text_format = FORMAT

    def __call__(self, captions: Sequence[str], /, *, clean: Callable[[str], str] = str) -> Tokens:
        ids = np.array([[1, int(clean(text)), 2] for text in captions], np.int32)
        return Tokens(host(ids), host(np.ones_like(ids, dtype=np.bool_)))

    def parts(self, word: str, /) -> list[int]:
        return [int(word)]


class Numbers:
    """Image i has 1 + i % 3 captions, numbered 100 + 10 i, 101 + 10 i, ..."""

    def __init__(self, count: int) -> None:
        self.name, self.count = "numbers", count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Example:
        captions = tuple(str(100 + 10 * index + j) for j in range(1 + index % 3))
        return Example(np.full((2, 2, 3), index, np.uint8), captions, index)


def corpus(count: int) -> Corpus:
    return Corpus.prepare(Numbers(count), Tokenizer(), image_size=2)


def take(iterator, count: int) -> list[Batch]:
    return [next(iterator) for _ in range(count)]


def assert_same(left: list[Batch], right: list[Batch]) -> None:
    jax.tree.map(np.testing.assert_array_equal, left, right)


def test_each_epoch_visits_every_image_once() -> None:
    batches = take(training_batches(corpus(10), batch_size=4, seed=0), 15)  # six epochs
    assert all(batch.ids.shape == (4,) for batch in batches)
    visits = np.concatenate([batch.ids for batch in batches]).reshape(6, 10)
    assert (np.sort(visits, axis=1) == np.arange(10)).all()
    assert len({tuple(epoch) for epoch in visits}) == 6


@pytest.mark.parametrize("threads, ahead", [(1, 1), (4, 8)])
def test_threads_change_nothing(threads: int, ahead: int) -> None:
    expected = take(training_batches(corpus(10), batch_size=3, seed=1), 12)
    found = take(
        training_batches(corpus(10), batch_size=3, seed=1, threads=threads, ahead=ahead), 12
    )
    assert_same(expected, found)


def test_seed_decides() -> None:
    first, again, other = (
        take(training_batches(corpus(30), batch_size=5, seed=seed), 4) for seed in (3, 3, 4)
    )
    assert_same(first, again)
    assert any((a.ids != b.ids).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("before", [0, 1, 7])
def test_resumes_exactly(before: int) -> None:
    """A new iterator set to a saved state goes on as the old one, prefetched batches or not."""
    old = training_batches(corpus(10), batch_size=3, seed=2, threads=4, ahead=8)
    take(old, before)
    state = json.loads(json.dumps(old.get_state()))
    expected = take(old, 9)
    new = training_batches(corpus(10), batch_size=3, seed=2)
    take(new, 4)
    new.set_state(state)
    assert_same(expected, take(new, 9))
    old.set_state(state)
    assert_same(expected, take(old, 9))


def test_one_caption_of_the_image_is_drawn_fairly() -> None:
    drawn = Counter()
    for batch in take(training_batches(corpus(90), batch_size=90, seed=0), 20):
        assert batch.tokens.ids.shape == (90, 1, 3) and batch.present.all()
        slots = batch.tokens.ids[:, 0, 1] - 100 - 10 * batch.ids
        assert (slots >= 0).all() and (slots <= batch.ids % 3).all()
        drawn.update(slots[batch.ids % 3 == 2].tolist())
    # 30 images with three captions, seen 20 times: each is drawn 200 times of 600, give or take
    # four standard deviations.
    assert all(abs(drawn[slot] - 200) < 4 * np.sqrt(600 * 2 / 9) for slot in range(3))


def test_draws_differ_from_visit_to_visit_and_image_to_image() -> None:
    batches = take(training_batches(corpus(30), batch_size=30, seed=0), 20)
    slots = np.stack([(b.tokens.ids[:, 0, 1] % 10)[np.argsort(b.ids)] for b in batches])
    three = slots[:, 2::3]  # images with three captions
    assert all(len(set(image)) > 1 for image in three.T.tolist())
    assert all(len(set(visit)) > 1 for visit in three.tolist())


def test_several_captions_are_distinct_and_padded() -> None:
    batch = take(training_batches(corpus(3), batch_size=3, seed=0, captions=2), 1)[0]
    for image_id, ids, present in zip(batch.ids, batch.tokens.ids, batch.present, strict=True):
        assert present.tolist() == [True, image_id > 0]
        words = ids[present, 1]
        assert len(set(words.tolist())) == len(words) == min(2, 1 + image_id)


def test_all_captions() -> None:
    data = corpus(3)
    batch = take(training_batches(data, batch_size=3, seed=0, captions=None), 1)[0]
    jax.tree.map(np.testing.assert_array_equal, batch, data.batch(np.asarray(batch.ids)))


class WithPartners(Numbers):
    """Image i has i partners too, numbered 900 + 10 i, ..."""

    def partner_captions(self, index: int) -> tuple[str, ...]:
        return tuple(str(900 + 10 * index + n) for n in range(index))


def test_all_texts_of_a_corpus_with_partners_are_one_of_its_own_and_the_partners() -> None:
    data = Corpus.prepare(WithPartners(3), Tokenizer(), image_size=2, partners=True)
    firsts = set()
    for batch in take(training_batches(data, batch_size=3, seed=0, captions=None), 30):
        for index, ids, present in zip(batch.ids, batch.tokens.ids, batch.present, strict=True):
            own, *partners = ids[present, 1].tolist()
            assert 0 <= own - 100 - 10 * index <= index
            assert sorted(partners) == [900 + 10 * index + n for n in range(index)]
            firsts.add(own)
    assert firsts == {100, 110, 111, 120, 121, 122}


@pytest.mark.parametrize("batch_size", [0, 11])
def test_batch_size_must_suit(batch_size: int) -> None:
    with pytest.raises(ValueError, match=rf"batch_size={batch_size} .* 10 images; give 1 to 10"):
        training_batches(corpus(10), batch_size=batch_size, seed=0)


def test_captions_must_be_positive() -> None:
    with pytest.raises(ValueError, match="captions=0 leaves no caption"):
        training_batches(corpus(10), batch_size=2, seed=0, captions=0)


def test_an_unreadable_image_stops_the_stream_with_its_sentence() -> None:
    class Broken(Numbers):
        def captions(self, index: int) -> tuple[str, ...]:
            return ("100",)

        def __getitem__(self, index: int) -> Example:
            raise ValueError("cannot read the image 'a.jpg' (truncated); replace the file")

    data = Corpus.prepare(Broken(4), Tokenizer(), image_size=2)
    with pytest.raises(ValueError) as caught:
        next(training_batches(data, batch_size=2, seed=0))
    assert str(caught.value) == "cannot read the image 'a.jpg' (truncated); replace the file"


class Partnered(Numbers):
    """Image i has the partners 1000 + 10 i ... and i % 3 pictures; its first caption is one too."""

    def captions(self, index: int) -> tuple[str, ...]:
        return self[index].captions

    def partner_captions(self, index: int) -> tuple[str, ...]:
        return (str(100 + 10 * index), *(str(1000 + 10 * index + j) for j in range(3)))

    def partner_images(self, index: int) -> list[np.ndarray]:
        return [np.full((2, 2, 3), 50 * (1 + n) + index, np.uint8) for n in range(index % 3)]


def partnered(count: int) -> Corpus:
    return Corpus.prepare(Partnered(count), Tokenizer(), image_size=2, partners=True)


def test_a_caption_of_its_own_then_partners() -> None:
    """The caption is the one that plain training draws, so the two differ by partners alone."""
    plain = take(training_batches(corpus(12), batch_size=4, seed=3), 30)
    found = take(training_batches(partnered(12), batch_size=4, seed=3, captions=4), 30)
    drawn = set()
    for before, after in zip(plain, found, strict=True):
        np.testing.assert_array_equal(after.ids, before.ids)
        np.testing.assert_array_equal(after.tokens.ids[:, :1], before.tokens.ids)
        for image_id, texts, present in zip(
            after.ids, after.tokens.ids[..., 1], after.present, strict=True
        ):
            pool = {100 + 10 * image_id, *range(1000 + 10 * image_id, 1003 + 10 * image_id)}
            pool -= {texts[0]}
            there = texts[present].tolist()
            assert len(set(there)) == len(there) == min(4, 1 + len(pool))
            assert set(there[1:]) <= pool
            drawn |= set(there[1:])
    assert {120, *range(1020, 1023)} <= drawn


def test_partner_pictures_are_drawn_without_repetition() -> None:
    drawn = Counter()
    for batch in take(training_batches(partnered(9), batch_size=9, seed=0, images=1), 40):
        assert batch.partner_images is not None
        greys = np.rint(batch.partner_images[:, :, 0, 0, 0] * 255).astype(int)
        assert greys.shape == (9, 1)
        drawn.update(greys[batch.ids == 5].ravel().tolist())
        # Image 3 has none.
        assert greys[batch.ids == 3].tolist() == [[3]]
    assert set(drawn) == {55, 105}
    batch = take(training_batches(partnered(9), batch_size=9, seed=0, images=3), 1)[0]
    greys = np.rint(np.asarray(batch.partner_images)[:, :, 0, 0, 0] * 255).astype(int)
    assert sorted(greys[batch.ids == 5][0]) == [5, 55, 105]


@pytest.mark.parametrize("before", [1, 5])
def test_draws_of_partners_resume_exactly(before: int) -> None:
    settings = {"batch_size": 4, "seed": 2, "captions": 3, "images": 2}
    old = training_batches(partnered(10), **settings, threads=4, ahead=8)
    take(old, before)
    state = json.loads(json.dumps(old.get_state()))
    expected = take(old, 6)
    new = training_batches(partnered(10), **settings)
    new.set_state(state)
    assert_same(expected, take(new, 6))


def test_partners_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="images=1 asks for partner pictures and 'numbers' has no"):
        training_batches(corpus(4), batch_size=2, seed=0, images=1)
    with pytest.raises(ValueError, match="images=-1 partner pictures"):
        training_batches(partnered(4), batch_size=2, seed=0, images=-1)


class LongTokenizer(Tokenizer):
    """The caption `"117"` has 7 ids between start and end, and texts are 77 long."""

    text_format = TextFormat(start=1, end=2, pad=0, length=77)

    def __call__(self, captions: Sequence[str], /, *, clean: Callable[[str], str] = str) -> Tokens:
        ids = np.zeros((len(captions), 77), np.int32)
        for row, text in zip(ids, captions, strict=True):
            own = self.parts(clean(text))
            row[: len(own) + 2] = 1, *own, 2
        ends = (ids == 2).argmax(axis=1)
        return Tokens(host(ids), host(np.arange(77) <= ends[:, None]))

    def parts(self, word: str, /) -> list[int]:
        return [3] * min(int(word) % 100, 75)


class OneWord:
    """A table of captions of one word, which may become one of three ids."""

    def __init__(self, corpus: Corpus) -> None:
        self.count = len(corpus.caption_list)

    def __len__(self) -> int:
        return self.count

    def take(self, rows: np.ndarray) -> Words:
        shape = np.shape(rows)
        zeros = [np.zeros((*shape, *more), np.int32) for more in ((1, 3), (1,), (1, 2, 3), (1, 2))]
        return Words(*(host(x) for x in zeros))

    def caption(self, row: int, choice: object) -> str:
        raise NotImplementedError


def long_corpus() -> Corpus:
    """30 images, whose captions have 0 to 75 ids between start and end."""
    found = Corpus.prepare(Numbers(30), LongTokenizer(), image_size=2)
    return found.with_words(OneWord(found))


@pytest.mark.parametrize("changes", [0, 1, 5])
def test_texts_are_cut_where_nothing_can_stand(changes: int) -> None:
    corpus = long_corpus()
    whole = take(training_batches(corpus, batch_size=2, seed=0), 60)
    found = take(training_batches(corpus, batch_size=2, seed=0, changes=changes), 60)
    lengths = set()
    for batch, cut in zip(whole, found, strict=True):
        length = cut.tokens.ids.shape[-1]
        # A word may grow from one id to three, and so may each that changes.
        needed = int(np.asarray(batch.tokens.mask).sum(axis=-1).max()) + 2 * changes
        assert min(needed, 77) <= length
        assert length == 77 or length % 16 == 0
        assert length == 32 or length < needed + 16
        kept = batch._replace(tokens=jax.tree.map(lambda x, n=length: x[..., :n], batch.tokens))
        assert_same([kept], [cut])
        lengths.add(length)
    assert len(lengths) > 2


def test_all_readers_of_a_batch_cut_it_alike() -> None:
    corpus = long_corpus()
    settings = {"batch_size": 4, "seed": 2, "changes": 1}
    whole = take(training_batches(corpus, **settings), 40)
    parts = [take(training_batches(corpus, **settings, rows=rows), 40) for rows in ([0, 1], [2, 3])]
    for batch, *own in zip(whole, *parts, strict=True):
        joined = jax.tree.map(lambda *x: np.concatenate(x), *own)
        assert_same([batch], [joined])


def test_where_images_may_be_replaced_any_caption_may_come() -> None:
    corpus = long_corpus()
    for batch in take(training_batches(corpus, batch_size=3, seed=0, changes=0, skip_bad=True), 9):
        assert batch.tokens.ids.shape[-1] == 77
