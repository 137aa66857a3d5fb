"""MAT+: multimodal adversarial training on one image with several texts (Waseda et al.)."""

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.defenses.contrastive import share_changed
from mat_jax.defenses.inner import against_all_texts, against_texts
from mat_jax.defenses.mat import MAT
from mat_jax.defenses.outer import mixed_losses
from mat_jax.records import Batch, Words

Use = Literal["pairs", "average", "positives"]


@dataclass(frozen=True)
class MATPlus:
    r"""`MAT` where each image comes with M texts, every one of them attacked.

    The paper (arXiv:2405.18770) replaces 1:1 pairs by 1:N ones, the partners being human captions,
    captions made by a model or rewritten ones; how its loss uses them is not public. Three ways
    (all our reading), with $t'_m$ the attacked texts of image $x$ and L the loss of `MAT`:

    - `pairs`, no 1:N modelling: each $(x, t_m)$ is an example of its own, with an $x'_m$ of its
      own: $\frac1M \sum_m L(x'_m, t'_m)$ over a batch M times as large;
    - `average`: one $x'$ against all: $\frac1M \sum_m L(x', t'_m)$;
    - `positives`: one $x'$ against all, and one loss, in which all texts of an image are right and
      none of them is another's negative: `contrastive.one_to_many`.

    In all three PGD climbs the loss that is minimised, so `mat.strategy.objective` is left at its
    default. An image with fewer texts has its first one again.

    Args:
        mat: the attacks, the pairs and what trains.
        use: one of the three ways.
        texts: M, texts drawn of an image at each visit, its own included; None for all.
    """

    mat: MAT = MAT()
    use: Use = "positives"
    texts: int | None = 5

    needs_reference = False

    def __post_init__(self) -> None:
        if self.use not in get_args(Use):
            raise ValueError(f"use {self.use!r} is not one of {', '.join(get_args(Use))}")
        if self.texts is not None and self.texts < 1:
            raise ValueError(f"texts={self.texts} leaves no text; give at least 1, or None for all")
        if self.mat.strategy.objective is not against_texts:
            raise ValueError(
                "MATPlus chooses what the image climbs by its `use`: leave mat.strategy.objective "
                "at its default"
            )

    @property
    def words(self) -> int:
        """Words replaced in a text."""
        return self.mat.words

    @property
    def captions(self) -> bool:
        """Captioners train too, with words=0."""
        return self.mat.captions

    def perturb(self, model: Any, reference: Any, batch: Batch, key: PRNGKeyArray) -> Batch:
        """The attacked images and texts; with `pairs` one example a text, M times as many."""
        mat = self.mat
        if self.use == "positives":
            strategy = replace(mat.strategy, objective=against_all_texts)
            mat = replace(mat, strategy=strategy)
        return mat.perturb(model, reference, self._examples(batch), key)

    def loss(
        self, model: Any, reference: Any, batch: Batch, batch_adv: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The loss of each image with its texts, in nats."""
        clean = self._examples(batch)
        together = self.use == "positives"
        losses, metrics = mixed_losses(
            model, clean, batch_adv, key, pairs=self.mat.pairs, together=together
        )
        # With `pairs` the texts of an image stand beside each other.
        losses = jnp.mean(losses.reshape(len(batch.ids), -1), axis=1)
        return losses, metrics | {"captions_changed": share_changed(clean, batch_adv)}

    def trains(self, path: tuple[str, ...]) -> bool:
        """What `mat` trains."""
        return self.mat.trains(path)

    def _examples(self, batch: Batch) -> Batch:
        """The batch with no text missing; with `pairs`, one example a text."""
        filled = fill(batch)
        return apart(filled) if self.use == "pairs" else filled


def fill(batch: Batch) -> Batch:
    """The batch with an image's first text in the place of each that it lacks."""

    def first(x: Array) -> Array:
        there = batch.present.reshape(*batch.present.shape, *[1] * (x.ndim - 2))
        return jnp.where(there, x, x[:, :1])

    tokens = jax.tree.map(first, batch.tokens)
    words: Words | None = jax.tree.map(first, batch.words)
    return batch._replace(tokens=tokens, words=words, present=jnp.ones_like(batch.present))


def apart(batch: Batch) -> Batch:
    """One example for each text, those of the first image first; ids and images are repeated."""
    count = batch.present.shape[1]

    def each(x: Array) -> Array:
        return x.reshape(-1, 1, *x.shape[2:])

    return Batch(
        ids=jnp.repeat(batch.ids, count),
        images=jnp.repeat(batch.images, count, axis=0),
        tokens=jax.tree.map(each, batch.tokens),
        present=each(batch.present),
        words=jax.tree.map(each, batch.words),
        labels=None if batch.labels is None else jnp.repeat(batch.labels, count),
    )
