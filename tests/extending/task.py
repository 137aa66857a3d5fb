"""A task of one's own: which class does a caption speak of?

mat_jax.evaluate.evaluate(evaluation, model, tokenizer, task=CaptionToClass())
"""

import numpy as np

from mat_jax.evaluate import Evaluation, Task, Victim
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.tasks.base import Kind
from mat_jax.evaluate.tasks.class_prompts import class_weights, places_of, prompts_of
from mat_jax.evaluate.tasks.retrieval import Pairs, Retrieval
from mat_jax.models.features import encode_texts
from mat_jax.types import HasClasses, SizedModel, Source, Tokenizer


class CaptionToClass(Task):
    """Each caption of a classified image is a query, and the class prompts are the answers.

    A caption has rank r if the prompt of its image's class is the r-th nearest by cosine. Words
    may be attacked; pictures play no part.
    """

    name = "caption_to_class"
    title = "Captions told their class under attack"
    kinds = {"caption": Kind("caption", "captions")}  # noqa: RUF012
    depths = (1, 5)
    explained = "caption@1: share of captions nearest to the prompt of their picture's class."

    def allows(self, attack: str) -> bool:
        """Attacks on words, made for retrieval."""
        return attack in ("none", "bert_attack")

    def prepare(
        self,
        evaluation: Evaluation,
        source: Source,
        model: SizedModel,
        tokenizer: Tokenizer,
        *,
        quiet: bool = False,
    ) -> Victim:
        """The captions as retrieval has them; the source must name its classes."""
        if not isinstance(source, HasClasses):
            raise ValueError(f"{source.name!r} has no classes: give classified images")
        return Retrieval().prepare(evaluation, source, model, tokenizer, quiet=quiet)

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """By the cosine with one prompt a class."""
        examples = victim.examples
        assert isinstance(examples, Pairs) and isinstance(examples.corpus.source, HasClasses)
        classes = examples.corpus.source.classes
        prompts = encode_texts(victim.model, victim.tokenizer, prompts_of(classes, ["a {}"]))
        cosines = seen.texts.unit @ class_weights(prompts.unit, len(classes)).T
        labels = np.asarray(examples.corpus.labels)[examples.text_owner]
        places = places_of(cosines, labels, tie=1e-6)
        return Ranks({"caption": places}, {"caption": examples.text_owner})
