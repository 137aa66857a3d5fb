import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax import models
from mat_jax.types.text_format import TextFormat, compose

FORMAT = TextFormat(start=101, end=102, pad=7, length=9)
WORDS, PARTS = 6, 3


def padded(captions):
    parts = np.full((len(captions), WORDS, PARTS), 55, np.int32)  # rubbish past the end
    lengths = np.zeros((len(captions), WORDS), np.int32)
    for row, caption in enumerate(captions):
        for slot, ids in enumerate(caption):
            parts[row, slot, : len(ids)] = ids
            lengths[row, slot] = len(ids)
    return jnp.asarray(parts), jnp.asarray(lengths)


word = st.lists(st.integers(1, 50), max_size=PARTS)
caption = st.lists(word, max_size=WORDS)


@settings(max_examples=60, deadline=None)
@given(st.lists(caption, min_size=1, max_size=4))
def test_compose_is_concatenation_framed_cut_and_padded(captions):
    tokens = compose(*padded(captions), FORMAT)
    for row, words in enumerate(captions):
        flat = [i for ids in words for i in ids][: FORMAT.length - 2]
        expected = [FORMAT.start, *flat, FORMAT.end]
        ids = expected + [FORMAT.pad] * (FORMAT.length - len(expected))
        assert tokens.ids[row].tolist() == ids
        assert int(tokens.mask[row].sum()) == len(expected)
        assert tokens.mask[row, : len(expected)].all()


def test_any_leading_axes_and_one_compilation():
    parts, lengths = padded([[[1], [2, 3]], [[4]]] * 3)
    flat = compose(parts, lengths, FORMAT)
    run = jax.jit(lambda p, n: compose(p, n, FORMAT))
    shaped = run(parts.reshape(3, 2, WORDS, PARTS), lengths.reshape(3, 2, WORDS))
    np.testing.assert_array_equal(shaped.ids.reshape(6, -1), flat.ids)
    assert shaped.mask.shape == (3, 2, FORMAT.length)


def test_composing_words_is_tokenizing_the_caption():
    texts = ["a red ball lies on green grass", "two brown dogs run", "extraordinarily long words"]
    for tokenizer in (
        models.Tokenizer.train_clip(texts, 600, 16),
        models.Tokenizer.train_bert(texts, 90, 16),
    ):
        ids = [[tokenizer.parts(word) for word in text.split()] for text in texts]
        wide = max(len(one) for row in ids for one in row)
        parts = np.zeros((3, 7, wide), np.int32)
        lengths = np.zeros((3, 7), np.int32)
        for row, caption in enumerate(ids):
            for slot, one in enumerate(caption):
                parts[row, slot, : len(one)], lengths[row, slot] = one, len(one)
        ours = compose(jnp.asarray(parts), jnp.asarray(lengths), tokenizer.text_format)
        theirs = tokenizer(texts)
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.mask, theirs.mask)
