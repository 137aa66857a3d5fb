"""Where EDA's synonyms come from: the world's lexicon, a file of words, a masked language model.

Each is `options(captions) -> [caption][word] -> words`, for cleaned captions.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from mat_jax import models
from mat_jax.data.scenes import lexicon
from mat_jax.data.substitutes.proposals import propose
from mat_jax.data.substitutes.stop_words import STOP_WORDS
from mat_jax.utils import cache

Source = Callable[[Sequence[str]], list[list[list[str]]]]

_SINGULAR = frozenset(
    word
    for words in (*lexicon.KIND_WORDS.values(), *lexicon.FAMILY_WORDS.values())
    for word in words
)
_NOUNS = {word: lexicon.NOUNS[word] for word in sorted(_SINGULAR)}
_PLURALS = {lexicon.plural(word): kinds for word, kinds in _NOUNS.items()}


def of_the_world(captions: Sequence[str]) -> list[list[list[str]]]:
    """For each word of the world's language, the words that are true of all it is true of.

    "tiny" for "small", "fruit" for "apple": a caption keeps its truth when one is put in a word's
    place. What stands before a ground ("dark sand") is a shade, before a thing a colour, a size or
    a texture.
    """
    return [_of_caption(caption.split()) for caption in captions]


def of_words(table: Mapping[str, Sequence[str]], captions: Sequence[str]) -> list[list[list[str]]]:
    """For each word what the table has for it, function words excepted."""
    return [
        [[] if word in STOP_WORDS else list(table.get(word, ())) for word in caption.split()]
        for caption in captions
    ]


def from_file(path: str | Path) -> Source:
    """The synonyms of a user's file.

    Two forms: JSON, `{"dog": ["hound", "puppy"], ...}`; or text, a word and its synonyms a line,
    between blanks or commas, as in "dog hound puppy".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of neither form.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise FileNotFoundError(f"no file of synonyms {str(path)!r}; give its path") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 text ({error}); save it as that") from None
    if path.suffix == ".json":
        try:
            table = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{str(path)!r} is not valid JSON ({error}); repair it") from None
    else:
        lines = [line.replace(",", " ").split() for line in text.splitlines()]
        table = {line[0]: line[1:] for line in lines if line}
    lists = list(table.values()) if isinstance(table, dict) else [None]
    if not all(isinstance(own, list) and all(isinstance(w, str) for w in own) for own in lists):
        raise ValueError(f'{str(path)!r} is not of the form {{"dog": ["hound", "puppy"], ...}}')
    if not any(lists):
        raise ValueError(f"{str(path)!r} holds no synonym; give it a word and its synonyms a line")
    return partial(of_words, {word.lower(): own for word, own in table.items()})


def from_model(name: str, *, candidates: int = 10) -> Source:
    """What a masked language model proposes in each place, the likeliest first.

    These fit the place but need not mean the same: "red" for "blue".
    """
    mlm, tokenizer = models.load(name)
    models.require_language_model(mlm, name)

    def options(captions: Sequence[str]) -> list[list[list[str]]]:
        distinct = list(dict.fromkeys(captions))
        folder = cache.folder("candidates")
        found = propose(
            distinct, mlm, tokenizer, candidates=candidates, alignment="fixed", cache=folder
        )
        known = dict(zip(distinct, found, strict=True))
        return [known[caption] for caption in captions]

    return options


def _of_caption(words: list[str]) -> list[list[str]]:
    found, ground = [], False
    for word in reversed(words):  # an adjective belongs to the next noun
        tables: list[dict[str, frozenset[str]]]
        if word in lexicon.GROUND_WORDS:
            ground, tables = True, [lexicon.GROUND_WORDS]
        elif word in lexicon.NOUNS:
            ground, tables = False, [_NOUNS if word in _NOUNS else _PLURALS]
        elif ground:
            tables = [lexicon.SHADE_WORDS]
        else:
            tables = [lexicon.COLOUR_WORDS, lexicon.SIZE_WORDS, lexicon.TEXTURE_WORDS]
        meant = [(table, table[word]) for table in tables if word in table]
        found.append(
            [
                other
                for table, meaning in meant
                for other, wider in table.items()
                if other != word and meaning <= wider
            ]
        )
    return found[::-1]
