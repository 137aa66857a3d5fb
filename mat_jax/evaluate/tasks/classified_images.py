"""The examples of zero-shot classification: images with labels, and the prompts of all classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8

from mat_jax import data
from mat_jax.data import Corpus, SentenceEncoder, build_characters, clean_caption
from mat_jax.evaluate.tasks.base import Few, spaced
from mat_jax.types.arrays import Adversarial, Batch, Tokens
from mat_jax.types.protocols import Tokenizer


@dataclass(frozen=True, eq=False, kw_only=True)
class Classified:
    """Classified images, and the prompts of all classes: one row of texts for all images.

    Attributes:
        corpus: the images with their labels.
        labels: the class of each image.
        classes: their names.
        texts: the prompts, class by class, as the tokenizer reads them.
        tokens: of the prompts.
        weights: [classes, embed] what images are compared with.
        table: what may replace their words; None where no text is attacked.
    """

    corpus: Corpus
    labels: Int[np.ndarray, " images"]
    classes: tuple[str, ...]
    texts: list[str]
    tokens: Tokens
    weights: Float[np.ndarray, "classes embed"]
    table: data.WordTable | data.CharacterTable | None = None

    @property
    def truth(self) -> object:
        """The class of each image."""
        return self.labels.tolist()

    @property
    def name(self) -> str:
        """Of the source."""
        return self.corpus.name

    @property
    def image_size(self) -> int:
        """Side of the pictures in pixels."""
        return self.corpus.image_size

    @property
    def text_owner(self) -> Int[np.ndarray, " texts"]:
        """-1: a prompt belongs to all images."""
        return np.full(len(self.texts), -1)

    @property
    def has_words(self) -> bool:
        """Whether the prompts have candidates."""
        return self.table is not None

    @property
    def open_words(self) -> float:
        """Words of a prompt that have substitutes, on average."""
        table = self.table
        return float(np.mean(table.attackable)) if isinstance(table, data.WordTable) else 0.0

    @cached_property
    def _row(self) -> Int[np.ndarray, "1 texts"]:
        return np.arange(len(self.texts))[None]

    def __len__(self) -> int:
        return len(self.corpus)

    def batch(self, rows: Int[np.ndarray, " batch"], /) -> Batch:
        """Images with their labels, and one row of all prompts."""
        return self.corpus.batch(rows)._replace(
            tokens=jax.tree.map(lambda x: np.asarray(x)[None], self.tokens),
            present=np.ones(self._row.shape, bool),  # type: ignore[arg-type]  # numpy until sent
            words=None if self.table is None else self.table.take(self._row),
            labels=self.labels[np.asarray(rows)],  # type: ignore[arg-type]
        )

    def image(self, row: int, /) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of one image."""
        return self.corpus.image(row)

    def attacked_texts(
        self, rows: Int[np.ndarray, " size"], adv: Adversarial, *, first: bool
    ) -> list[list[str]]:
        """All prompts as the attack left them, told with the first batch."""
        if not first:
            return []
        if adv.choice is None or self.table is None:
            return [self.texts]
        choice = np.asarray(adv.choice[0])
        return [
            [
                clean_caption(self.table.caption(n, choice[n])) if (choice[n] >= 0).any() else text
                for n, text in enumerate(self.texts)
            ]
        ]

    def language(
        self, attacked: Sequence[str], encoder: SentenceEncoder | None
    ) -> dict[str, float]:
        """How alike the prompts are to the clean ones, where there is an encoder to ask."""
        if encoder is None:
            return {}
        return {"similarity": float(np.mean(encoder.cosines(self.texts, attacked)))}

    def few(self, count: int, texts: int) -> Few:
        """`count` images, against one prompt of each class with the weights of all its prompts."""
        own = spaced(np.arange(len(self)), count)
        batch = self.corpus.batch(own)
        every = len(self.texts) // len(self.classes)
        tokens = jax.tree.map(lambda x: np.asarray(x)[::every], self.tokens)
        classes = np.arange(len(self.classes))
        ids, images = np.asarray(batch.ids), np.asarray(batch.images)
        return Few(ids, images, self.labels[own], tokens, classes, self.weights)

    def with_characters(self, tokenizer: Tokenizer) -> "Classified":
        """The same prompts with typing errors in the place of substitutes."""
        return replace(self, table=build_characters(self.texts, tokenizer))
