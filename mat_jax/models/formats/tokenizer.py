"""Tokenizers of CLIP (byte-level BPE) and BERT (WordPiece), in the files transformers reads."""

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from jaxtyping import Int
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from mat_jax.data.clean import clean_caption
from mat_jax.types.arrays import Tokens
from mat_jax.types.text_format import TextFormat

CLIP_SPECIALS = ("<|startoftext|>", "<|endoftext|>")
OPENAI_MERGES = "bpe_simple_vocab_16e6.txt.gz"
BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# OpenAI's pattern: contractions, runs of letters, single digits, runs of anything else.
CLIP_PATTERN = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


class Tokenizer:
    """Captions to ids, framed as `text_format` says and padded to its length.

    Captions are cleaned first (`data.clean_caption`). A cleaned caption is words with single
    spaces between them, and its ids are its words' ids one after another, which is what lets an
    attack replace a word on the device.
    """

    def __init__(self, backend: tokenizers.Tokenizer, length: int):
        family = "clip" if backend.token_to_id(CLIP_SPECIALS[1]) is not None else "bert"
        specials = CLIP_SPECIALS if family == "clip" else BERT_SPECIALS
        missing = [token for token in specials if backend.token_to_id(token) is None]
        if missing:
            raise ValueError(
                f"the vocabulary lacks {', '.join(missing)}; expected a CLIP vocabulary with "
                f"{', '.join(CLIP_SPECIALS)} or a BERT vocabulary with {', '.join(BERT_SPECIALS)}"
            )
        if length < 3:
            raise ValueError(f"length={length} leaves no room for a word; choose 3 or more")
        # A caption that spells out a special token is text like any other.
        backend.encode_special_tokens = True
        backend.no_padding()
        backend.no_truncation()
        start, end, pad = (
            (*CLIP_SPECIALS, CLIP_SPECIALS[1])
            if family == "clip"
            else (BERT_SPECIALS[2], BERT_SPECIALS[3], BERT_SPECIALS[0])
        )
        vocab = backend.get_vocab()
        self.backend = backend
        self.family = family
        self.text_format = TextFormat(
            start=vocab[start],
            end=vocab[end],
            pad=vocab[pad],
            length=length,
            mask=tuple(backend.encode("[UNK]", add_special_tokens=False).ids)
            if family == "clip"
            else (vocab["[UNK]"],),
        )

    @cached_property
    def vocab_size(self) -> int:
        """Number of ids, special ones included."""
        return self.backend.get_vocab_size()

    def __call__(
        self, captions: Sequence[str], *, clean: Callable[[str], str] = clean_caption
    ) -> Tokens:
        """Tokens `[captions, length]` as numpy arrays. Too long a caption loses its last ids.

        With another rule to `clean` by (`data.clean_blip_caption`), the words are no longer those
        of candidate tables.
        """
        cleaned = [clean(caption) for caption in captions]
        encoded = self.backend.encode_batch(cleaned, add_special_tokens=False)
        form = self.text_format
        ids = np.full((len(cleaned), form.length), form.pad, np.int32)
        mask = np.zeros(ids.shape, bool)
        for row, one in enumerate(encoded):
            framed = [form.start, *one.ids[: form.length - 2], form.end]
            ids[row, : len(framed)] = framed
            mask[row, : len(framed)] = True
        return Tokens(ids, mask)  # type: ignore[arg-type]  # numpy until it is sent to a device

    def parts(self, word: str) -> list[int]:
        """The ids of one word of a cleaned caption, without start and end."""
        return self.backend.encode(word, add_special_tokens=False).ids

    def word(self, ids: Sequence[int]) -> str:
        """The text of some ids: the inverse of `parts`, up to what cleaning changed."""
        text = self.backend.decode([int(i) for i in ids], skip_special_tokens=False)
        return text.replace("</w>", " ").strip()

    def captions(self, ids: Int[np.ndarray, "captions length"]) -> list[str]:
        """The texts of rows of ids, without special tokens."""
        rows = [self.backend.decode(row, skip_special_tokens=True) for row in ids.tolist()]
        return [row.replace("</w>", " ").strip() for row in rows]

    def with_tokens(self, *tokens: str) -> "Tokenizer":
        """The same with more special tokens, at the end of the vocabulary in this order."""
        backend = tokenizers.Tokenizer.from_str(self.backend.to_str())
        backend.add_special_tokens(list(tokens))
        return Tokenizer(backend, self.text_format.length)

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json and the older vocabulary files, all as transformers reads them."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.backend.save(str(folder / "tokenizer.json"))
        self.backend.model.save(str(folder))
        shared = {"model_max_length": self.text_format.length, "clean_up_tokenization_spaces": True}
        start, end = CLIP_SPECIALS
        pad, unknown, first, last, mask = BERT_SPECIALS
        settings: dict[str, Any] = {
            "clip": {
                "tokenizer_class": "CLIPTokenizer",
                "bos_token": start,
                "eos_token": end,
                "pad_token": end,
                "unk_token": end,
            },
            "bert": {
                "tokenizer_class": "BertTokenizer",
                "do_lower_case": True,
                "pad_token": pad,
                "unk_token": unknown,
                "cls_token": first,
                "sep_token": last,
                "mask_token": mask,
            },
        }[self.family]
        text = json.dumps(shared | settings, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")

    @classmethod
    def from_dir(cls, folder: str | Path, length: int | None = None) -> "Tokenizer":
        """Read tokenizer.json, or vocab.json with merges.txt (CLIP), or vocab.txt (BERT), or the
        file beside OpenAI's code.

        The length is tokenizer_config.json's `model_max_length`, and no more than `length`.
        """
        folder = Path(folder)
        length = _length(folder, length)
        if (folder / "tokenizer.json").exists():
            path = folder / "tokenizer.json"
            try:
                return cls(tokenizers.Tokenizer.from_file(str(path)), length)
            except Exception as error:  # the Rust library raises bare Exception
                raise ValueError(
                    f"{path} is not a tokenizer file ({error}); export it again"
                ) from error
        if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
            return cls.clip(folder / "vocab.json", folder / "merges.txt", length)
        if (folder / "vocab.txt").exists():
            return cls.bert(folder / "vocab.txt", length)
        if (folder / OPENAI_MERGES).exists():
            return cls.openai(folder / OPENAI_MERGES, length)
        raise FileNotFoundError(
            f"{folder} holds no tokenizer; expected tokenizer.json, or vocab.json and merges.txt, "
            f"or vocab.txt, or {OPENAI_MERGES}; or name another folder with tokenizer="
        )

    @classmethod
    def clip(cls, vocab: str | Path, merges: str | Path, length: int = 77) -> "Tokenizer":
        """CLIP's, from its vocabulary (JSON: token to id) and its merges, best first."""
        ids = _json(vocab)
        pairs = [tuple(line.split()) for line in _text(merges).splitlines()]
        return cls(
            _clip_backend(
                ids, [pair for pair in pairs if len(pair) == 2 and pair[0] != "#version:"]
            ),
            length,
        )

    @classmethod
    def openai(cls, merges: str | Path, length: int = 77) -> "Tokenizer":
        """CLIP's, from the merges that OpenAI's code reads, of which it uses the first 48,894."""
        try:
            lines = gzip.decompress(Path(merges).read_bytes()).decode("utf-8").split("\n")
        except (EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{merges} is damaged ({error}); copy it again") from error
        pairs = [tuple(line.split()) for line in lines[1 : 1 + 48_894] if line]
        return cls(_clip_backend(_clip_vocab(pairs), pairs), length)

    @classmethod
    def bert(cls, vocab: str | Path, length: int = 512) -> "Tokenizer":
        """BERT's (uncased), from its vocabulary: a token a line."""
        lines = _text(vocab).splitlines()
        return cls(_bert_backend({token.strip(): i for i, token in enumerate(lines)}), length)

    @classmethod
    def train_clip(cls, captions: Sequence[str], vocab_size: int, length: int) -> "Tokenizer":
        """A tokenizer of CLIP's kind, its merges learnt from captions.

        `vocab_size` is an upper bound.
        """
        if vocab_size < 514:
            raise ValueError(f"vocab_size={vocab_size} is too small; bytes and specials need 514")
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            initial_alphabet=alphabet,
            end_of_word_suffix="</w>",
            # Known from the start: the trainer would number them in the order of a hash table, and
            # equally frequent pairs are merged in the order of their numbers.
            special_tokens=[f"{byte}</w>" for byte in alphabet],
            show_progress=False,
        )
        learner = _clip_backend({token: i for i, token in enumerate(CLIP_SPECIALS)}, [])
        learner.train_from_iterator(map(clean_caption, captions), trainer)
        merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
        merges = merges[: vocab_size - 514]
        return cls(_clip_backend(_clip_vocab(merges), merges), length)

    @classmethod
    def train_bert(cls, captions: Sequence[str], vocab_size: int, length: int) -> "Tokenizer":
        """A tokenizer of BERT's kind, its word pieces learnt from captions.

        Letters and digits are always in it, at the start of a word and inside, so that no plain
        word is unknown. `vocab_size` is an upper bound.
        """
        plain = "abcdefghijklmnopqrstuvwxyz0123456789"
        least = len(BERT_SPECIALS) + 2 * len(plain)
        if vocab_size < least:
            raise ValueError(
                f"vocab_size={vocab_size} is too small; letters, digits and specials need {least}"
            )
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size,
            special_tokens=[*BERT_SPECIALS, *plain, *(f"##{letter}" for letter in plain)],
            show_progress=False,
        )
        learner = _bert_backend({token: i for i, token in enumerate(BERT_SPECIALS)})
        learner.train_from_iterator(map(clean_caption, captions), trainer)
        return cls(_bert_backend(learner.get_vocab()), length)


def _clip_vocab(merges: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """CLIP's ids: 256 bytes, 256 bytes that end a word, merges, start, end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), *map("".join, merges)]
    return {token: i for i, token in enumerate([*tokens, *CLIP_SPECIALS])}


def _clip_backend(vocab: dict[str, int], merges: Any) -> tokenizers.Tokenizer:
    start, end = CLIP_SPECIALS
    backend = tokenizers.Tokenizer(
        models.BPE(
            vocab=vocab,
            merges=merges,
            unk_token=end,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    )
    space = normalizers.Replace(tokenizers.Regex(r"\s+"), " ")
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), space, normalizers.Lowercase()])
    split = pre_tokenizers.Split(tokenizers.Regex(CLIP_PATTERN), behavior="removed", invert=True)
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, bytewise])
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([start, end])
    if start in vocab and end in vocab:
        backend.post_processor = processors.RobertaProcessing(
            (end, vocab[end]), (start, vocab[start]), trim_offsets=False, add_prefix_space=False
        )
    return backend


def _bert_backend(vocab: dict[str, int]) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.add_special_tokens([token for token in BERT_SPECIALS if token in vocab])
    if "[CLS]" in vocab and "[SEP]" in vocab:
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0",
            pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[(token, vocab[token]) for token in ("[CLS]", "[SEP]")],
        )
    return backend


def _length(folder: Path, limit: int | None) -> int:
    path = folder / "tokenizer_config.json"
    stated = _json(path).get("model_max_length") if path.exists() else None
    if stated is not None and (type(stated) not in (int, float) or not stated > 2):
        raise ValueError(f"{path} says model_max_length={stated!r}; expected a number of ids")
    # transformers writes 1e30 where it knows of no limit.
    known = [int(n) for n in (stated, limit) if n is not None and n < 100_000]
    if not known:
        raise ValueError(f"{path} states no model_max_length; pass length=")
    return min(known)


def _json(path: str | Path) -> dict[str, Any]:
    """What a file says by names."""
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); copy it again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not JSON of values by name; copy it again")
    return found


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist; expected a vocabulary file there"
        ) from None
