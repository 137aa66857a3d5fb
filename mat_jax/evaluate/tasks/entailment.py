"""Visual entailment: does a sentence follow from a picture, contradict it, or neither?

As ALBEF and TCL do it on SNLI-VE (Xie et al., arXiv:1901.06706), and as Co-Attack and MAVA attack
it: every pair of a picture and a sentence is attacked by itself.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from mat_jax import data
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.statistics import Figures, share
from mat_jax.evaluate.tasks.base import Answers, Kind, Task, Victim
from mat_jax.evaluate.tasks.class_prompts import places_of
from mat_jax.evaluate.tasks.retrieval import Pairs, Retrieval
from mat_jax.models.features import rows
from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures
from mat_jax.types.protocols import JudgesPairs, SizedModel, Tokenizer
from mat_jax.types.sources import VERDICTS, HasVerdicts, Source

JUDGED = 64  # pairs that are judged at once


@dataclass(frozen=True, eq=False)
class Judged(Pairs):
    """Pictures with one sentence each, and what the picture says of it.

    Further texts of a picture are attacked with its sentence, and not judged.

    Attributes:
        labels: [sentences] the right row of `VERDICTS`.
        pictures: [sentences] the picture that a sentence is of.
    """

    labels: Int[np.ndarray, " sentences"]
    pictures: Int[np.ndarray, " sentences"]

    @property
    def sentences(self) -> Int[np.ndarray, " sentences"]:
        """Which of the texts are the sentences: the first of each picture."""
        return np.searchsorted(self.text_owner, np.arange(len(self)))

    @property
    def truth(self) -> object:
        """The verdicts, and which sentences are of one picture."""
        return self.labels.tolist(), self.pictures.tolist()


class Entailment(Task):
    """Accuracy over three verdicts, clean and under attack."""

    name = "entailment"
    title = "Visual entailment under attack"
    kinds = {"verdict": Kind("accuracy", "sentences")}  # noqa: RUF012
    definitions = {  # noqa: RUF012
        "verdict@1": "share of sentences whose verdict is right",
        "answers": "in ranks.npz: the verdict on each sentence, and labels the right one",
    }
    explained = (
        "Accuracy: share of sentences of which the model says rightly that they follow from the "
        "picture, contradict it, or neither; in percent, with 95 % intervals over pictures. Lost: "
        "share of the clean figure that is gone."
    )

    def require(self, model: object, name: object, *, measured: bool = True) -> None:
        """One that gives verdicts; attacks may be crafted on any with two encoders."""
        if isinstance(model, JudgesPairs):
            return
        if measured:
            raise ValueError(
                f"{name} gives no verdict on a sentence: give an ALBEF or TCL for entailment, "
                "scenes-entailment for example; it may be a --surrogate"
            )
        super().require(model, name, measured=measured)

    def source(self, evaluation: Evaluation) -> Source:
        """Sentences on the embedded world's pictures, or a file's (`entailment_json`).

        With `captions` those that follow alone, in sets: see `data.entailed_sets`.

        Raises:
            ValueError: captions of other pictures than the sentences'.
        """
        captions, texts = evaluation.captions, evaluation.texts
        if evaluation.data == "scenes":
            if captions not in (None, "scenes"):
                raise ValueError(
                    f"captions is {str(captions)!r}, and the sentences are on scenes: give "
                    "'scenes', whose captions are known"
                )
            pairs = data.Verdicts(data.load_scenes(evaluation.held_out))
            return evaluation.cut(pairs if captions is None else data.VerdictSets(pairs, texts))
        if isinstance(evaluation.data, str | Path) and evaluation.images is not None:
            path, images = evaluation.data, evaluation.images
            if captions is None:
                evaluation.require_no_split()
                return data.entailment_json(path, images, limit=evaluation.limit)
            known = evaluation.pairs(captions, images, None)
            sets = data.entailed_sets(data.entailment_json(path, images), known, texts=texts)
            return evaluation.cut(sets)
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
        """The sentences with their pictures and verdicts.

        Raises:
            ValueError: a source without verdicts.
        """
        if not isinstance(source, HasVerdicts):
            raise ValueError(
                f"entailment cannot use the data {source.name!r}, which has no verdicts: give "
                "sentences with verdicts (data.entailment_json, data.Verdicts)"
            )
        victim = Retrieval().prepare(evaluation, source, model, tokenizer, quiet=quiet)
        assert isinstance(victim.examples, Pairs)
        count = range(len(victim.examples))
        judged = Judged(
            victim.examples.corpus,
            labels=np.array([source.label(i) for i in count]),
            pictures=np.array([source.picture(i) for i in count]),
        )
        return victim._replace(examples=judged)

    def reads_together(
        self, victim: Victim, evaluation: Evaluation, *, examples: int, texts: int
    ) -> int:
        """Every sentence once; the other texts of a set are not judged."""
        return examples

    def objective(self, model: SizedModel, batch: Batch) -> Float[Array, " batch"]:
        r"""The surprise $-\log p_y$ at the right verdict, in nats."""
        assert isinstance(model, JudgesPairs) and batch.labels is not None
        text = model.encode_text(batch.first)
        logits = model.classify(model.fuse(model.encode_image(batch.images), text))
        surprise = -jax.nn.log_softmax(logits, axis=-1)
        return surprise[np.arange(len(logits)), batch.labels]

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """The place of the right verdict among the three; ties count against the model."""
        examples = _judged(victim)
        logits = logits_of(victim.model, seen, examples.sentences).astype(np.float64)
        lost = int(np.isnan(logits).any(1).sum())
        return Ranks(
            {"verdict": places_of(logits, examples.labels, tie=0.0)},
            {"verdict": np.arange(len(logits))},
            {"verdict": np.argmax(np.where(np.isnan(logits), -np.inf, logits), axis=1)},
            errors=lost,
            clusters={"verdict": examples.pictures},
        )

    def column(self, kind: str, k: int) -> str:
        """`accuracy`."""
        return self.kinds[kind].label

    def protocol(self, victim: Victim, evaluation: Evaluation) -> dict[str, object]:
        """What is judged, and what the commonest verdict alone would give."""
        examples = _judged(victim)
        commonest = np.bincount(examples.labels, minlength=len(VERDICTS)).max()
        return {
            "captions": len(examples.texts),
            "sentences": len(examples),
            "pictures": len(np.unique(examples.pictures)),
            "score": "logits of contradiction, neutral and entailment",
            "commonest": round(100 * float(commonest) / len(examples), 4),
            "ties": "against the model",
        }

    def cautions(self, victim: Victim) -> list[str]:
        """Few sentences, and verdicts that no sentence has."""
        labels, found = _judged(victim).labels, []
        if len(labels) < 100:
            found.append(f"Only {len(labels)} sentences: the intervals are wide.")
        missing = [name for row, name in enumerate(VERDICTS) if row not in labels]
        if missing:
            found.append(f"No sentence here has the verdict {' or '.join(missing)}.")
        return found

    def answers(self, victim: Victim) -> Answers:
        """The three verdicts, and the right one of each sentence."""
        return Answers(VERDICTS, _judged(victim).labels)

    def per_class(self, victim: Victim, ranks: Ranks) -> Figures:
        """Accuracy on the sentences of each verdict."""
        labels, right = _judged(victim).labels, ranks["verdict"] == 1
        return {
            name: share(int(right[labels == row].sum()), int((labels == row).sum()))
            for row, name in enumerate(VERDICTS)
            if (labels == row).any()
        }


def logits_of(
    model: SizedModel, seen: Points, sentences: Int[np.ndarray, " pictures"]
) -> Float[np.ndarray, "pictures verdicts"]:
    """What a model says of each picture and its sentence, read together.

    Args:
        model: that gives verdicts.
        seen: pictures and texts as an attack left them.
        sentences: which of the texts is the sentence of each picture.
    """
    graph, state = nnx.split(model)
    found = []
    count = len(seen.images.unit)
    for first in range(0, count, JUDGED):
        # Batches have one shape: the last is filled up from the front.
        here = np.arange(first, first + JUDGED) % count
        image, text = rows(seen.images.whole, here), rows(seen.texts.whole, sentences[here])
        found.append(np.asarray(_logits(graph, state, image, text)))
    return np.concatenate(found)[:count]


@partial(jax.jit, static_argnums=0)
def _logits(graph: Any, state: Any, image: ImageFeatures, text: TextFeatures) -> Array:
    model = nnx.merge(graph, state)
    return model.classify(model.fuse(image, text))


def _judged(victim: Victim) -> Judged:
    assert isinstance(victim.examples, Judged)
    return victim.examples
