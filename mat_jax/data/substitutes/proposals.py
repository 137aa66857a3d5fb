"""What a masked language model proposes for each word of a caption, as text."""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array
from tqdm import tqdm

from mat_jax.data.clean import clean_caption
from mat_jax.data.substitutes.released_stop_words import RELEASED_STOP_WORDS
from mat_jax.data.substitutes.stop_words import STOP_WORDS
from mat_jax.types.arrays import Tokens
from mat_jax.types.protocols import LanguageModel, ReadableTokenizer
from mat_jax.utils.cache import unwritable

Alignment = Literal["fixed", "official"]
BATCH = 64
PIECES = 12  # of a word in several pieces, the pieces that are varied
PER_PIECE = 4  # proposals for each of them
COMBINATIONS = 24  # combinations considered
OFFICIAL_LENGTH = 30  # tokens the released attacks read of a caption
OFFICIAL_LOGIT = 0.3  # and the logit below which they stop reading proposals
SPECIALS = frozenset({"[pad]", "[unk]", "[cls]", "[sep]", "[mask]"})


def propose(
    captions: Sequence[str],
    mlm: LanguageModel,
    tokenizer: ReadableTokenizer,
    *,
    candidates: int,
    alignment: Alignment,
    cache: str | Path | None = None,
    progress: bool = False,
) -> list[list[list[str]]]:
    """Substitutes of each word of each cleaned caption, the likeliest first.

    A word that is one token gets the model's likeliest tokens at its place. A word of several
    pieces gets combinations of the four likeliest tokens at each piece, the first 24 of them,
    ordered by the model's perplexity of the combination by itself (BERT-Attack, section 3.2). The
    released programs try all 24, whatever `candidates` says, and so does `official`.

    Args:
        captions: cleaned captions, each at most once.
        mlm: `logits(Tokens [n, length]) -> [n, length, vocabulary]`, an `nnx.Module`.
        tokenizer: the model's own.
        candidates: tokens considered in each place, and substitutes of a word at most; under
            `official`, of a word that is one token.
        alignment: see `candidates.build_words`.
        cache: folder for results, named by a hash of all that goes in. None keeps nothing.
        progress: show a progress bar.
    """
    if cache is None:
        return _propose(captions, mlm, tokenizer, candidates, alignment, progress)
    path = Path(cache) / f"{_fingerprint(captions, mlm, tokenizer, candidates, alignment)}.json"
    found = _read(path, captions)
    if found is None:
        found = _propose(captions, mlm, tokenizer, candidates, alignment, progress)
        try:
            _write(path, found)
        except OSError as error:  # what was found serves this run all the same
            print(f"note: {unwritable(path.parent, error)}", file=sys.stderr)
    return found


def _propose(
    captions: Sequence[str],
    mlm: LanguageModel,
    tokenizer: ReadableTokenizer,
    candidates: int,
    alignment: Alignment,
    progress: bool,
) -> list[list[list[str]]]:
    reader, stop_words = _Reader(mlm, tokenizer, candidates), stop_words_of(alignment)
    words = [caption.split() for caption in captions]
    pieces = {word: tokenizer.parts(word) for word in {w for caption in words for w in caption}}
    flat = [[i for word in caption for i in pieces[word]] for caption in words]
    longest = tokenizer.text_format.length
    if alignment == "official":
        longest = min(longest, OFFICIAL_LENGTH)
    result, shift = [], int(alignment == "fixed")
    # The tokenizer of the released programs writes no [SEP] after a caption.
    rows = reader.likeliest(flat, longest, "candidate words", progress, end=alignment == "fixed")
    for caption, (ids, logits) in zip(words, rows, strict=True):
        # Row 0 is [CLS]; `official` reads a word's proposals one row too early.
        place, found = shift, []
        last = len(ids) - 2 if alignment == "fixed" else longest - 2
        for word in caption:
            count = len(pieces[word])
            # All of the word must be within what the model read; `official` asks for its start.
            seen = (place + count - 1 if shift else place) <= last
            seen = seen and word not in stop_words
            options = reader.options(ids, logits, place, count, alignment) if seen else []
            found.append(_kept(options, word, candidates, alignment))
            place += count
        result.append(found)
    return result


class _Reader:
    """The model behind two questions: the likeliest tokens in a place, the order of combinations.

    Both go through one compiled call of fixed shape each, weights as arguments.
    """

    def __init__(self, mlm: LanguageModel, tokenizer: ReadableTokenizer, candidates: int) -> None:
        self.graph, self.state = nnx.split(mlm)
        self.tokenizer, self.candidates = tokenizer, candidates
        self.top = min(candidates, tokenizer.vocab_size)
        self.ordered: dict[tuple, list[str]] = {}

    def likeliest(
        self, texts: list[list[int]], longest: int, title: str, progress: bool, *, end: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each text, framed by the start and perhaps the end: ids and logits [length, top]."""
        form = self.tokenizer.text_format
        last = [form.end] if end else []
        framed = [[form.start, *ids[: longest - 1 - len(last)], *last] for ids in texts]
        length = min(longest, -(-max(map(len, framed)) // 8) * 8)
        # A bar on a terminal, a line now and then in a log.
        often = 0.2 if sys.stderr.isatty() else 10
        with tqdm(
            total=len(framed), desc=title, unit="", disable=not progress, mininterval=often
        ) as bar:
            for start in range(0, len(framed), BATCH):
                batch = framed[start : start + BATCH]
                tokens = _padded(batch, BATCH, length, form.pad)
                logits, ids = _top(self.graph, self.top, self.state, tokens)
                logits, ids = np.asarray(logits), np.asarray(ids)
                for row, one in enumerate(batch):
                    yield ids[row, : len(one)], logits[row, : len(one)]
                bar.update(len(batch))

    def options(
        self, ids: np.ndarray, logits: np.ndarray, place: int, count: int, alignment: Alignment
    ) -> list[str]:
        """Texts for a word of `count` tokens that starts at row `place`, the best first."""
        if count == 1:
            many = len(ids[place])
            if alignment == "official":
                many = int(np.sum(np.cumprod(logits[place] >= OFFICIAL_LOGIT)))
            return [self.tokenizer.word([int(i)]) for i in ids[place, :many]]
        pieces = ids[place : place + min(count, PIECES), :PER_PIECE]
        combinations = tuple(islice(product(*(map(int, row) for row in pieces)), COMBINATIONS))
        if combinations not in self.ordered:
            form = self.tokenizer.text_format
            tokens = _padded(list(map(list, combinations)), COMBINATIONS, PIECES, form.pad)
            values = np.asarray(_perplexity(self.graph, self.state, tokens))[: len(combinations)]
            order = np.argsort(values, kind="stable")
            self.ordered[combinations] = [self.tokenizer.word(combinations[i]) for i in order]
        return self.ordered[combinations]


# Not inside the class: every corpus of a process then shares the compiled programs.
@partial(jax.jit, static_argnums=(0, 1))
def _top(graph: Any, count: int, state: Any, tokens: Tokens) -> tuple[Array, Array]:
    """The `count` likeliest tokens in each place: logits and ids."""
    logits = nnx.merge(graph, state).logits(tokens).astype(jnp.float32)
    logits, ids = jax.lax.top_k(logits, count)
    return logits, ids


@partial(jax.jit, static_argnums=0)
def _perplexity(graph: Any, state: Any, tokens: Tokens) -> Array:
    """Of each row."""
    logits = nnx.merge(graph, state).logits(tokens).astype(jnp.float32)
    logits = jax.nn.log_softmax(logits)
    each = jnp.take_along_axis(logits, tokens.ids[..., None], axis=-1)[..., 0]
    return jnp.exp(-jnp.mean(each, axis=-1, where=tokens.mask))


def _kept(options: list[str], word: str, candidates: int, alignment: Alignment) -> list[str]:
    """The proposals that are words, and other ones.

    `official` also lets "2", "t shirt" and signs by, unless cleaning would delete them, and keeps
    all combinations of a word in pieces.
    """
    stop_words = stop_words_of(alignment)

    def fine(text: str) -> bool:
        plain = text.isalpha() if alignment == "fixed" else _released(text)
        return plain and text != word and text not in stop_words

    found = list(dict.fromkeys(text for text in map(str.lower, options) if fine(text)))
    return found if alignment == "official" else found[:candidates]


def _released(text: str) -> bool:
    """Whether the released programs would try a proposal, and a cleaned caption can hold it."""
    whole = "##" not in text and text not in SPECIALS
    return whole and bool(text) and clean_caption(text) == text


def stop_words_of(alignment: Alignment) -> frozenset[str]:
    """The words that are neither replaced nor put in: our own list, or the released programs'."""
    return RELEASED_STOP_WORDS if alignment == "official" else STOP_WORDS


def _padded(rows: list[list[int]], count: int, length: int, pad: int) -> Tokens:
    ids = np.full((count, length), pad, np.int32)
    mask = np.zeros((count, length), bool)
    for row, one in enumerate(rows):
        ids[row, : len(one)] = one
        mask[row, : len(one)] = True
    # A row of nothing but padding would have nothing to attend to.
    mask[len(rows) :, 0] = True
    return Tokens(jnp.asarray(ids), jnp.asarray(mask))


def _fingerprint(
    captions: Sequence[str],
    mlm: LanguageModel,
    tokenizer: ReadableTokenizer,
    candidates: int,
    alignment: Alignment,
) -> str:
    digest = hashlib.sha256()
    # The first number is raised when what an alignment proposes changes.
    settings = [
        {"fixed": 1, "official": 2}[alignment],
        candidates,
        alignment,
        sorted(stop_words_of(alignment)),
        list(captions),
    ]
    vocabulary = [tokenizer.word([i]) for i in range(tokenizer.vocab_size)]
    digest.update(json.dumps([settings, vocabulary, tokenizer.text_format.length]).encode())
    for leaf in jax.tree.leaves(nnx.state(mlm)):
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            digest.update(np.ascontiguousarray(leaf).tobytes())
    return f"proposals-{digest.hexdigest()[:24]}"


def _read(path: Path, captions: Sequence[str]) -> list[list[list[str]]] | None:
    """What is on disk, or None: what is missing, broken or not of these captions is made anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, list) or len(found) != len(captions):
        return None
    return found if all(map(_are_proposals, found, captions)) else None


def _are_proposals(found: object, caption: str) -> bool:
    """Whether these are lists of texts, one for each word of the caption."""
    lists = isinstance(found, list) and all(isinstance(options, list) for options in found)
    return (
        lists
        and len(found) == len(caption.split())
        and all(isinstance(text, str) for options in found for text in options)
    )


def _write(path: Path, found: list[list[list[str]]]) -> None:
    """Written beside its place, then moved there: never half a file under the final name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(found, file, ensure_ascii=False, separators=(",", ":"))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
