"""The inner maximisation: the adversarial captions and images a defence trains on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Key, PRNGKeyArray

from mat_jax.attacks.encode import embed_images, embed_texts
from mat_jax.attacks.every_word import best_of_all, standing
from mat_jax.attacks.losses import squared_distance
from mat_jax.attacks.pgd import NoisyLoss, example_keys, pgd
from mat_jax.attacks.text import Objective, away, kl, plan, shuffled_plan, substitute
from mat_jax.attacks.threat import Norm
from mat_jax.defenses.outer import compare, encode_texts
from mat_jax.records import Batch, ImageFeatures, Tokens

TextObjective = Literal["away", "kl"]
Search = Literal["important", "random", "promising", "every"]
# A tree of arrays, all with the examples of a batch as their first axis.
Given = TypeVar("Given")
# One value an image [batch], which PGD climbs.
ImageValues = Callable[[ImageFeatures], Array]
# `objective(model, batch, tokens)`: against these captions, the batch being clean.
ImageObjective = Callable[[Any, Batch, Tokens], ImageValues]


def attack_texts(
    model: Any,
    batch: Batch,
    keys: Key[Array, " batch"],
    *,
    words: int,
    candidates: int,
    objective: TextObjective,
    search: Search = "important",
) -> Tokens:
    r"""BERT-Attack on the captions of a batch: at most `words` words of each are replaced.

    Of the first `candidates` substitutes of a word the one with the largest objective is taken:

    - `away`: $-\cos(f(x), g(t'))$, away from the clean image (SGA, Lu et al. 2023);
    - `kl`: $KL(softmax(g(t)) \| softmax(g(t')))$, away from the clean caption, on the unit
      sphere (Co-Attack, Zhang et al. 2022).

    Of the words, as `search` says,

    - `important`: the one whose absence moves the caption's embedding most, and the next only
      where no substitute of it raises the objective (BERT-Attack, Li et al. 2020);
    - `random`: in random order, from `keys`, with no pass spent on scores (ours);
    - `every`: all are tried, and the best substitute of any word is taken (ours);
    - `promising`: the same, of the `candidates` substitutes of any word that the gradient names
      (`attacks.every_word.promising`; ours). Cheaper than `important`; `away` only, as `kl` has no
      slope at the clean caption.
    """
    if batch.words is None:
        raise ValueError(
            "this defence attacks words but the batch carries none: give the experiment "
            "substitutes=data.Substitutes(...)"
        )

    def attack(given: tuple[Batch, Array], model: Any) -> Tokens:
        batch, keys = given
        assert batch.words is not None
        table = batch.words._replace(
            substitutes=batch.words.substitutes[..., :candidates, :],
            substitute_lengths=batch.words.substitute_lengths[..., :candidates],
        )

        def embed(tokens: Tokens, captions: Array | None) -> Array:
            return embed_texts(model, tokens)

        def anchor(clean: Array) -> tuple[Objective, Array]:
            """What is raised, and of what, for clean captions [batch, captions, embed]."""
            if objective == "kl":
                return kl, clean
            image = embed_images(model, batch.images)
            return away, jnp.broadcast_to(image[:, None], clean.shape)

        framed = model.text_format
        if search in ("every", "promising"):
            clean = embed(batch.tokens, None)
            function, reference = anchor(clean)
            rows, flat = jax.tree.map(lambda x: _rows(x, clean), (table, batch.tokens))
            reference = _rows(reference, clean)[:, None]

            def score(units: Array) -> Array:
                return function(jnp.broadcast_to(reference, units.shape), units)

            start = standing(rows, _rows(clean, clean))
            few = candidates if search == "promising" else None
            found = best_of_all(model, start, score, budget=words, few=few).tokens(flat, framed)
            return jax.tree.map(lambda x, old: x.reshape(old.shape), found, batch.tokens)
        if search == "random":
            prepared = shuffled_plan(embed, table, batch.tokens, keys, text_format=framed)
        else:
            prepared = plan(embed, table, batch.tokens, text_format=framed)
        function, reference = anchor(prepared.clean)
        found = substitute(
            embed, table, batch.tokens, function, reference, prepared, text_format=framed,
            budget=words,
        )  # fmt: skip
        return found.tokens

    return device_by_device(attack, (batch, keys), model)


def _rows(x: Array, clean: Array) -> Array:
    """The leading axes of the clean captions in one."""
    return x.reshape(-1, *x.shape[clean.ndim - 1 :])


def device_by_device(function: Callable[[Given, Any], Tokens], given: Given, model: Any) -> Tokens:
    """`function(given, model)`, on a mesh on each device's part of the batch by itself.

    Captions are attacked one apart from another, so no device need wait for another's walk. Left
    to itself, XLA would gather the captions that are not finished on every device.
    """
    if jax.sharding.get_abstract_mesh().shape.get("data", 1) == 1:
        return function(given, model)
    split, whole = PartitionSpec("data"), PartitionSpec()
    apart = jax.shard_map(function, in_specs=(split, whole), out_specs=split, check_vma=False)
    return apart(given, model)


def attack_images(
    loss_fn: Callable[[Array], Array],
    batch: Batch,
    key: PRNGKeyArray,
    *,
    eps: float,
    steps: int,
    step_size: float | None,
    norm: Norm,
    climb_fn: NoisyLoss | None = None,
) -> Float[Array, "batch height width 3"]:
    """PGD from a random start, each image's randomness from its id; the last iterate is kept.

    `step_size` None is `1.25 eps / steps`: with it a start at one end of the ball can reach the
    other (our choice; the paper does not say). `climb_fn` is an objective with its own noise: see
    `pgd`.
    """
    return pgd(
        loss_fn,
        batch.images,
        example_keys(key, batch.ids),
        eps=eps,
        step_size=1.25 * eps / max(steps, 1) if step_size is None else step_size,
        steps=steps,
        norm=norm,
        climb_fn=climb_fn,
    )


def against_texts(model: Any, batch: Batch, tokens: Tokens) -> ImageValues:
    """The loss of the images with these captions, which are encoded once; the mean over them.

    It is InfoNCE. A pair's loss also counts its image among the negatives of the others' captions;
    the sum over the batch, which PGD climbs, is the batch's whole contrastive loss. Of a captioner
    it is its surprise at the captions.
    """
    texts = encode_texts(model, tokens)
    return lambda image: compare(model, [image], texts, batch.ids, together=False)


def away_from_texts(model: Any, batch: Batch, tokens: Tokens) -> ImageValues:
    r"""$-\cos(f(x'), g(t'))$, the mean over the captions (SGA, Lu et al. 2023)."""
    target = jnp.mean(embed_texts(model, tokens), axis=1)
    return lambda image: away(image.unit.astype(jnp.float32), target)


def kl_from_clean(model: Any, batch: Batch, tokens: Tokens) -> ImageValues:
    r"""$KL(softmax(f(x)) \| softmax(f(x')))$ on the unit sphere; no caption matters (Co-Attack)."""
    clean = embed_images(model, batch.images)
    return lambda image: kl(clean, image.unit.astype(jnp.float32))


def far_from_clean(model: Any, batch: Batch, tokens: Tokens) -> ImageValues:
    r"""$\|f(x') - f(x)\|_2^2$ of the projected vectors; no caption matters (FARE's distance)."""
    clean = model.encode_image(batch.images).embed
    return lambda image: squared_distance(image.embed, clean)


@dataclass(frozen=True)
class WithCleanTexts:
    """An objective of the attacked captions, and of the clean ones besides, in equal parts."""

    objective: ImageObjective = against_texts

    def __call__(self, model: Any, batch: Batch, tokens: Tokens) -> ImageValues:
        """The sum of both."""
        attacked = self.objective(model, batch, tokens)
        clean = self.objective(model, batch, batch.tokens)
        return lambda image: attacked(image) + clean(image)
