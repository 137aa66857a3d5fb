"""What a task is. The runner, the worst case, transfer and the report know no task but by this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from mat_jax.attacks import ATTACKS
from mat_jax.data import SentenceEncoder
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.statistics import Figures, ranked_figures
from mat_jax.models import require_encoders
from mat_jax.models.features import Encoded, encode_texts
from mat_jax.types.arrays import Adversarial, Batch, Tokens
from mat_jax.types.protocols import SizedModel, Tokenizer
from mat_jax.types.sources import Source


class Few(NamedTuple):
    """A few examples for the checks: images, and texts that they are told apart by.

    Attributes:
        ids: [images] from which randomness is folded.
        images: [images, height, width, 3] in [0, 1].
        groups: [images] whose texts are right for an image: those of the same group.
        tokens: [texts, length].
        text_groups: [texts] their groups.
        weights: [texts, embed] what stands for the texts' embeddings, where that is not the texts
            themselves; None where it is.
    """

    ids: np.ndarray
    images: np.ndarray
    groups: np.ndarray
    tokens: Tokens
    text_groups: np.ndarray
    weights: np.ndarray | None = None


@runtime_checkable
class Examples(Protocol):
    """What a task asks of one model, in batches that an attack can read."""

    @property
    def name(self) -> str:
        """Of the data."""
        ...

    @property
    def image_size(self) -> int:
        """Side of the pictures in pixels, the model's own."""
        ...

    @property
    def texts(self) -> list[str]:
        """All texts as a tokenizer reads them, in the order of `text_owner`."""
        ...

    @property
    def text_owner(self) -> Int[np.ndarray, " texts"]:
        """[texts] row of the example that a text belongs to, -1 for a text of all."""
        ...

    @property
    def tokens(self) -> Tokens:
        """The tokens of all texts."""
        ...

    @property
    def open_words(self) -> float:
        """Words of a text that have substitutes, on average; 0 without a candidate table."""
        ...

    @property
    def has_words(self) -> bool:
        """Whether there are substitutes for words."""
        ...

    def __len__(self) -> int: ...

    def batch(self, rows: Int[np.ndarray, " batch"], /) -> Batch:
        """These examples as numpy arrays."""
        ...

    def image(self, row: int, /) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of one example."""
        ...

    def attacked_texts(
        self, rows: Int[np.ndarray, " size"], adv: Adversarial, *, first: bool
    ) -> list[list[str]]:
        """The texts of some examples as an attack left them, a list for each row of `adv.tokens`.

        Args:
            rows: which examples, the first ones of the batch.
            adv: of the batch, on the host.
            first: whether it is the first batch: texts of all examples are told once.
        """
        ...

    def language(
        self, attacked: Sequence[str], encoder: SentenceEncoder | None
    ) -> dict[str, float]:
        """How far attacked texts are from the clean ones, see `language.language_of`."""
        ...

    def with_characters(self, tokenizer: Tokenizer) -> "Examples":
        """The same with typing errors in the place of substitutes."""
        ...

    def few(self, count: int, texts: int) -> Few:
        """`count` examples, evenly spaced, and about so many texts."""
        ...


@runtime_checkable
class HasAims(Examples, Protocol):
    """Examples that name a text for each, which a targeted attack makes a model say."""

    def aims(self, rows: Int[np.ndarray, " batch"], /) -> Tokens:
        """[batch, aims, length] of the texts."""
        ...


@runtime_checkable
class HasTruth(Examples, Protocol):
    """Examples whose right answers are not among their texts, and decide the figures too."""

    @property
    def truth(self) -> object:
        """What is right of every example, as lists and texts whose `repr` tells all of it."""
        ...


def spaced(items: np.ndarray, count: int) -> np.ndarray:
    """At most so many of the items, evenly spaced."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return items[np.unique(places.astype(int))]


class Victim(NamedTuple):
    """A model with what it reads: its tokenizer, and the examples of the task as it sees them."""

    model: SizedModel
    tokenizer: Tokenizer
    examples: Examples


@dataclass(frozen=True)
class Kind:
    """One kind of queries of a task, in words for tables and pages.

    Attributes:
        label: in the head of a table, before the depth: "TR" of "TR@1".
        name: in a sentence: "text retrieval".
        share: whether its figures are shares of queries; else they are scores, as CIDEr-D is.
    """

    label: str
    name: str
    share: bool = True


class Answers(NamedTuple):
    """What a task with classes may answer.

    Attributes:
        names: of the classes.
        labels: [images] the right one of each.
    """

    names: tuple[str, ...]
    labels: np.ndarray


class Task:
    """What is asked of a model. A task states what differs from this base of defaults.

    Attributes:
        name: on the command line.
        title: over the report.
        kinds: of its queries, by the name that figures have ("tr" of "tr@1"). Some data may answer
            only some of them.
        depths: k of the figures `kind@k`; the first is the headline.
        definitions: figure -> what it is, for the file of results.
        explained: a sentence or two on what the figures mean, for the page.
        neighbours: whether the page shows the texts and images nearest to some examples.
        looks: what its `overlays` show, in a sentence for the page; empty where there are none.
        reads: whether the model reads texts, so that attacked ones matter to it.
    """

    name: str
    title: str
    kinds: Mapping[str, Kind]
    depths: tuple[int, ...] = (1,)
    explained: str = ""
    definitions: Mapping[str, str] = MappingProxyType({})
    neighbours: bool = False
    looks: str = ""
    reads: bool = True

    def allows(self, attack: str) -> bool:
        """Whether an attack of the registry makes sense for the task."""
        return self.name in ATTACKS[attack].tasks

    def require(self, model: object, name: object, *, measured: bool = True) -> None:
        """Refuse a model that the task cannot use.

        Args:
            model: as it was loaded.
            name: of the model, for the sentence.
            measured: whether it is to be measured; else attacks are crafted on it alone.

        Raises:
            ValueError: what the model lacks, in one sentence.
        """
        require_encoders(model, name)

    def source(self, evaluation: Evaluation) -> Source:
        """The held-out source that is named on the command line or given as an object."""
        return evaluation.source()

    def prepare(
        self,
        evaluation: Evaluation,
        source: Source,
        model: SizedModel,
        tokenizer: Tokenizer,
        *,
        quiet: bool = False,
    ) -> Victim:
        """The examples of a source as a model reads them; the model may be given a head.

        Raises:
            ValueError: a source or a model that the task cannot use, in one sentence.
        """
        raise TypeError(f"{type(self).__name__} does not say how its examples are prepared")

    def read(self, victim: Victim, texts: Sequence[str]) -> Encoded:
        """What a model makes of the texts, so many of them as the examples have."""
        if not self.reads:
            return Encoded(np.zeros((len(texts), 0), np.float32), None)
        of = len(victim.examples.text_owner)
        return encode_texts(victim.model, victim.tokenizer, texts, of=of)

    def objective(self, model: SizedModel, batch: Batch) -> Float[Array, " batch"]:
        """What a white-box adversary makes large, one value an example."""
        raise TypeError(f"{type(self).__name__} does not say what an adversary climbs")

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """The rank of every query's right answer, given the features that the model made."""
        raise TypeError(f"{type(self).__name__} does not say how answers are scored")

    def reads_together(
        self, victim: Victim, evaluation: Evaluation, *, examples: int, texts: int
    ) -> int:
        """How often a text is read together with a picture to score one row, for the forecast."""
        return 0

    @property
    def headline(self) -> list[tuple[str, int]]:
        """The columns of the first table: the first depth of each kind of queries."""
        return [(kind, self.depths[0]) for kind in self.kinds]

    def figures(
        self, clean: Ranks, adv: Ranks, *, after: Sequence[int] | None = None, seed: int = 0
    ) -> Figures:
        """Named numbers in percent, each with its 95 % interval and its n.

        Args:
            clean, adv: ranks of the queries without and under attack.
            after: the k that the attack was after; None is all of `depths`.
            seed: of resampling.
        """
        return ranked_figures(clean, adv, depths=self.depths, after=after, seed=seed)

    def protocol(self, victim: Victim, evaluation: Evaluation) -> dict[str, object]:
        """What is written beside every number of this task."""
        return {}

    def cautions(self, victim: Victim) -> list[str]:
        """Sentences that a reader of the numbers must know of the examples."""
        return []

    def per_class(self, victim: Victim, ranks: Ranks) -> Figures:
        """The first figure of each class, where the task has classes."""
        return {}

    def overlays(
        self, victim: Victim, seen: Points, ranks: Ranks, rows: Int[np.ndarray, " shown"]
    ) -> UInt8[np.ndarray, "shown height width 3"] | None:
        """What the model looks at in some examples, drawn over their pictures, for the page.

        Args:
            victim: whose examples they are.
            seen: points of these examples alone, in their order, with their pictures by row.
            ranks: of all examples.
            rows: of these examples, rising.
        """
        return None

    def scores(self, victim: Victim, ranks: Ranks, evaluation: Evaluation) -> dict[str, float]:
        """Figures that only all answers together have, by name: BLEU of captions."""
        return {}

    def answers(self, victim: Victim) -> Answers | None:
        """The classes and labels, where the task has classes."""
        return None

    def column(self, kind: str, k: int) -> str:
        """The head of a column: `TR@1`."""
        return f"{self.kinds[kind].label}@{k}"
