"""MAT+: multimodal adversarial training from one to many (Waseda et al., arXiv:2405.18770)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from mat_jax.attacks.optimizers.projected_gradient import example_keys
from mat_jax.defenses.base import Defense
from mat_jax.defenses.inner.images import against_texts
from mat_jax.defenses.losses.contrastive import share_changed
from mat_jax.defenses.losses.pair_loss import compare, encode_texts, mixed_losses
from mat_jax.defenses.mat import MAT
from mat_jax.defenses.one_to_many import (
    all_images,
    apart,
    fill,
    first_text,
    numbered,
    of_each,
    originals,
    pictures,
    with_images,
)
from mat_jax.types.arrays import Batch, Tokens
from mat_jax.types.protocols import Model

Use = Literal["pairs", "average", "positives"]
# `augment(images, key) -> images`, all in [0, 1].
Augment = Callable[[Array, PRNGKeyArray], Array]


@dataclass(frozen=True)
class MATPlus(Defense[Model]):
    r"""`MAT` where each pair comes with partners, texts and pictures, all of them attacked.

    The paper (arXiv:2405.18770) replaces 1:1 pairs by 1:N and N:1 ones: partner texts are other
    human captions, captions made by a model or rewritten ones; partner pictures are augmented or
    generated. How its loss uses them is not public. Three ways (all our reading), for an example of
    M texts $t_0 ... t_{M-1}$ and N + 1 pictures $x_0 ... x_N$, its own first, with L the loss of
    `MAT` and S the M + N pairs $(x_0, t_m)$ and $(x_n, t_0)$, each partner with the original of the
    other side:

    - `pairs`, no 1:N modelling: each pair of S is an example of its own, with an $x'$ and a $t'$ of
      its own: $\frac1{|S|} \sum_{(n, m) \in S} L(x'_{nm}, t'_{nm})$ over a batch |S| times as
      large, in which pairs of the same id are no negatives of each other;
    - `average`: one $x'_n$ a picture and one $t'_m$ a text, and as many losses as pairs:
      $\frac1{|S|} \sum_{(n, m) \in S} L(x'_n, t'_m)$, the negatives of $(x'_n, t'_m)$ being the
      n-th pictures and the m-th texts of the other examples;
    - `positives`: the same $x'_n$ and $t'_m$, and one loss over all of them: each text of an
      example is right for each of its pictures, and none of either is another's negative,

      $$\tfrac12 \frac1{N+1} \sum_n \ell(x'_n \to t') + \tfrac12 \frac1M \sum_m \ell(t'_m \to x')$$

      with $\ell$ = `contrastive.multi_positive` (the formula is at `many_to_many`).

    For ALBEF, TCL and BLIP the matching loss of each pair of S is added, the mean of them; neither
    it nor any other loss takes a picture or text of the same id as a negative.

    Each picture $x_n$ climbs, in a ball around itself, the loss that is minimised (without its
    matching term), hence `mat.strategy.objective` is left at its default. Each text is attacked by
    itself, with the original $x_0$ in view (in `pairs` with the picture of its pair).

    BLIP's captioner compares nothing, so `positives` is `average` for it.

    An example with fewer texts has its first one again, one with fewer pictures its own. With
    `mat.replays` m, a faster form of ours, m updates are made with a batch, partners and all, and
    between two of them every picture that is attacked moves as in `MAT`.

    Args:
        mat: the attacks, the pairs, what trains, and the updates made with a batch.
        use: one of the three ways.
        texts: M, texts drawn of an image at each visit, its own included; None for all.
        images: partner pictures drawn from the data at each visit.
        views: pictures made at each step from an image by `augment`, partners too: N is
            `images + views`.
        augment: `(images [batch, height, width, 3], key) -> images`, such as
            `augment.rand_augment` or a `functools.partial` of it; called for one image at a time,
            with a key folded from its id.
        attack_partners: attack partners too; without, originals alone are attacked.
    """

    mat: MAT = MAT()
    use: Use = "positives"
    texts: int | None = 5
    images: int = 0
    views: int = 0
    augment: Augment | None = None
    attack_partners: bool = True

    partners = True  # a run gives it those of the data

    def __post_init__(self) -> None:
        if self.use not in get_args(Use):
            raise ValueError(f"use {self.use!r} is not one of {', '.join(get_args(Use))}")
        if self.texts is not None and self.texts < 1:
            raise ValueError(f"texts={self.texts} leaves no text; give at least 1, or None for all")
        if min(self.images, self.views) < 0:
            raise ValueError(f"images={self.images}, views={self.views}: give 0 or more of each")
        if bool(self.views) != (self.augment is not None):
            raise ValueError(
                f"views={self.views} and augment={self.augment} do not go together: views are what "
                "augment makes of an image, give both or neither"
            )
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
    def candidates(self) -> int:
        """Substitutes tried for a word."""
        return self.mat.candidates

    @property
    def captioners(self) -> bool:
        """Captioners train too, with words=0."""
        return self.mat.captioners

    def extend(self, batch: Batch, key: PRNGKeyArray) -> Batch:
        """The batch with the views of its images; the training step asks for it first of all."""
        if self.augment is None:
            return batch
        augment, numbers = self.augment, jnp.arange(self.views)

        def view(image: Array, key: PRNGKeyArray, number: Array) -> Array:
            return augment(image[None], jax.random.fold_in(key, number))[0]

        views = jax.vmap(jax.vmap(view, (None, None, 0)), (0, 0, None))
        made = jnp.clip(views(batch.images, example_keys(key, batch.ids), numbers), 0.0, 1.0)
        if batch.partner_images is not None:
            made = jnp.concatenate([batch.partner_images, made], axis=1)
        return batch._replace(partner_images=made)

    def perturb(
        self, model: Model, reference: Model | None, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """The attacked pictures and texts; with `pairs` one example a pair, |S| times as many."""
        clean, together = self._examples(batch), self.use == "positives"
        count = pictures(clean)
        # Pairs of one image are attacked each by itself, though they share its id.
        numbers = numbered(batch.ids, len(clean.ids) // len(batch.ids))
        _, own_texts = originals(batch, pairs=self.use == "pairs")
        kept = partial(self._kept, batch, all_images(clean))

        def move_images(clean: Batch, tokens: Tokens, key: PRNGKeyArray) -> Batch:
            texts = encode_texts(model, tokens)

            def values(images: Array) -> Array:
                found = of_each(model.encode_image(kept(images)), count)
                losses = compare(model, found, texts, clean, together=together)
                return jnp.repeat(losses / count, count)  # PGD climbs their sum

            # A picture has a start of its own.
            each = clean._replace(ids=numbered(numbers, count), images=all_images(clean))
            return with_images(clean, kept(self.mat.attack_images(values, each, key)))

        def move_texts(clean: Batch, keys: Key[Array, " batch"]) -> Tokens:
            if self.attack_partners:
                return self.mat.attack_texts(model, clean, keys)
            found = self.mat.attack_texts(model, first_text(clean), keys)
            found = jax.tree.map(
                lambda new, old: jnp.concatenate([new, old[:, 1:]], axis=1), found, clean.tokens
            )
            return jax.tree.map(
                lambda new, old: jnp.where(own_texts[..., None], new, old), found, clean.tokens
            )

        texts = move_texts if self.words else None
        return self.mat.strategy.play(clean, key, move_images, texts, numbers=numbers)

    def loss(
        self,
        model: Model,
        reference: Model | None,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The loss of each example with its partners, in nats."""
        clean = self._examples(batch)
        together = self.use == "positives"
        losses, metrics = mixed_losses(
            model, clean, batch_adv, key, pairs=self.mat.pairs, together=together
        )
        # With `pairs` those of an image stand beside each other.
        losses = jnp.mean(losses.reshape(len(batch.ids), -1), axis=1)
        return losses, metrics | {"captions_changed": share_changed(clean, batch_adv)}

    @property
    def replays(self) -> int:
        """Updates made with a batch."""
        return self.mat.replays

    def climb(self, clean: Batch, images: Array, slope: Array) -> Array:
        """As `MAT.climb`, all pictures; partners that are not attacked stay as they are."""
        examples = self._examples(clean)
        return self._kept(clean, all_images(examples), self.mat.climb(examples, images, slope))

    def trains(self, path: tuple[str, ...]) -> bool:
        """What `mat` trains."""
        return self.mat.trains(path)

    def _kept(self, batch: Batch, clean: Array, images: Array) -> Array:
        """Partners stay as they are, where they are not attacked."""
        if self.attack_partners:
            return images
        own, _ = originals(batch, pairs=self.use == "pairs")
        return jnp.where(own[:, None, None, None], images, clean)

    def _examples(self, batch: Batch) -> Batch:
        """The batch with nothing missing; with `pairs`, one example a pair."""
        partners = self.images + self.views
        if pictures(batch) - 1 != partners:
            raise ValueError(
                f"MATPlus trains on {partners} partner pictures an image and the batch has "
                f"{pictures(batch) - 1}: draw them with data.pipeline(..., images={self.images}), "
                "and let `extend` add the views"
            )
        filled = fill(batch)
        return apart(filled) if self.use == "pairs" else filled
