import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax.data import clean_blip_caption, clean_caption


def albef(caption: str, max_words: int) -> str:
    """The published rule, step by step as ALBEF's paper repository describes it."""
    caption = re.sub(r"([,.'!?\"()*#:;~])", "", caption.lower())
    caption = caption.replace("-", " ").replace("/", " ").replace("<person>", "person")
    caption = re.sub(r"\s{2,}", " ", caption).rstrip("\n").strip(" ")
    words = caption.split(" ")
    return " ".join(words[:max_words]) if len(words) > max_words else caption


def test_flickr8k_caption() -> None:
    assert (
        clean_caption("A man 's T-shirt , and/or (red) hat .") == "a man s t shirt and or red hat"
    )


def test_person_token_of_conceptual_captions() -> None:
    assert clean_caption("<PERSON> in the park!") == "person in the park"


def test_thirty_words_are_kept() -> None:
    assert clean_caption("word " * 40) == " ".join(["word"] * 30)
    assert clean_caption("a b c d", max_words=2) == "a b"


def test_no_words() -> None:
    assert clean_caption(" .,!? ") == ""


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("aB é9 ,.'!?\"()*#:;~-/<>&"), max_size=80))
def test_is_the_published_rule(text: str) -> None:
    assert clean_caption(text) == albef(text, 30)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_twice_is_once(text: str) -> None:
    assert clean_caption(clean_caption(text)) == clean_caption(text)


def blip(caption: str, max_words: int) -> str:
    """BLIP's rule, step by step."""
    caption = re.sub(r"([.!\"()*#:;~])", " ", caption.lower())
    caption = re.sub(r"\s{2,}", " ", caption).rstrip("\n").strip(" ")
    words = caption.split(" ")
    return " ".join(words[:max_words]) if len(words) > max_words else caption


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("aB é9 ,.'!?\"()*#:;~-/<>&"), max_size=80))
def test_blips_is_the_published_rule(text: str) -> None:
    assert clean_blip_caption(text) == blip(text, 50)
    assert clean_blip_caption("word " * 60) == blip("word " * 60, 50)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_blips_twice_is_once(text: str) -> None:
    assert clean_blip_caption(clean_blip_caption(text)) == clean_blip_caption(text)


def test_the_two_rules_differ() -> None:
    text = "<PERSON>'s T-shirt, and/or (red) hat; why?"
    assert clean_caption(text) == "persons t shirt and or red hat why"
    assert clean_blip_caption(text) == "<person>'s t-shirt, and/or red hat why?"
