"""Captioning: how much of what a model writes about a picture is so?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from mat_jax.attacks.captioner import surprise
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.tasks.base import Kind, Task, Victim
from mat_jax.evaluate.tasks.retrieval import Pairs, Retrieval
from mat_jax.models import BLIPCaptioner, generation
from mat_jax.models.features import rows
from mat_jax.types.arrays import Batch, ImageFeatures, Tokens
from mat_jax.types.protocols import (
    Captions,
    ReadsCaptions,
    SizedModel,
    Tokenizer,
)
from mat_jax.types.sources import JudgesCaptions, Source

WRITTEN = 32  # pictures that are described at once


@dataclass(frozen=True, eq=False)
class Described(Pairs):
    """Pictures with what people say of them, and a judge of what a model says.

    Attributes:
        judges: one a picture: caption -> how far it agrees, 0 to 1.
        oracles: one a picture: caption -> whether all of it is so.
    """

    judges: Sequence[Callable[[str], float]]
    oracles: Sequence[Callable[[str], bool]]

    def aims(self, rows: Int[np.ndarray, " batch"], /) -> Tokens:
        """The captions of the next picture: what a targeted attack makes a model write."""
        corpus = self.corpus
        fewest = min(len(texts) for texts in corpus.texts)
        others = corpus.rows[(rows + 1) % len(corpus), : max(fewest, 1)]
        return jax.tree.map(lambda x: x[others], corpus.tokens)


class Captioning(Task):
    """Greedy captions, judged by a source that knows what is true of its pictures."""

    name = "captioning"
    title = "Captioning under attack"
    reads = False  # it writes texts
    kinds = {  # noqa: RUF012
        "agreement": Kind("agree", "claims"),
        "true": Kind("true", "captions"),
    }
    definitions = {  # noqa: RUF012
        "agreement@1": "mean of 2 true claims / (claims + things of the scene)",
        "true@1": "share of captions of which all is so",
    }
    explained = (
        "Agree: 2 true claims / (claims + things of the scene), the mean over captions. True: "
        "share of captions of which all is so. In percent, with 95 % intervals over pictures."
    )

    def require(self, model: object, name: object, *, measured: bool = True) -> None:
        """One that writes; attacks may be crafted on any with two encoders."""
        writes = isinstance(model, Captions)
        if measured and not writes:
            raise ValueError(
                f"{name} writes no captions: give a captioner, BLIP's or scenes-captioner; it may "
                "be a --surrogate"
            )
        if not writes:
            super().require(model, name, measured=measured)

    def allows(self, attack: str) -> bool:
        """Also attacks on retrieval: they are crafted on a surrogate, as MAVA does."""
        return super().allows(attack) or Retrieval().allows(attack)

    def prepare(
        self,
        evaluation: Evaluation,
        source: Source,
        model: SizedModel,
        tokenizer: Tokenizer,
        *,
        quiet: bool = False,
    ) -> Victim:
        """The pictures with their captions; substitutes for words on a surrogate alone.

        Raises:
            ValueError: a source that cannot judge what is written.
        """
        if not isinstance(source, JudgesCaptions):
            raise ValueError(
                f"captioning cannot use the data {source.name!r}, which has no judge of captions: "
                "give scenes (data.load_scenes), whose truth is known"
            )
        victim = Retrieval().prepare(evaluation, source, model, tokenizer, quiet=quiet)
        assert isinstance(victim.examples, Pairs)
        count = range(len(victim.examples))
        described = Described(
            victim.examples.corpus,
            judges=[source.judge(i) for i in count],
            oracles=[source.oracle(i) for i in count],
        )
        return victim._replace(examples=described)

    def objective(self, model: SizedModel, batch: Batch) -> Float[Array, " batch"]:
        r"""The surprise $-\log p(t \mid x)$ at the first caption, in nats an id."""
        assert isinstance(model, BLIPCaptioner)
        return surprise(model, model.encode_image(batch.images), batch.first)

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """What is written of each picture, judged by the source."""
        examples = _described(victim)
        captions = written(victim, seen.images.whole)
        agreement = [judge(text) for judge, text in zip(examples.judges, captions, strict=True)]
        true = [is_so(text) for is_so, text in zip(examples.oracles, captions, strict=True)]
        marks = np.array(agreement, np.float64)
        pictures = np.arange(len(captions))
        return Ranks(
            {"agreement": np.where(marks < 1, 2, 1), "true": np.where(true, 1, 2)},
            {"agreement": pictures, "true": pictures},
            {"agreement": np.array(captions)},
            marks={"agreement": marks},
        )

    def column(self, kind: str, k: int) -> str:
        """`agree`, `true`."""
        return self.kinds[kind].label

    def protocol(self, victim: Victim, evaluation: Evaluation) -> dict[str, object]:
        """How captions are written, and what those of another picture would score."""
        examples = _described(victim)
        texts = examples.corpus.texts
        others = (own[0] for own in (*texts[1:], texts[0]))
        by_chance = [judge(text) for judge, text in zip(examples.judges, others, strict=True)]
        return {
            "captions": len(examples),
            "decoding": "greedy, 5 to 20 ids",
            "score": "2 true claims / (claims + things of the scene)",
            "chance": round(100 * float(np.mean(by_chance)), 4),
        }


def written(victim: Victim, images: object) -> list[str]:
    """The likeliest caption of each picture, word by word."""
    model = victim.model
    tokenizer = victim.tokenizer
    assert isinstance(model, BLIPCaptioner) and isinstance(images, ImageFeatures)
    assert isinstance(tokenizer, ReadsCaptions)
    count = len(images.tokens)
    found: list[str] = []
    for first in range(0, count, WRITTEN):
        # Batches have one shape: the last is filled up from the front.
        here = np.arange(first, first + WRITTEN) % count
        ids = generation.greedy(model, rows(images, here))
        found += tokenizer.captions(np.asarray(ids))
    return found[:count]


def _described(victim: Victim) -> Described:
    assert isinstance(victim.examples, Described)
    return victim.examples
