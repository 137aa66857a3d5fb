import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax.data.scenes import lexicon
from mat_jax.data.substitutes.candidates import Substitutes, WordTable, build_words
from mat_jax.data.substitutes.proposals import stop_words_of
from mat_jax.data.substitutes.stop_words import STOP_WORDS
from mat_jax.types.arrays import Tokens
from mat_jax.types.text_format import TextFormat

VOCABULARY = (
    "[PAD] [CLS] [SEP] [UNK] red blue green ball cube the of on grass ##s sky ##y , 7 run play ing"
).split()
IDS = {token: i for i, token in enumerate(VOCABULARY)}


class TinyTokenizer:
    """A tokenizer of a few words; "balls" and "skys" are of two pieces."""

    def __init__(self, length=12):
        self.text_format = TextFormat(1, 2, 0, length, (3,))
        self.vocab_size = len(VOCABULARY)

    def __call__(self, captions, /, *, clean=None) -> Tokens:
        raise NotImplementedError("a table is built of words")

    def parts(self, word):
        if word in IDS:
            return [IDS[word]]
        if word[:-1] in IDS and word[-1] == "s":
            return [IDS[word[:-1]], IDS["##s"]]
        return [IDS["[UNK]"]]

    def word(self, ids):
        return " ".join(VOCABULARY[int(i)] for i in ids).replace(" ##", "")


class Scripted(nnx.Module):
    """At a place holding token t, proposes the tokens after t in a fixed order."""

    def __init__(self, orders):
        logits = np.full((len(VOCABULARY), len(VOCABULARY)), -50.0, np.float32)
        for token, order in orders.items():
            for rank, proposed in enumerate(order.split()):
                logits[IDS[token], IDS[proposed]] = 10 - rank
        self.table = nnx.Param(jnp.asarray(logits))

    def logits(self, tokens):
        return self.table[...][tokens.ids]


MLM = {
    "[CLS]": "cube green",
    "red": "red blue ##s the green , 7 run",
    "ball": "cube ball run",
    "run": "play ing run",
    "##s": "##s ##y",
    "sky": "grass sky",
}


def build(captions, *, candidates=6, length=12, **settings):
    return build_words(
        captions,
        TinyTokenizer(length),
        Scripted(MLM),
        TinyTokenizer(),
        candidates=candidates,
        **settings,
    )


def unchecked(**settings):
    """Substitutes as a user makes them, without the type checks of a test run before ours."""
    substitutes = object.__new__(Substitutes)
    for name, value in ({"alignment": "fixed", "constraint": "none"} | settings).items():
        object.__setattr__(substitutes, name, value)
    substitutes.__post_init__()


def options(table, row):
    return [[table.vocabulary[i] for i in slot if i >= 0] for slot in table.substitutes[row]]


def test_proposals_in_order_without_the_word_pieces_function_words_and_signs():
    table = build(["the red ball"])
    assert options(table, 0) == [[], ["blue", "green"], ["cube", "run"]]


def test_candidates_bound_what_the_model_is_asked_for():
    # The first two proposals for "red" are "red" itself and "blue".
    assert options(build(["red ball"], candidates=2), 0) == [["blue"], ["cube"]]


def test_official_reads_one_token_early():
    table = build(["red ball run"], alignment="official", candidates=8)
    # "red" is given the proposals of [CLS], "ball" those of "red" ("red" among them, and 7).
    assert options(table, 0) == [
        ["cube", "green"],
        ["red", "blue", "green", "7", "run"],
        ["cube", "ball"],
    ]


def test_a_word_of_two_pieces_gets_combinations():
    table = build(["skys"])
    # {grass, sky} x {##s, ##y}; the word itself falls out. Other tokens are of logit -50.
    assert set(options(table, 0)[0]) >= {"grasss", "grassy", "skyy"}
    assert "skys" not in options(table, 0)[0]


def test_words_the_victim_does_not_see_are_not_attackable():
    assert build(["red ball run"]).attackable.tolist() == [3]
    assert build(["red ball run"], length=4).attackable.tolist() == [2]


def test_what_the_victim_cannot_tell_apart_is_dropped():
    class Coarse(TinyTokenizer):
        def parts(self, word):
            return [IDS["red"]] if word == "blue" else super().parts(word)

    table = build_words(["red"], Coarse(), Scripted(MLM), TinyTokenizer(), candidates=6)
    assert options(table, 0) == [["green"]]


def test_keep_sees_caption_word_and_substitute():
    asked = []

    def keep(all_of_them):
        asked.extend(all_of_them)
        return [not (caption == 1 and text == "blue") for caption, _, text in all_of_them]

    table = build(["the red ball", "the red ball"], keep=keep)
    assert "blue" in options(table, 0)[1] and "blue" not in options(table, 1)[1]
    assert (0, 1, "blue") in asked and (1, 2, "cube") in asked


def test_words_hold_the_captions_and_their_substitutes():
    table = build(["The red, ball!", "skys run"])
    words = table.words
    assert table.caption(0) == "the red ball"
    flat = [i for p, n in zip(words.parts[1], words.lengths[1], strict=True) for i in p[:n]]
    assert flat == [IDS["sky"], IDS["##s"], IDS["run"]]
    choice = np.full(words.lengths.shape[1], -1)
    choice[1] = 1
    assert table.caption(0, choice) == "the green ball"
    size = words.substitute_lengths[0, 1, 1]
    assert words.substitutes[0, 1, 1][:size].tolist() == [IDS["green"]]
    taken = table.take(np.array([[1, -1], [0, 1]]))
    assert (taken.lengths[0, 1] == 0).all() and (taken.substitute_lengths[0, 1] == 0).all()
    np.testing.assert_array_equal(taken.parts[1, 0], words.parts[0])


def test_a_caption_with_no_attackable_word_is_counted():
    table = build(["of the", "red"])
    assert table.attackable.tolist() == [0, 1]
    assert not table.words.substitute_lengths[0].any()


@pytest.mark.parametrize("caption", ["", "  ", "...!"])
def test_an_empty_caption_is_one_sentence(caption):
    with pytest.raises(ValueError, match="caption 1 .* holds no word: give it a text") as error:
        build(["red", caption])
    assert "\n" not in str(error.value)


def test_other_bad_input():
    with pytest.raises(ValueError, match="no captions"):
        build([])
    with pytest.raises(ValueError, match="candidates 0"):
        build(["red"], candidates=0)
    with pytest.raises(ValueError, match="'loose' is not one of fixed, official"):
        unchecked(alignment="loose")
    with pytest.raises(ValueError, match="not one of none, truthful"):
        unchecked(constraint="nice")
    with pytest.raises(ValueError, match="what is true of each picture"):
        photographs = SimpleNamespace(name="photographs", source=object())
        Substitutes(constraint="truthful").build(photographs, TinyTokenizer())


def test_cache_is_found_again_and_a_broken_one_rebuilt(tmp_path, monkeypatch):
    first = build(["the red ball"], cache=tmp_path)
    (file,) = tmp_path.iterdir()

    def same(table: WordTable):
        return options(table, 0) == options(first, 0)

    # What is on disk is used: the model is not asked again.
    file.write_text(json.dumps([[[], ["grass"], []]]))
    assert options(build(["the red ball"], cache=tmp_path), 0) == [[], ["grass"], []]
    for rubbish in ("[[[", "[]", ""):
        file.write_text(rubbish)
        assert same(build(["the red ball"], cache=tmp_path))
    assert same(build(["the red ball"], cache=tmp_path))
    # Other captions, settings or weights have their own file.
    build(["the red cube"], cache=tmp_path)
    build(["the red ball"], cache=tmp_path, candidates=2)
    build_words(
        ["the red ball"],
        TinyTokenizer(),
        Scripted({}),
        TinyTokenizer(),
        candidates=6,
        cache=tmp_path,
    )
    assert len(list(tmp_path.iterdir())) == 4
    assert not list(tmp_path.glob("*.partial"))


def test_stop_words_are_function_words_only():
    assert {"a", "the", "of", "not", "one", "first", "under", "some", "they"} <= STOP_WORDS
    for word in "red two hundred dog left right run striped big three little near ill".split():
        assert word not in STOP_WORDS
    assert all(word.isalpha() and word == word.lower() for word in STOP_WORDS)


def test_what_a_picture_can_contradict_is_attackable():
    """No size, colour, number, texture, kind or place of the embedded world is a function word."""
    tables = (
        lexicon.SIZE_WORDS,
        lexicon.COLOUR_WORDS,
        lexicon.NUMBERS,
        lexicon.TEXTURE_WORDS,
        lexicon.SHADE_WORDS,
        lexicon.PLACE_WORDS,
        lexicon.NOUNS,
        lexicon.GROUND_WORDS,
    )
    assert not STOP_WORDS.intersection(*[{word for table in tables for word in table}])
    assert not STOP_WORDS & {"few", "several", "many", "half", "near", "inside", "together"}


def test_each_alignment_has_its_own_function_words():
    """The released list blocks "empty" and "back" and leaves "do" and "near" open; ours does not.

    What it holds is a fact of the released Co-Attack and SGA, read there.
    """
    released = stop_words_of("official")
    assert {"empty", "back", "alone", "whole", "hundred", "first", "one", "%", "a the"} <= released
    assert not released & {"near", "several", "few", "little", "do", "has", "will", "two", "dog"}
    # 294 entries, two of them twice; 26 contractions and 12 signs no cleaned caption can hold.
    assert len(released) == 292 - 26 - 12
    assert stop_words_of("fixed") == STOP_WORDS


def test_official_shows_the_model_no_end_of_the_caption():
    seen = []

    class Watched(Scripted):
        def logits(self, tokens):
            jax.debug.callback(lambda ids: seen.append(np.asarray(ids)), tokens.ids)
            return super().logits(tokens)

    script = {"[CLS]": "cube 7 green"}
    for alignment, end in (("official", False), ("fixed", True)):
        build_words(
            ["red ball"],
            TinyTokenizer(),
            Watched(script),
            TinyTokenizer(),
            candidates=3,
            alignment=alignment,
        )
        assert (IDS["[SEP]"] in seen[0][0]) == end
        seen.clear()


def test_a_table_with_a_cache_is_read_from_the_disk(tmp_path):
    captions = ["the red ball", "a run", "the red ball", "red balls run"]
    table, plain = build(captions, cache=tmp_path), build(captions)
    for array, other in ((table.substitutes, plain.substitutes), (table.captions, plain.captions)):
        assert isinstance(array, np.memmap)
        np.testing.assert_array_equal(array, other)
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]  # the proposals; no table
    rows = np.array([2, -1])
    for found, other in zip(table.take(rows), plain.take(rows), strict=True):
        assert not isinstance(found, np.memmap)
        np.testing.assert_array_equal(found, other)
