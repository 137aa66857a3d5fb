"""Visual question answering: how many people gave the answer that the model gives?

The model ranks a list of answers, as ALBEF and BLIP do on VQA 2.0 (Goyal et al., arXiv:1612.00837).
Or it writes its answer, the mode "generate" of BLIP's program. Every pair of a picture and a
question is attacked by itself.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mat_jax import data
from mat_jax.attacks.answers import answer_surprise, given_answers
from mat_jax.data.corpus import answer_tokens
from mat_jax.evaluate.answer_accuracy import FEWEST, vqa_accuracy
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.statistics import Figures, clustered_wilson
from mat_jax.evaluate.tasks.base import Answers, Kind, Task, Victim
from mat_jax.evaluate.tasks.retrieval import Pairs, Retrieval
from mat_jax.models.answer_ranking import K, RankedAnswers, rank_answers
from mat_jax.models.features import rows
from mat_jax.models.generation import write_answers
from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import AnswersQuestions, ReadsCaptions, SizedModel, Tokenizer
from mat_jax.types.sources import HasAnswers, Source

ASKED = 32  # questions that are answered at once
BEAMS, LONGEST = 3, 10  # of written answers, in ids with start and end: BLIP's program
UNLISTED = "(not in the list)"


@dataclass(frozen=True, eq=False)
class Asked(Pairs):
    """Pictures with one question each, and what people answered.

    Attributes:
        people: what people answered to each question.
        answer_list: what the model may answer.
        listed: the list as the model reads it.
        pictures: [questions] the picture that a question is about.
        written: whether the model writes its answers, instead of ranking the list.
    """

    people: Sequence[Sequence[str]]
    answer_list: Sequence[str]
    listed: Tokens
    pictures: Int[np.ndarray, " questions"]
    written: bool = False

    @property
    def truth(self) -> object:
        """People's answers, what may be answered, and which questions are of one picture."""
        return self.people, self.answer_list, self.pictures.tolist()


class VQA(Task):
    """VQA accuracy of the answer that is ranked first, clean and under attack."""

    name = "vqa"
    title = "Visual question answering under attack"
    kinds = {"answer": Kind("accuracy", "questions")}  # noqa: RUF012
    definitions = {  # noqa: RUF012
        "answer@1": "mean of VQA accuracy: min(people who gave the answer / 3, 1), leave-one-out",
        "answers": "in ranks.npz: the row of the answer list that is given to each question (of "
        "--answers generate the text), marks how right it is, 0 to 1, and labels what most people "
        "answered",
    }
    explained = (
        "Accuracy: min(people who gave the model's answer / 3, 1), the mean over all but one of "
        "the people and over questions; in percent, with 95 % intervals over pictures. Lost: share "
        "of the clean figure that is gone."
    )

    def require(self, model: object, name: object, *, measured: bool = True) -> None:
        """One that answers; attacks may be crafted on any with two encoders."""
        if isinstance(model, AnswersQuestions):
            return
        if measured:
            raise ValueError(
                f"{name} answers no questions: give an ALBEF or BLIP for VQA, "
                "scenes-vqa for example; it may be a --surrogate"
            )
        super().require(model, name, measured=measured)

    def source(self, evaluation: Evaluation) -> Source:
        """Questions on the embedded world's pictures, or a file's (`vqa_json`)."""
        if evaluation.data == "scenes":
            return evaluation.cut(data.Questions(data.load_scenes(evaluation.held_out)))
        if isinstance(evaluation.data, str | Path) and evaluation.images is not None:
            evaluation.require_no_split()
            return data.vqa_json(evaluation.data, evaluation.images, limit=evaluation.limit)
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
        """The questions with their pictures and answers.

        Raises:
            ValueError: a source without answers, or with too few to a question.
        """
        if not isinstance(source, HasAnswers):
            raise ValueError(
                f"vqa cannot use the data {source.name!r}, which has no answers: give questions "
                "with people's answers (data.vqa_json, data.Questions)"
            )
        people = [source.answers(i) for i in range(len(source))]
        few = next((i for i, given in enumerate(people) if len(given) < FEWEST), None)
        if few is not None:
            raise ValueError(
                f"question {few} of {source.name!r} has {len(people[few])} answers, and VQA "
                f"accuracy needs {FEWEST} or more, ten as published: give all people's answers"
            )
        victim = Retrieval().prepare(evaluation, source, model, tokenizer, quiet=quiet)
        assert isinstance(victim.examples, Pairs)
        asked = Asked(
            victim.examples.corpus,
            people=people,
            answer_list=source.answer_list,
            listed=answer_tokens(tokenizer, source.answer_list),
            pictures=np.array([source.picture(i) for i in range(len(source))]),
            written=evaluation.answers == "generate",
        )
        return victim._replace(examples=asked)

    def reads_together(
        self, victim: Victim, evaluation: Evaluation, *, examples: int, texts: int
    ) -> int:
        """Every question once, and its answers, which read the question; at most so many."""
        if _asked(victim).written:
            return examples * (1 + BEAMS * LONGEST)  # an id at a time
        return examples * (1 + min(K, len(_asked(victim).answer_list)))

    def objective(self, model: SizedModel, batch: Batch) -> Float[Array, " batch"]:
        r"""The surprise $-\sum_a w_a \log p(a \mid x, q)$ at people's answers, in nats."""
        assert isinstance(model, AnswersQuestions)
        text = model.encode_text(batch.first)
        fused = model.fuse(model.encode_image(batch.images), text)
        return answer_surprise(model, fused, text.mask, given_answers(batch))

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """How right the first answer is; one whose score is no number is wrong."""
        examples = _asked(victim)
        if examples.written:
            texts = written(victim, seen)
            given, finite = np.array(texts), readable(seen)
        else:
            first, scores = answered(victim, seen)
            finite = np.isfinite(scores)
            texts = [examples.answer_list[row] for row in first]
            given = np.where(finite, first, len(examples.answer_list))
        marks = np.array(
            [vqa_accuracy(text, own) for text, own in zip(texts, examples.people, strict=True)]
        )
        marks = np.where(finite, marks, 0.0)
        return Ranks(
            {"answer": np.where(marks < 1, 2, 1)},
            {"answer": np.arange(len(marks))},
            {"answer": given},
            errors=int((~finite).sum()),
            marks={"answer": marks},
            clusters={"answer": examples.pictures},
        )

    def column(self, kind: str, k: int) -> str:
        """`accuracy`."""
        return self.kinds[kind].label

    def protocol(self, victim: Victim, evaluation: Evaluation) -> dict[str, object]:
        """How answers are ranked, and what the commonest answer alone would give."""
        examples = _asked(victim)
        commonest = _commonest(examples)
        alone = np.mean([vqa_accuracy(commonest, own) for own in examples.people])
        ranked = f"of the {min(K, len(examples.answer_list))} answers whose first id is likeliest"
        search = f"beam search of {BEAMS}, 1 to {LONGEST} ids, bound to no list"
        return {
            "captions": len(examples),
            "pictures": len(np.unique(examples.pictures)),
            "answers": len(examples.answer_list),
            "score": search if examples.written else f"log-likelihood, {ranked}",
            "commonest": commonest,
            "chance": round(100 * float(alone), 4),
        }

    def cautions(self, victim: Victim) -> list[str]:
        """Few questions, and answers that are not in the list."""
        examples, found = _asked(victim), []
        if len(examples) < 100:
            found.append(f"Only {len(examples)} questions: the intervals are wide.")
        listed = set(examples.answer_list)
        beyond = np.mean([listed.isdisjoint(own) for own in examples.people])
        if beyond and not examples.written:
            found.append(
                f"Of {100 * beyond:.1f} % of the questions no answer is in the list: the model "
                "cannot be right there."
            )
        return found

    def answers(self, victim: Victim) -> Answers:
        """The list, and of each question the row that most people gave."""
        examples = _asked(victim)
        names = (*examples.answer_list, UNLISTED)
        places = {text: row for row, text in enumerate(examples.answer_list)}
        labels = [
            next((places[text] for text, _ in Counter(own).most_common() if text in places), -1)
            for own in examples.people
        ]
        return Answers(names, np.array(labels) % len(names))

    def per_class(self, victim: Victim, ranks: Ranks) -> Figures:
        """Accuracy on the questions to which most people gave the same answer."""
        (names, labels), marks = self.answers(victim), ranks.marks["answer"]
        found = {}
        for row in np.unique(labels):
            here = labels == row
            low, high = clustered_wilson(marks[here], ranks.group("answer")[here], least=0.0)
            value = float(marks[here].mean())
            found[names[row]] = {
                "value": 100 * value,
                "low": 100 * low,
                "high": 100 * high,
                "n": int(here.sum()),
            }
        return found


def answered(
    victim: Victim, seen: Points
) -> tuple[Int[np.ndarray, " questions"], Float[np.ndarray, " questions"]]:
    """The first answer to each question, a row of the list, and its score."""
    model, listed = victim.model, _asked(victim).listed
    image, text = seen.images.whole, seen.texts.whole
    assert isinstance(model, AnswersQuestions)
    assert isinstance(image, ImageFeatures) and isinstance(text, TextFeatures)
    found: list[RankedAnswers] = []
    count = len(image.tokens)
    for first in range(0, count, ASKED):
        # Batches have one shape: the last is filled up from the front.
        here = np.arange(first, first + ASKED) % count
        found.append(rank_answers(model, rows(image, here), rows(text, here), listed))
    best, scores = (
        np.concatenate([np.asarray(part)[:, 0] for part in parts])[:count]
        for parts in ([one.rows for one in found], [one.scores for one in found])
    )
    return best, scores


def written(victim: Victim, seen: Points) -> list[str]:
    """What the model writes as an answer to each question: one compiled call for 32 of them."""
    model, tokenizer = victim.model, victim.tokenizer
    image, text = seen.images.whole, seen.texts.whole
    assert isinstance(model, AnswersQuestions) and isinstance(tokenizer, ReadsCaptions)
    assert isinstance(image, ImageFeatures) and isinstance(text, TextFeatures)
    found: list[str] = []
    count = len(image.tokens)
    for first in range(0, count, ASKED):
        here = np.arange(first, first + ASKED) % count
        ids = write_answers(
            model, rows(image, here), rows(text, here), beams=BEAMS, max_length=LONGEST
        )
        found += tokenizer.captions(np.asarray(ids)[:, 1:])
    return found[:count]


def readable(seen: Points) -> Bool[np.ndarray, " questions"]:
    """Where image and question are numbers: a search over no numbers writes anything."""
    image, text = seen.images.whole, seen.texts.whole
    assert isinstance(image, ImageFeatures) and isinstance(text, TextFeatures)
    first, second = (np.isfinite(np.asarray(one.tokens)).all(axis=(1, 2)) for one in (image, text))
    return np.asarray(first & second)


def _commonest(examples: Asked) -> str:
    """The answer in the list that most people gave."""
    counts = Counter(text for own in examples.people for text in own)
    return max(examples.answer_list, key=lambda text: counts[text])


def _asked(victim: Victim) -> Asked:
    assert isinstance(victim.examples, Asked)
    return victim.examples
