"""Tokenizers: transformers' ids on real vocabularies; word by word is the caption."""

import json

import jax
import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax.data.clean import clean_blip_caption, clean_caption
from mat_jax.models.formats.tokenizer import Tokenizer
from mat_jax.types.text_format import compose

CAPTIONS = [
    "A red ball lies on the blue sofa.",
    "Two dogs play in a field; one wears a man's hat!",
    "The quick brown fox jumps over the lazy dog",
    "A café-owner's 24 naïve t-shirts & 日本語 ☃ signs",
    "",
]


@pytest.fixture(scope="module")
def real_clip(shared):
    folder = shared / "data" / "tokenizers"
    return Tokenizer.clip(folder / "clip_encoder.json", folder / "clip_vocab.bpe", 77)


@pytest.fixture(scope="module")
def real_bert(shared):
    return Tokenizer.bert(shared / "data" / "tokenizers" / "bert_base_uncased_vocab.txt", 64)


def flickr_captions(shared) -> list[str]:
    files = sorted((shared / "data" / "flickr8k").glob("*test*.json"))
    rows = json.loads(files[0].read_text())
    found = [text for row in rows for text in np.atleast_1d(row["caption"]).tolist()]
    return [*map(clean_caption, found[:500])]


def their_ids(tokenizer, captions, length):
    return tokenizer(captions, padding="max_length", truncation=True, max_length=length)[
        "input_ids"
    ]


def test_clip_ids_are_transformers(shared, real_clip):
    vocab = shared / "data" / "tokenizers" / "clip_encoder.json"
    lines = (shared / "data" / "tokenizers" / "clip_vocab.bpe").read_text().splitlines()
    merges = [tuple(line.split()) for line in lines[1:] if line]
    theirs = transformers.CLIPTokenizer(vocab=json.loads(vocab.read_text()), merges=merges)
    captions = [*map(clean_caption, CAPTIONS), *flickr_captions(shared)]
    np.testing.assert_array_equal(real_clip(captions).ids, their_ids(theirs, captions, 77))
    assert (real_clip.text_format.start, real_clip.text_format.end) == (49406, 49407)
    assert real_clip.vocab_size == 49408
    # The ids of these two words are well known.
    assert real_clip.parts("cat") == [2368] and real_clip.parts("dog") == [1929]


def test_bert_ids_are_transformers(shared, real_bert):
    vocab = shared / "data" / "tokenizers" / "bert_base_uncased_vocab.txt"
    lines = vocab.read_text(encoding="utf-8").splitlines()
    theirs = transformers.BertTokenizer(vocab={token: i for i, token in enumerate(lines)})
    captions = [*map(clean_caption, CAPTIONS), *flickr_captions(shared)]
    np.testing.assert_array_equal(real_bert(captions).ids, their_ids(theirs, captions, 64))
    form = real_bert.text_format
    assert (form.start, form.end, form.pad, form.mask) == (101, 102, 0, (100,))
    assert real_bert.parts("dog") == [3899] and real_bert.word([3899]) == "dog"


@pytest.mark.parametrize("name", ["real_clip", "real_bert", "clip_tokenizer", "bert_tokenizer"])
def test_words_come_back(request, name):
    tokenizer = request.getfixturevalue(name)
    for word in ["red", "unforeseeable", "t", "42", "sofa"]:
        text = tokenizer.word(tokenizer.parts(word))
        assert text.replace(" ", "") == word


together = jax.jit(compose, static_argnums=2)


def composed(tokenizer, caption, width=128, words=30):
    """The caption put together on the device from its words, as an attack does it."""
    pieces = [tokenizer.parts(word) for word in clean_caption(caption).split()]
    parts = np.zeros((1, words, width), np.int32)
    lengths = np.zeros((1, words), np.int32)
    for slot, ids in enumerate(pieces):
        parts[0, slot, : len(ids)] = ids
        lengths[0, slot] = len(ids)
    return together(parts, lengths, tokenizer.text_format)


def check_word_by_word(tokenizer, caption):
    whole, pieced = tokenizer([caption]), composed(tokenizer, caption)
    np.testing.assert_array_equal(whole.ids, pieced.ids)
    np.testing.assert_array_equal(whole.mask, pieced.mask)


@pytest.mark.parametrize("name", ["real_clip", "real_bert", "clip_tokenizer", "bert_tokenizer"])
def test_word_by_word_is_the_caption(request, name):
    tokenizer = request.getfixturevalue(name)
    for caption in CAPTIONS:
        check_word_by_word(tokenizer, caption)


@settings(deadline=None, max_examples=60)
@given(text=st.text(max_size=20))
def test_word_by_word_is_any_caption(clip_tokenizer, bert_tokenizer, text):
    check_word_by_word(clip_tokenizer, text)
    check_word_by_word(bert_tokenizer, text)


def test_special_tokens_cannot_be_smuggled_in(clip_tokenizer, bert_tokenizer):
    # What ends a caption must stand at its end, whatever the caption says.
    for tokenizer, text in ((clip_tokenizer, "a <|endoftext|> b"), (bert_tokenizer, "a [SEP] b")):
        ids = tokenizer([text]).ids[0]
        real = tokenizer([text]).mask[0].sum()
        assert list(ids[:real]).index(tokenizer.text_format.end) == real - 1


def test_long_captions_lose_their_last_words(clip_tokenizer):
    ids = clip_tokenizer(["red " * 30]).ids[0]
    (red,) = clip_tokenizer.parts("red")
    form = clip_tokenizer.text_format
    np.testing.assert_array_equal(ids, [form.start, *[red] * (form.length - 2), form.end])


def test_trained_clip_vocabulary(clip_tokenizer):
    form, size = clip_tokenizer.text_format, clip_tokenizer.vocab_size
    assert 514 < size <= 600
    assert (form.start, form.end) == (size - 2, size - 1)
    # Frequent words are one token; any other text is bytes, never unknown.
    assert len(clip_tokenizer.parts("dog")) == 1
    assert clip_tokenizer.word(clip_tokenizer.parts("日本")) == "日本"


def test_trained_bert_vocabulary(bert_tokenizer):
    assert bert_tokenizer.vocab_size <= 200
    unknown = bert_tokenizer.text_format.mask[0]
    assert len(bert_tokenizer.parts("dog")) == 1
    assert unknown not in bert_tokenizer.parts("zyx987wvq")


@pytest.mark.parametrize("train", [Tokenizer.train_clip, Tokenizer.train_bert])
def test_training_is_repeatable(train):
    one, two = (train(CAPTIONS, 580, 12) for _ in range(2))
    assert one.backend.to_str() == two.backend.to_str()


@pytest.mark.parametrize("name", ["clip_tokenizer", "bert_tokenizer"])
def test_saved_files_give_the_same_ids(request, tmp_path, name):
    tokenizer = request.getfixturevalue(name)
    tokenizer.save(tmp_path)
    again = Tokenizer.from_dir(tmp_path)
    assert again.text_format == tokenizer.text_format
    np.testing.assert_array_equal(again(CAPTIONS).ids, tokenizer(CAPTIONS).ids)
    # The older files alone say the same.
    (tmp_path / "tokenizer.json").unlink()
    older = Tokenizer.from_dir(tmp_path)
    np.testing.assert_array_equal(older(CAPTIONS).ids, tokenizer(CAPTIONS).ids)
    shorter = Tokenizer.from_dir(tmp_path, 7)
    assert shorter(CAPTIONS).ids.shape == (len(CAPTIONS), 7)


def test_more_special_tokens(bert_tokenizer, tmp_path):
    size = bert_tokenizer.vocab_size
    more = bert_tokenizer.with_tokens("[DEC]", "[ENC]")
    more.with_tokens("[DEC]", "[ENC]").save(tmp_path)
    for tokenizer in (more, Tokenizer.from_dir(tmp_path)):
        found = [tokenizer.backend.token_to_id(token) for token in ("[DEC]", "[ENC]")]
        assert found == [size, size + 1] and tokenizer.vocab_size == size + 2
        assert tokenizer.text_format == bert_tokenizer.text_format
        ids = tokenizer([*CAPTIONS, "a [DEC] b"]).ids
        np.testing.assert_array_equal(ids, bert_tokenizer([*CAPTIONS, "a [DEC] b"]).ids)
    assert bert_tokenizer.vocab_size == size


@pytest.mark.parametrize("name", ["clip_tokenizer", "bert_tokenizer"])
def test_ids_are_captions_again(request, name):
    tokenizer = request.getfixturevalue(name)
    texts = ["a red ball lies on the blue sofa", "dogs", ""]
    assert tokenizer.captions(tokenizer(texts).ids) == texts
    # An id that the vocabulary lacks, as BLIP's published ones lack [DEC], is left out.
    ids = tokenizer(texts).ids.copy()
    ids[:, 0] = tokenizer.vocab_size
    assert tokenizer.captions(ids) == texts


def test_blips_cleaning_keeps_words_apart(bert_tokenizer):
    for caption in CAPTIONS:
        whole = bert_tokenizer([caption], clean=clean_blip_caption)
        words = clean_blip_caption(caption).split()
        ids = [i for word in words for i in bert_tokenizer.parts(word)]
        form = bert_tokenizer.text_format
        framed = [form.start, *ids[: form.length - 2], form.end]
        np.testing.assert_array_equal(whole.ids[0][whole.mask[0]], framed)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: Tokenizer.from_dir(p, 8), r"holds no tokenizer; expected tokenizer.json"),
        (lambda p: Tokenizer.from_dir(p), r"states no model_max_length; pass length="),
        (lambda p: Tokenizer.bert(p / "vocab.txt"), r"vocab.txt does not exist"),
        (lambda p: Tokenizer.train_clip(CAPTIONS, 400, 8), r"vocab_size=400 is too small"),
        (lambda p: Tokenizer.train_bert(CAPTIONS, 20, 8), r"vocab_size=20 is too small"),
        (lambda p: Tokenizer.train_bert(CAPTIONS, 200, 2), r"length=2 leaves no room"),
    ],
)
def test_bad_input_is_named(tmp_path, call, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        call(tmp_path)


def test_a_vocabulary_without_specials(tmp_path):
    (tmp_path / "vocab.txt").write_text("[UNK]\na\n")
    with pytest.raises(ValueError, match=r"the vocabulary lacks \[PAD\], \[CLS\]"):
        Tokenizer.bert(tmp_path / "vocab.txt", 8)
