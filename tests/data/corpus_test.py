import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax.data import Corpus, Example, TextFormat
from mat_jax.data.pixels import Originals
from mat_jax.types.arrays import Tokens, Words
from mat_jax.types.text_format import compose
from tests.tools.narrow import host

FORMAT = TextFormat(start=1, end=2, pad=0, length=8)
ENTRIES = ["one", "two", "red", "blue", "dog", "cat"]


class Tokenizer:
    """One id a word, from 3 on."""

    text_format = FORMAT

    def __call__(self, captions: Sequence[str], /, *, clean: Callable[[str], str] = str) -> Tokens:
        parts, lengths = map(jnp.asarray, words_of([clean(caption) for caption in captions]))
        return compose(parts, lengths, FORMAT)

    def parts(self, word: str, /) -> list[int]:
        return [3 + ENTRIES.index(word)]


def words_of(captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    parts = np.zeros((len(captions), 4, 1), np.int32)
    lengths = np.zeros((len(captions), 4), np.int32)
    for row, text in enumerate(captions):
        for slot, word in enumerate(text.split()):
            parts[row, slot, 0], lengths[row, slot] = 3 + ENTRIES.index(word), 1
    return parts, lengths


class Table:
    """Every word may become `cat`."""

    def __init__(self, captions: Sequence[str]) -> None:
        self.captions = captions
        parts, lengths = words_of(captions)
        substitutes = np.full((*parts.shape[:2], 1, 1), 3 + ENTRIES.index("cat"), np.int32)
        self.words = parts, lengths, substitutes, lengths[..., None]

    def __len__(self) -> int:
        return len(self.captions)

    def take(self, rows: np.ndarray) -> Words:
        """Row -1 is one more, without words."""
        return Words(*(host(np.concatenate([x, np.zeros_like(x[:1])])[rows]) for x in self.words))

    def caption(self, row: int, choice: Sequence[int]) -> str:
        words = self.captions[row].split()
        return " ".join("cat" if choice[i] >= 0 else word for i, word in enumerate(words))


class Counted(list):
    """A list that counts what is taken out of it."""

    def __init__(self, pictures: list[np.ndarray], taken: list[int]) -> None:
        super().__init__(pictures)
        self.taken = taken

    def __getitem__(self, number):
        self.taken.append(number)
        return super().__getitem__(number)


@dataclass
class Memory:
    """A source in memory; image i is of the grey value i, and remembers being read."""

    texts: list[tuple[str, ...]]
    name: str = "memory"

    def __post_init__(self) -> None:
        self.reads = [0] * len(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Example:
        self.reads[index] += 1
        return Example(np.full((6, 4, 3), index, np.uint8), self.texts[index], 100 + index)


@dataclass
class Rich(Memory):
    """With partners; picture n of image i is of the grey value 10 + 10 i + n."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.decoded = []

    def captions(self, index: int) -> tuple[str, ...]:
        return self.texts[index]

    def partner_captions(self, index: int) -> tuple[str, ...]:
        return (("red cat", "dog"), (), ("two dog", "cat"))[index]

    def partner_images(self, index: int) -> Counted:
        greys = range(10 + 10 * index, 10 + 10 * index + (2, 0, 1)[index])
        return Counted([np.full((4, 4, 3), grey, np.uint8) for grey in greys], self.decoded)


TEXTS: list[tuple[str, ...]] = [
    ("one red dog", "red dog", "dog"),
    ("blue cat",),
    ("two dog", "two blue dog"),
]


@pytest.fixture
def corpus() -> Corpus:
    corpus = Corpus.prepare(Memory(TEXTS), Tokenizer(), image_size=2)
    return corpus.with_words(Table(corpus.caption_list))


def test_shapes_types_and_range(corpus: Corpus) -> None:
    batch = corpus.batch([2, 0])
    assert batch.ids.tolist() == [102, 100] and batch.ids.dtype == np.int32
    assert batch.images.shape == (2, 2, 2, 3) and batch.images.dtype == np.float32
    np.testing.assert_array_equal(batch.images[0], np.full((2, 2, 3), np.float32(2) / 255))
    assert batch.tokens.ids.shape == batch.tokens.mask.shape == (2, 3, 8)
    assert batch.present.tolist() == [[True, True, False], [True, True, True]]


def test_tokens_belong_to_their_captions(corpus: Corpus) -> None:
    ids = corpus.batch([0, 1, 2]).tokens.ids
    assert ids[0].tolist() == [
        [1, 3, 5, 7, 2, 0, 0, 0],
        [1, 5, 7, 2, 0, 0, 0, 0],
        [1, 7, 2, 0, 0, 0, 0, 0],
    ]
    assert ids[2, 1].tolist() == [1, 4, 6, 7, 2, 0, 0, 0]
    assert ids[1, 1].tolist() == [1, 2, 0, 0, 0, 0, 0, 0]  # an absent caption is an empty one


def test_words_spell_the_tokens(corpus: Corpus) -> None:
    """`compose` of the words gives the tokens back, of absent captions too."""
    batch = corpus.batch([0, 1, 2])
    assert batch.words is not None
    spelled = compose(jnp.asarray(batch.words.parts), jnp.asarray(batch.words.lengths), FORMAT)
    np.testing.assert_array_equal(spelled.ids, batch.tokens.ids)
    np.testing.assert_array_equal(spelled.mask, batch.tokens.mask)
    assert not batch.words.substitute_lengths[~batch.present].any()


def test_without_table_there_are_no_words() -> None:
    corpus = Corpus.prepare(Memory(TEXTS), Tokenizer(), image_size=2)
    assert corpus.batch([0]).words is None
    assert corpus.adversarial_caption(0, 1, [-1, 0]) == "red dog"


def test_strings(corpus: Corpus) -> None:
    assert corpus.name == "memory" and len(corpus) == 3 and corpus.caption_count == 3
    assert corpus.captions(2) == ("two dog", "two blue dog")
    assert corpus.adversarial_caption(2, 1, [-1, 0, -1, -1]) == "two cat dog"


def test_slots_pick_captions(corpus: Corpus) -> None:
    batch = corpus.batch([0, 2], np.array([[2, 0], [1, -1]]))
    assert batch.tokens.ids[0, 0].tolist() == [1, 7, 2, 0, 0, 0, 0, 0]
    assert batch.tokens.ids[1, 0].tolist() == [1, 4, 6, 7, 2, 0, 0, 0]
    assert batch.present.tolist() == [[True, True], [True, False]]


def test_captions_per_image() -> None:
    corpus = Corpus.prepare(Memory(TEXTS), Tokenizer(), image_size=2, captions_per_image=2)
    assert corpus.caption_count == 2
    assert corpus.caption_list == ["one red dog", "red dog", "blue cat", "two dog", "two blue dog"]


def test_an_image_is_read_once() -> None:
    source = Memory(TEXTS)
    corpus = Corpus.prepare(source, Tokenizer(), image_size=2)
    for _ in range(3):
        corpus.batch([0, 1, 2])
    assert source.reads == [1, 1, 1]


def test_large_sets_are_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mat_jax.data.corpus.CACHE_BYTES", 10)
    source = Memory(TEXTS)
    corpus = Corpus.prepare(source, Tokenizer(), image_size=2)
    first, again = corpus.batch([0, 1, 2]), corpus.batch([0, 1, 2])
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert source.reads == [3, 3, 3]


def rich(**settings) -> Corpus:
    return Corpus.prepare(Rich(TEXTS), Tokenizer(), image_size=2, **settings)


def test_partners_are_seen_only_when_asked_for() -> None:
    for corpus in (
        rich(),
        Corpus.prepare(Memory(TEXTS), Tokenizer(), image_size=2, partners=True),
    ):
        assert corpus.texts == tuple(TEXTS)
        assert corpus.partner_texts is None and corpus.pictures is None


def test_partner_texts_stand_behind_the_captions() -> None:
    """One that is a caption already is not there twice."""
    corpus = rich(partners=True)
    assert corpus.texts[0] == (*TEXTS[0], "red cat") and corpus.texts[2] == (*TEXTS[2], "cat")
    assert corpus.own.tolist() == [3, 1, 2]
    assert corpus.partner_texts == ((3, 2), (), (0, 2))
    assert len(corpus.caption_list) == len(corpus.tokens.ids) - 1 == 8
    batch = corpus.batch([0], np.array([[3, 0]]))
    assert batch.tokens.ids[0, 0].tolist() == [1, 5, 8, 2, 0, 0, 0, 0]


def test_partner_pictures_and_the_image_itself_in_their_place() -> None:
    corpus = rich(partners=True)
    batch = corpus.batch([2, 0], pictures=np.array([[0, -1], [1, 0]]))
    assert batch.partner_images is not None
    assert batch.partner_images.shape == (2, 2, 2, 2, 3)
    assert batch.partner_images.dtype == np.float32
    greys = np.array([[30, 2], [11, 10]], np.float32) / np.float32(255)
    np.testing.assert_array_equal(batch.partner_images[..., 0, 0, 0], greys)
    assert corpus.batch([2, 0]).partner_images is None


@pytest.mark.parametrize("room, originals, partners", [(72, 1, 1), (71, 1, 3), (35, 3, 3)])
def test_images_and_partners_are_kept_within_one_room(
    monkeypatch: pytest.MonkeyPatch, room: int, originals: int, partners: int
) -> None:
    """Three images and three partners of 12 bytes: how often each is decoded for three batches."""
    monkeypatch.setattr("mat_jax.data.corpus.CACHE_BYTES", room)
    corpus = rich(partners=True)
    for _ in range(3):
        batch = corpus.batch([0, 0, 1, 2], pictures=np.array([[0], [1], [-1], [0]]))
        assert batch.partner_images is not None
        greys = np.array([10, 11, 1, 30], np.float32) / np.float32(255)
        np.testing.assert_array_equal(batch.partner_images[:, 0, 0, 0, 0], greys)
    assert isinstance(corpus.source, Rich)
    assert corpus.source.reads[2] == originals
    assert len(corpus.source.decoded) == 3 * partners


@pytest.mark.parametrize(
    "texts, words",
    [
        ([], "'memory' is empty"),
        ([()], "image 0 of 'memory' has no caption"),
        ([("dog",), ("dog", "...")], r"image 1 of 'memory' has a caption without words \('...'\)"),
    ],
)
def test_bad_sources(texts: list[tuple[str, ...]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Corpus.prepare(Memory(texts), Tokenizer(), image_size=2)


def test_bad_settings(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="captions_per_image=0 leaves no caption"):
        Corpus.prepare(Memory(TEXTS), Tokenizer(), image_size=2, captions_per_image=0)
    with pytest.raises(ValueError, match="table has 1 captions, the corpus 'memory' has 6"):
        corpus.with_words(Table(["dog"]))


def test_pictures_read_at_once_are_those_read_one_by_one() -> None:
    class Slow:
        """Image i is all i; those with small numbers take longest."""

        name = "slow"

        def __len__(self) -> int:
            return 12

        def __getitem__(self, index: int) -> Example:
            if index == 11:
                raise ValueError("picture 11 is broken")
            time.sleep(0.002 * (11 - index))
            return Example(np.full((4, 4, 3), index, np.uint8), ("a word",), 100 + index)

        def captions(self, index: int) -> tuple[str, ...]:
            return ("a word",)

    images = Originals(Slow(), 4, "crop", 0)
    found = images.get_all([3, 0, 10, 3, 7])
    assert [int(picture[0, 0, 0]) for picture, _ in found] == [3, 0, 10, 3, 7]
    assert [number for _, number in found] == [103, 100, 110, 103, 107]
    with pytest.raises(ValueError, match="picture 11 is broken"):
        images.get_all([2, 11, 4])
