"""What a model of answers minimises: its loss of what people answered."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mat_jax.attacks.answers import given_answers
from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import AnswersQuestions


def answer_losses(
    model: AnswersQuestions, image: ImageFeatures, question: TextFeatures, batch: Batch
) -> Float[Array, " batch"]:
    r"""$\sum_a w_a L(a \mid x, q)$ of each image and its question, in nats.

    The loss L of an answer is the family's own (`model.answer_losses`): its surprise, in BLIP with
    smoothed truth. The weight $w_a$ is the share of people who gave the answer. As in the released
    programs of ALBEF and BLIP, without the momentum model's soft labels.

    Args:
        model: answers the questions.
        image, question: features of the pairs [batch].
        batch: whose `answers` are people's.

    Raises:
        ValueError: a batch without answers.
    """
    answers = given_answers(batch)
    flat = Tokens(*(jnp.asarray(x).reshape(-1, x.shape[-1]) for x in answers.tokens))
    logits = model.answer_logits(model.fuse(image, question), jnp.asarray(question.mask), flat)
    each = model.answer_losses(logits.astype(jnp.float32), flat)
    return jnp.sum(answers.weights * each.reshape(answers.weights.shape), axis=1)
