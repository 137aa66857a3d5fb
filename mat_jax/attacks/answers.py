"""Against a model that answers questions: away from what people answered, in picture and words."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mat_jax.attacks.fused import attack_pairs, pair_encoder
from mat_jax.attacks.threat import Preset, ThreatModel
from mat_jax.attacks.words.substitution import Embed
from mat_jax.types.arrays import Adversarial, Batch, GivenAnswers, TextFeatures, Tokens
from mat_jax.types.protocols import AnswersQuestions, EncodesPairs


def answer_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Array,
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    r"""Against the likelihood of the right answers: the adaptive attack on VQA.

    $$\max_{x', q'} -\sum_a w_a \log p(a \mid x', q')$$

    with the share $w_a$ of the people who gave the answer a, in the order of `match_attack`:
    words of the question, the image, and words again from the clean question. Function words, and
    so "what" and "how", stay; with the constraint "truthful" the right answer stays right.
    Papers attack the towers of a VQA model (Co-Attack, SGA); this attack climbs what answers.
    `official` only keeps the last point and replaces words by [UNK]; `strict` keeps the best.

    Args:
        batch: questions with their `answers`.

    Raises:
        ValueError: the batch carries no words to substitute or no answers, or the model gives no
            answers.
    """
    if not isinstance(model, AnswersQuestions):
        raise ValueError(
            f"{type(model).__name__} answers no questions, which this attack is after: take "
            "another attack, co_attack_fused for example"
        )
    answers = given_answers(batch)

    def surprise(fused: Array, text: TextFeatures, images: Array) -> Float[Array, "questions 1"]:
        """Of people's answers to questions about these images, as the one feature of a pair."""
        right = jax.tree.map(lambda x: jnp.asarray(x)[images], answers)
        return answer_surprise(model, fused, text.mask, right)[:, None]

    def encoder(images: Array) -> Embed:
        return pair_encoder(model, images, batch.present.shape[1], read=surprise)

    return attack_pairs(
        model,
        batch,
        key,
        threat,
        preset,
        objective=lambda truth, surprises: surprises[..., 0],
        asked=lambda images: jnp.zeros((len(images), 1)),
        encoder=encoder,
    )


def given_answers(batch: Batch) -> GivenAnswers:
    """What people answered to the questions of a batch.

    Raises:
        ValueError: the batch has no answers.
    """
    if batch.answers is None:
        raise ValueError(
            "the batch has no answers: give questions with people's answers (data.vqa_json, "
            "data.Questions)"
        )
    return batch.answers


def answer_surprise(
    model: AnswersQuestions,
    fused: Float[Array, "questions length width"],
    mask: Array,
    answers: GivenAnswers,
) -> Float[Array, " questions"]:
    r"""$-\sum_a w_a \log p(a \mid x, q)$ of questions read with their images, in nats.

    Args:
        model: whose answers they are.
        fused, mask: tokens of the questions after fusion, and which of them are real.
        answers: [questions, answers, ...] of each question.
    """
    flat = Tokens(*(jnp.asarray(x).reshape(-1, x.shape[-1]) for x in answers.tokens))
    logits = model.answer_logits(fused, mask, flat)[:, :-1]
    each = optax.softmax_cross_entropy_with_integer_labels(logits, flat.ids[:, 1:])
    losses = jnp.sum(each * flat.mask[:, 1:].astype(each.dtype), axis=1)
    return jnp.sum(answers.weights * losses.reshape(answers.weights.shape), axis=1)
