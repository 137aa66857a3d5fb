"""Which answer of a list a model gives to each question: one compiled call for a batch."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import AnswersQuestions

K = 128  # answers that are ranked whole, as in the released programs


class RankedAnswers(NamedTuple):
    """The k best answers of each question, the best first."""

    rows: Int[Array, "questions k"]  # of the answer list
    scores: Float[Array, "questions k"]


def rank_answers(
    model: AnswersQuestions,
    image: ImageFeatures,
    question: TextFeatures,
    answers: Tokens,
    *,
    k: int = K,
) -> RankedAnswers:
    r"""The answers of a list in the order a model prefers them (`rank_answer` of both programs).

    First the k answers whose first id is likeliest after the start, then these by
    `model.answer_scores`. Of equal first ids those that come first in the list are taken.

    Args:
        model: whose answers they are.
        image, question: features of the questions and their images, as many of each.
        answers: the list [answers, length], from `data.corpus.answer_tokens`.
        k: of a list that is shorter, all.

    Raises:
        ValueError: k below 1.
    """
    if k < 1:
        raise ValueError(f"k={k} ranks no answer; give 1 or more, {K} as published")
    graph, state = nnx.split(model)
    return _ranked(graph, min(k, len(answers.ids)), state, image, question, answers)


@partial(jax.jit, static_argnums=(0, 1))
def _ranked(
    graph: Any, k: int, state: Any, image: ImageFeatures, question: TextFeatures, answers: Tokens
) -> RankedAnswers:
    model = nnx.merge(graph, state)
    answers = Tokens(*(jnp.asarray(part) for part in answers))
    fused, mask = model.fuse(image, question), jnp.asarray(question.mask)
    start = Tokens(*(jnp.tile(part[:1, :1], (len(fused), 1)) for part in answers))
    first = jax.nn.log_softmax(model.answer_logits(fused, mask, start)[:, 0], axis=-1)
    _, chosen = jax.lax.top_k(first[:, answers.ids[:, 1]], k)

    def scores(one: tuple[Array, Array, Array]) -> Array:
        """One question at a time: the logits of all k answers at once are large."""
        fused, mask, rows = one
        texts = jax.tree.map(lambda x: x[rows], answers)
        return model.answer_scores(model.answer_logits(fused[None], mask[None], texts), texts)

    found, order = jax.lax.top_k(jax.lax.map(scores, (fused, mask, chosen)), k)
    return RankedAnswers(jnp.take_along_axis(chosen, order, axis=1), found)
