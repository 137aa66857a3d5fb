from collections.abc import Callable
from types import SimpleNamespace

from mat_jax.data.scenes import is_true, make
from mat_jax.data.substitutes.truth import truthful


def corpus_of(texts: list[tuple[str, ...]], **source: object) -> SimpleNamespace:
    """As much of a corpus as the question needs."""

    class Corpus(SimpleNamespace):
        def __len__(self) -> int:
            return len(self.texts)

    flat = [text for captions in texts for text in captions]
    return Corpus(texts=texts, caption_list=flat, source=SimpleNamespace(**source))


def test_photographs_know_nothing() -> None:
    assert truthful(corpus_of([("a dog",)])) is None


def test_the_right_picture_is_asked() -> None:
    """Row 2 is the first caption of the second image; words are those of the cleaned caption."""
    asked = []
    texts: list[tuple[str, ...]] = [("One red dog.", "a dog"), ("A blue-green cat!",)]
    keep = truthful(corpus_of(texts, oracle=lambda i: lambda text: not asked.append((i, text))))
    assert keep is not None
    assert keep([(2, 2, "red"), (0, 0, "two")]) == [True, True]
    assert asked == [(1, "a blue red cat"), (0, "two red dog")]


def test_scenes_captions_with_their_own_words_are_as_true_as_before() -> None:
    made = [make("test", index) for index in range(20)]
    texts = [captions for _, captions in made]

    def oracle(index: int) -> Callable[[str], bool]:
        return lambda caption: is_true(caption, made[index][0])

    corpus = corpus_of(texts, oracle=oracle)
    keep = truthful(corpus)
    assert keep is not None
    for row, caption in enumerate(corpus.caption_list):
        truth = is_true(caption, made[row // 5][0])
        for slot, word in enumerate(caption.split()):
            assert keep([(row, slot, word)]) == [truth]
