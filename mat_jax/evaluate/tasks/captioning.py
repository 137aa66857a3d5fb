"""Captioning: how much of what a model writes about a picture is so?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from mat_jax.attacks.captioner import surprise
from mat_jax.evaluate.captions import caption_scores, require_java
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.tasks.base import Kind, Task, Victim
from mat_jax.evaluate.tasks.retrieval import Pairs, Retrieval
from mat_jax.evaluate.tasks.written_captions import coco_figures, written
from mat_jax.models import BLIPCaptioner
from mat_jax.types.arrays import Batch, Tokens
from mat_jax.types.protocols import Captions, SizedModel, Tokenizer
from mat_jax.types.sources import HasAnswers, HasBoxes, HasLabels, JudgesCaptions, Source

HIGHEST = {"cider": 10.0}  # mark; others are at most 1


@dataclass(frozen=True, eq=False)
class Described(Pairs):
    """Pictures with what people say of them: their captions are the references of scores."""

    def aims(self, rows: Int[np.ndarray, " batch"], /) -> Tokens:
        """The captions of the next picture: what a targeted attack makes a model write."""
        corpus = self.corpus
        fewest = min(len(texts) for texts in corpus.texts)
        others = corpus.rows[(rows + 1) % len(corpus), : max(fewest, 1)]
        return jax.tree.map(lambda x: x[others], corpus.tokens)


@dataclass(frozen=True, eq=False)
class Judged(Described):
    """The same where the source knows what is so.

    Attributes:
        judges: one a picture: caption -> how far it agrees, 0 to 1.
        oracles: one a picture: caption -> whether all of it is so.
    """

    judges: Sequence[Callable[[str], float]]
    oracles: Sequence[Callable[[str], bool]]


class Captioning(Task):
    """What a model writes, judged by a source that knows what is so, else by people's captions."""

    name = "captioning"
    title = "Captioning under attack"
    reads = False  # it writes texts
    kinds = {  # noqa: RUF012
        "agreement": Kind("agree", "claims"),
        "true": Kind("true", "captions"),
        "cider": Kind("CIDEr", "CIDEr-D", share=False),
        "rouge": Kind("ROUGE", "ROUGE-L", share=False),
    }
    definitions = {  # noqa: RUF012
        "agreement@1": "mean of 2 true claims / (claims + things of the scene)",
        "true@1": "share of captions of which all is so",
        "cider@1": "CIDEr-D times 100; what is rare is counted over the references of these "
        "pictures",
        "rouge@1": "ROUGE-L times 100",
        "scores": "COCO's figures of all captions together, times 100",
    }
    explained = (
        "Agree: 2 true claims / (claims + things of the scene), the mean over captions. True: "
        "share of captions of which all is so. Both are in percent and need a world that knows. "
        "CIDEr and ROUGE: CIDEr-D and ROUGE-L against people's captions, times 100 as papers print "
        "them. The intervals are of 95 %, over pictures."
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
            ValueError: a source of other texts than captions; METEOR or SPICE without its program.
        """
        if isinstance(source, HasAnswers | HasBoxes | HasLabels):
            raise ValueError(
                f"captioning cannot use the data {source.name!r}, whose texts describe no whole "
                "pictures: give pictures with captions (data.load_scenes, data.retrieval_json)"
            )
        programs = {"METEOR": evaluation.writing.meteor, "SPICE": evaluation.writing.spice}
        for name, folder in programs.items():
            if folder is not None:
                require_java(name, Path(folder))
        victim = Retrieval().prepare(evaluation, source, model, tokenizer, quiet=quiet)
        assert isinstance(victim.examples, Pairs)
        described = Described(victim.examples.corpus)
        if isinstance(source, JudgesCaptions):
            count = range(len(described))
            described = Judged(
                described.corpus,
                judges=[source.judge(i) for i in count],
                oracles=[source.oracle(i) for i in count],
            )
        return victim._replace(examples=described)

    def reads_together(
        self, victim: Victim, evaluation: Evaluation, *, examples: int, texts: int
    ) -> int:
        """Every id of every caption that the search holds; at most so many."""
        return examples * evaluation.writing.beams * evaluation.writing.max_length

    def objective(self, model: SizedModel, batch: Batch) -> Float[Array, " batch"]:
        r"""The surprise $-\log p(t \mid x)$ at the first caption, in nats an id."""
        assert isinstance(model, BLIPCaptioner)
        return surprise(model, model.encode_image(batch.images), batch.first)

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """How right what is written of each picture is; no caption is wholly right by a score."""
        examples = _described(victim)
        captions = written(victim, seen.images.whole, evaluation.writing)
        said, pictures = np.array(captions), np.arange(len(captions))
        if isinstance(examples, Judged):
            agreement = [judge(text) for judge, text in zip(examples.judges, captions, strict=True)]
            true = [is_so(text) for is_so, text in zip(examples.oracles, captions, strict=True)]
            marks = np.array(agreement, np.float64)
            return Ranks(
                {"agreement": np.where(marks < 1, 2, 1), "true": np.where(true, 1, 2)},
                {"agreement": pictures, "true": pictures},
                {"agreement": said},
                marks={"agreement": marks},
            )
        found = caption_scores(captions, examples.corpus.texts)
        marks = {"cider": found.cider_d, "rouge": found.rouge_l}
        return Ranks(
            {kind: np.where(marks[kind] < HIGHEST.get(kind, 1.0), 2, 1) for kind in marks},
            dict.fromkeys(marks, pictures),
            dict.fromkeys(marks, said),
            marks=marks,
            highest=HIGHEST,
        )

    def scores(self, victim: Victim, ranks: Ranks, evaluation: Evaluation) -> dict[str, float]:
        """COCO's figures of all captions of a row, see `coco_figures`."""
        captions = [str(text) for text in next(iter(ranks.answers.values()))]
        references = _described(victim).corpus.texts
        return dict(coco_figures(captions, references, evaluation.writing))

    def column(self, kind: str, k: int) -> str:
        """`agree`, `true`."""
        return self.kinds[kind].label

    def protocol(self, victim: Victim, evaluation: Evaluation) -> dict[str, object]:
        """How captions are written, and what those of another picture would score."""
        examples = _described(victim)
        texts = examples.corpus.texts
        others = [own[0] for own in (*texts[1:], texts[0])]
        if isinstance(examples, Judged):
            score = "2 true claims / (claims + things of the scene)"
            by_chance = [judge(text) for judge, text in zip(examples.judges, others, strict=True)]
        else:
            score = "CIDEr-D against the captions of people"
            by_chance = list(caption_scores(others, texts).cider_d)
        return {
            "captions": len(examples),
            "decoding": evaluation.writing.told,
            "score": score,
            "chance": round(100 * float(np.mean(by_chance)), 4),
        }


def _described(victim: Victim) -> Described:
    assert isinstance(victim.examples, Described)
    return victim.examples
