"""Masked language modelling: no defence, but an objective of the same form.

It trains the model that proposes substitutes (`data.Substitutes(mlm=...)`), with the same loop.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.defenses.base import Defense
from mat_jax.models import Tokenizer
from mat_jax.types.arrays import Batch, Tokens
from mat_jax.types.protocols import LanguageModel


@dataclass(frozen=True)
class MaskedWords(Defense[LanguageModel]):
    r"""Masked language modelling (Devlin et al. 2019, section 3.1).

    Of the tokens of a caption a share `rate` is chosen; of those 80 % become `[MASK]`, 10 % a
    random token, and 10 % stay. The loss is the mean of $-\log p(\text{token})$ over the chosen.
    `MaskedWords.of(tokenizer)` fills in the ids.

    Args:
        mask: id of `[MASK]`.
        first: smallest id that is chosen; special tokens have ids below it.
        vocabulary: how many ids there are.
        rate: share of the tokens that are chosen.
    """

    mask: int
    first: int
    vocabulary: int
    rate: float = 0.15

    encodes = False  # it trains a language model, where defences train encoders

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "MaskedWords":
        """For the vocabulary of a BERT tokenizer, its special tokens standing first."""
        mask = tokenizer.backend.token_to_id("[MASK]")
        if mask is None:
            raise ValueError(
                "the tokenizer has no [MASK], which masked language modelling puts in the place "
                "of words: take a BERT's"
            )
        return cls(mask=mask, first=mask + 1, vocabulary=tokenizer.vocab_size)

    def perturb(
        self, model: LanguageModel, reference: LanguageModel | None, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """Hide tokens; the mask of the result is True where a token is to be guessed."""
        ids, inside = batch.tokens
        one, two, three = jax.random.split(key, 3)
        chosen = inside & (ids >= self.first) & (jax.random.uniform(one, ids.shape) < self.rate)
        fate = jax.random.uniform(two, ids.shape)
        other = jax.random.randint(three, ids.shape, self.first, self.vocabulary, ids.dtype)
        hidden = jnp.where(fate < 0.8, jnp.full_like(ids, self.mask), other)
        hidden = jnp.where(chosen & (fate < 0.9), hidden, ids)
        return batch._replace(tokens=Tokens(hidden, chosen))

    def loss(
        self,
        model: LanguageModel,
        reference: LanguageModel | None,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """Mean surprise over the chosen tokens of the batch, in nats, for each caption."""
        hidden, chosen = (x[:, 0] for x in batch_adv.tokens)
        truth, inside = (x[:, 0] for x in batch.tokens)
        scores = jax.nn.log_softmax(model.logits(Tokens(hidden, inside)))
        surprise = -jnp.take_along_axis(scores, truth[..., None], axis=-1)[..., 0]
        weight = chosen.astype(scores.dtype)
        share = weight / jnp.maximum(jnp.mean(jnp.sum(weight, axis=1)), 1.0 / len(weight))
        right = (jnp.argmax(scores, axis=-1) == truth).astype(scores.dtype) * share
        return jnp.sum(surprise * share, axis=1), {"accuracy": jnp.mean(jnp.sum(right, axis=1))}

    def trains(self, path: tuple[str, ...]) -> bool:
        """All weights."""
        return True
