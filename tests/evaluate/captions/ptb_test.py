"""Captions are cut as Stanford's own tokenizer cuts them.

`ORIGINAL` is what `java edu.stanford.nlp.process.PTBTokenizer -preserveLines -lowerCase` of CoreNLP
3.4.1 printed. Where Java and pycocoevalcap are installed, it is asked again, on all photographs'
captions of `shared`.
"""

import json
import shutil
from pathlib import Path

import pytest

from mat_jax.evaluate.captions import ptb_tokens
from mat_jax.evaluate.captions.ptb import PUNCTUATION

ORIGINAL = {
    "The man's dog can't run, doesn't it?": "the man 's dog ca n't run , does n't it ?",
    "A \"stop\" sign (red) and a 'go' sign; it's black-and-white...": (
        "a `` stop '' sign -lrb- red -rrb- and a ` go ' sign ; it 's black-and-white ..."
    ),
    "U.S. flag on Main St. near Mr. Smith's house.": (
        "u.s. flag on main st. near mr. smith 's house ."
    ),
    "Two T-shirts, 50% off - $5.99!": "two t-shirts , 50 % off - $ 5.99 !",
    "A black/white cat and/or dog": "a black/white cat and/or dog",
    "They cannot gonna gimme": "they can not gon na gim me",
    "12:30 p.m. on a clock. It's 3 o'clock": "12:30 p.m. on a clock . it 's 3 o'clock",
    "1,000 people & 2 dogs @ the park #1": "1,000 people & 2 dogs @ the park # 1",
    "rock 'n' roll, y'all; dogs' toys": "rock 'n' roll , y' all ; dogs ' toys",
    "A “quoted” word and ‘another’ one’s": "a `` quoted '' word and ` another ' one 's",
    "café naïve Zürich Straße": "café naïve zürich straße",
    "half ½ a pizza … and 1/2 cup": "half 1/2 a pizza ... and 1/2 cup",
    "a man -- with a hat — and – coat": "a man -- with a hat -- and -- coat",
    "I'll, we've, you're, he'd, I'm, shouldn't've": (
        "i 'll , we 've , you 're , he 'd , i 'm , should n't 've"
    ),
    "A no. 5 bus, no five": "a no. 5 bus , no five",
    "a 3-year-old girl's 2nd birthday": "a 3-year-old girl 's 2nd birthday",
    "a child 's toy that ca n't move": "a child 's toy that ca n't move",
    "[brackets] {braces}": "-lsb- brackets -rsb- -lcb- braces -rcb-",
    "A man sits.A dog runs.": "a man sits.a dog runs .",
    "1980's car and '80s van": "1980 's car and '80s van",
    "$20 bill £5 €3": "$ 20 bill # 5 $ 3",
    "2x4 and 747's": "2x4 and 747 's",
    "M&M's AT&T a&b": "m&m 's at&t a & b",
    "hello!!! what? no!?": "hello !!! what ? no !?",
    "wait....what six......": "wait ... what six ...",
    "10:30am 5pm 5ft.": "10:30 am 5pm 5ft .",
    "x--y t- shirt -white": "x -- y t - shirt - white",
    "'tis 'twas 'em ma'am o'neil d'angelo": "'t is 't was 'em ma'am o'neil d'angelo",
    "a.k.a. r.v. t.v. tv. set": "a.k.a. r.v. t.v. tv . set",
    "a*b c+d e=f g_h": "a * b c + d e = f g_h",
    "&quot;hello&quot; &amp; it is I. The": "`` hello '' & it is i . the",
    "letter A. next, room 3. next": "letter a. next , room 3 . next",
}


@pytest.mark.parametrize("caption", ORIGINAL)
def test_it_cuts_as_the_original(caption: str) -> None:
    kept = [token for token in ORIGINAL[caption].split(" ") if token not in PUNCTUATION]
    assert ptb_tokens(caption) == kept


def test_a_line_break_is_a_space_and_nothing_is_no_word() -> None:
    assert ptb_tokens("two\ndogs\t run .") == ["two", "dogs", "run"]
    assert ptb_tokens("") == ptb_tokens(" . ") == []


def test_photographs_captions_are_cut_as_by_the_original(shared: Path) -> None:
    """Of 38,899 captions, these and those of COCO's example, every one is."""
    original = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer")
    if shutil.which("java") is None:
        pytest.skip("no java here")
    rows = [
        row
        for split in ("train", "val", "test")
        for row in json.loads((shared / f"data/flickr8k/flickr8k_{split}.json").read_text())
    ]
    texts = [
        text
        for row in rows
        for text in ([row["caption"]] if isinstance(row["caption"], str) else row["caption"])
    ]
    found = original.PTBTokenizer().tokenize({0: [{"caption": text} for text in texts]})[0]
    different = [
        text for text, one in zip(texts, found, strict=True) if " ".join(ptb_tokens(text)) != one
    ]
    assert len(texts) > 30_000 and different == []
