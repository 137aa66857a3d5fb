"""One sequence of ids for several tokenizers, so that one change of a word is read by all models.

A joint id stands for one id of each tokenizer, or for none of it: a word of two ids here and of
three there is three joint ids, the last of which is no id of the first tokenizer. `split_ids`
gives each model its own ids back, on the device, without the gaps.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from mat_jax.data.clean import clean_caption
from mat_jax.models.formats.tokenizer import Tokenizer
from mat_jax.types.arrays import Tokens
from mat_jax.types.text_format import TextFormat


class JointTokenizer:
    """Reads captions for several models at once; a `types.protocols.Tokenizer`.

    Args:
        tokenizers: one or more, each other than the others.
        length: ids of a caption at most; None is that of the tokenizer that takes most. A model
            that shares one of the tokenizers may read more than its own.

    Raises:
        ValueError: their vocabularies have more pairs of ids than 31 bits count.
    """

    def __init__(self, tokenizers: Sequence[Tokenizer], *, length: int | None = None) -> None:
        self.tokenizers = tuple(tokenizers)
        self._known: dict[str, list[int]] = {}
        # 0 is none of a tokenizer's ids, so id i is i + 1 in its place.
        self.bases = tuple(one.vocab_size + 1 for one in tokenizers)
        if prod(self.bases) >= 2**31:
            sizes = " and ".join(f"{base - 1:,}" for base in self.bases)
            raise ValueError(
                f"vocabularies of {sizes} ids are too many to attack texts for at once: put models "
                "together that share a tokenizer"
            )
        forms = [one.text_format for one in tokenizers]
        self.text_format = TextFormat(
            start=self._joint(form.start for form in forms),
            end=self._joint(form.end for form in forms),
            pad=0,
            length=length or max(form.length for form in forms),
            mask=tuple(self._columns([form.mask for form in forms])),
        )

    def __call__(
        self, captions: Sequence[str], /, *, clean: Callable[[str], str] = clean_caption
    ) -> Tokens:
        """Tokens [captions, length] of joint ids."""
        form = self.text_format
        ids = np.full((len(captions), form.length), form.pad, np.int32)
        mask = np.zeros(ids.shape, bool)
        for row, caption in enumerate(captions):
            own = [i for word in clean(caption).split() for i in self.parts(word)]
            framed = [form.start, *own[: form.length - 2], form.end]
            ids[row, : len(framed)] = framed
            mask[row, : len(framed)] = True
        return Tokens(ids, mask)  # type: ignore[arg-type]  # numpy until it is sent to a device

    def parts(self, word: str, /) -> list[int]:
        """The joint ids of one word, looked up once: captions repeat their words."""
        if word not in self._known:
            self._known[word] = self._columns([one.parts(word) for one in self.tokenizers])
        return self._known[word]

    def _columns(self, rows: Sequence[Sequence[int]]) -> list[int]:
        return [self._joint(column) for column in zip_longest(*rows, fillvalue=-1)]

    def _joint(self, ids: Iterable[int]) -> int:
        found = 0
        for base, one in zip(self.bases, ids, strict=True):
            found = found * base + one + 1
        return found


def split_ids(
    tokens: Tokens, bases: tuple[int, ...], number: int, text_format: TextFormat
) -> Tokens:
    """What one tokenizer makes of the same captions.

    Args:
        tokens: [texts, length] of joint ids.
        bases: of the joint tokenizer.
        number: which of its tokenizers.
        text_format: of that tokenizer; what is longer is cut as it cuts.

    Returns:
        Tokens [texts, the shorter of both lengths].
    """
    after = prod(bases[number + 1 :])
    own = (jnp.asarray(tokens.ids) // after) % bases[number] - 1
    length = min(own.shape[1], text_format.length)

    def one(ids: Int[Array, " length"], real: Array) -> tuple[Array, Array]:
        there = real & (ids >= 0)
        place = jnp.where(there, jnp.cumsum(there) - 1, length)
        count = jnp.sum(there)
        packed = jnp.full(length, text_format.pad, ids.dtype).at[place].set(ids, mode="drop")
        packed = packed.at[-1].set(jnp.where(count > length, text_format.end, packed[-1]))
        return packed, jnp.arange(length) < count

    return Tokens(*jax.vmap(one)(own, jnp.asarray(tokens.mask)))
