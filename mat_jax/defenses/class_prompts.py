"""Class prompts: what defences made for classification compare an image with."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mat_jax.attacks.embeddings import embed_texts
from mat_jax.attacks.objectives import cross_entropy, is_class
from mat_jax.types.arrays import Batch, ImageFeatures, Tokens
from mat_jax.types.protocols import Model, Tokenizer

Logits = Float[Array, "batch classes"]


@dataclass(frozen=True)
class Prompts:
    """One text a class, in the order of the labels: ("this is a photo of a cat", ...).

    A run puts in their `tokens`, once it has the model's tokenizer; outside of a run,
    `Prompts(texts).tokenized(tokenizer)` does.
    """

    texts: tuple[str, ...]
    tokens: Tokens | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.texts) < 2:
            raise ValueError(
                f"{len(self.texts)} prompts make no choice: give one a class, 2 or more"
            )

    def tokenized(self, tokenizer: Tokenizer) -> "Prompts":
        """The same with their tokens, cut to the longest: shorter texts cost less to encode."""
        tokens = tokenizer(self.texts)
        longest = int(np.asarray(tokens.mask).sum(axis=1).max())
        return Prompts(self.texts, Tokens(tokens.ids[:, :longest], tokens.mask[:, :longest]))

    def require(self, labels: np.ndarray | None, name: str) -> None:
        """Refuse the labels of a source that these prompts are not for.

        Raises:
            ValueError: no labels, or one that no prompt stands for.
        """
        if labels is None:
            raise _unlabelled(repr(name))
        low, high = int(np.min(labels)), int(np.max(labels))
        if low < 0 or high >= len(self.texts):
            raise ValueError(
                f"the labels of {name!r} run from {low} to {high}, and there are "
                f"{len(self.texts)} prompts: give one a class, in the order of the labels"
            )

    def units(self, model: Model) -> Float[Array, "classes embed"]:
        """Their embeddings on the unit sphere."""
        if self.tokens is None:
            raise ValueError(
                "the class prompts have no tokens yet: train with mat_jax.fit, or call "
                "tokenized(tokenizer) of the defence"
            )
        return embed_texts(model, jax.tree.map(jnp.asarray, self.tokens))


def class_logits(
    model: Model, image: ImageFeatures, units: Float[Array, "classes embed"]
) -> Logits:
    """`scale cos(f(x), t_c)`, whose softmax is what zero-shot classification believes."""
    return model.scale * (image.unit @ units.T)


def labels_of(batch: Batch) -> Int[Array, " batch"]:
    """The classes of a batch, or one clear sentence where it has none."""
    if batch.labels is None:
        raise _unlabelled("the batch")
    return batch.labels


def _unlabelled(what: str) -> ValueError:
    return ValueError(
        f"this defence trains on classes but {what} has no labels: give the experiment a source "
        "with label(i), data.Kinds(data.load_scenes('train')) for example"
    )


def surprise(logits: Logits, labels: Int[Array, " batch"]) -> Float[Array, " batch"]:
    r"""Cross-entropy $-\log p_y$ at the true class, in nats."""
    return cross_entropy(logits, is_class(labels, logits.shape[1]))


def accuracy(logits: Logits, labels: Int[Array, " batch"]) -> Float[Array, ""]:
    """Share of images whose largest logit is that of their class."""
    return jnp.mean(jnp.argmax(logits, axis=1) == labels, dtype=logits.dtype)


def divergence(target: Logits, logits: Logits) -> Float[Array, " batch"]:
    r"""$KL(softmax(\text{target}) \| softmax(\text{logits}))$, in nats."""
    expected, found = jax.nn.log_softmax(target), jax.nn.log_softmax(logits)
    return jnp.sum(jnp.exp(expected) * (expected - found), axis=-1)
