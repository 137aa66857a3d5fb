"""The inner maximisation by words: the adversarial captions a defence trains on."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Key

from mat_jax.attacks.embeddings import embed_images, embed_texts, embed_variants
from mat_jax.attacks.words.all_words import best_of_all, standing
from mat_jax.attacks.words.substitution import Objective, away, kl, plan, shuffled_plan, substitute
from mat_jax.types.arrays import Batch, Tokens, Words
from mat_jax.types.protocols import Model
from mat_jax.utils.devices import BATCH, TENSOR, parts, placed, split_over

TextObjective = Literal["away", "kl"]
Search = Literal["important", "random", "promising", "every"]
# What is raised, and of what, given the clean captions' embeddings [batch, captions, embed].
Anchor = Callable[[Array], tuple[Objective, Array]]
# A tree of arrays, all with the examples of a batch as their first axis.
Given = TypeVar("Given")


def attack_texts(
    model: Model,
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
      (`all_words.promising`; ours). Cheaper than `important`; `away` only, as `kl` has no
      slope at the clean caption.

    What each gains is in a table at `attacks.words.all_words`.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    if batch.words is None:
        raise ValueError(
            "this defence attacks words but the batch carries none: give the experiment "
            "substitutes=data.Substitutes(...)"
        )

    # Not device by device: an image tower that is stored in parts stays in parts.
    images = embed_images(model, batch.images) if objective == "away" else None

    def attack(given: tuple[Batch, Array, Array | None], model: Model) -> Tokens:
        batch, keys, images = given
        assert batch.words is not None
        table = batch.words._replace(
            substitutes=batch.words.substitutes[..., :candidates, :],
            substitute_lengths=batch.words.substitute_lengths[..., :candidates],
        )

        def anchor(clean: Array) -> tuple[Objective, Array]:
            if images is None:
                return kl, clean
            return away, jnp.broadcast_to(images[:, None], clean.shape)

        if search in ("every", "promising"):
            few = candidates if search == "promising" else None
            return _of_all_words(model, table, batch.tokens, anchor, budget=words, few=few)
        order = keys if search == "random" else None
        return _word_by_word(model, table, batch.tokens, anchor, order, budget=words)

    return device_by_device(attack, (batch, keys, images), model)


def _word_by_word(
    model: Model, table: Words, tokens: Tokens, anchor: Anchor, keys: Array | None, *, budget: int
) -> Tokens:
    """Words in the order of their importance, or with keys in random order."""
    embed, form = embed_variants(model, tokens), model.text_format
    if keys is None:
        prepared = plan(embed, table, tokens, text_format=form)
    else:
        prepared = shuffled_plan(embed, table, tokens, keys, text_format=form)
    objective, reference = anchor(prepared.clean)
    found = substitute(
        embed, table, tokens, objective, reference, prepared, text_format=form, budget=budget
    )
    return found.tokens


def _of_all_words(
    model: Model, table: Words, tokens: Tokens, anchor: Anchor, *, budget: int, few: int | None
) -> Tokens:
    """The best substitute of any word, of all or of a few."""
    clean = embed_texts(model, tokens)
    objective, reference = anchor(clean)
    # One row a caption.
    table, rows, clean, reference = jax.tree.map(
        lambda x: x.reshape(-1, *x.shape[2:]), (table, tokens, clean, reference)
    )

    def score(units: Array) -> Array:
        return objective(jnp.broadcast_to(reference[:, None], units.shape), units)

    last = best_of_all(model, standing(table, clean), score, budget=budget, few=few)
    found = last.tokens(rows, model.text_format)
    return jax.tree.map(lambda x, old: x.reshape(old.shape), found, tokens)


def device_by_device(
    function: Callable[[Given, Any], Tokens], given: Given, model: Model
) -> Tokens:
    """`function(given, model)`, on a mesh on each device's part of the batch by itself.

    Captions are attacked one apart from another, so no device need wait for another's walk. Left
    to itself, XLA would gather the captions that are not finished on every device. Weights that
    are stored in parts are gathered once for the whole walk: devices that walk for different times
    could not gather them layer by layer. So all devices share the captions, where they divide.
    """
    size = len(jax.tree.leaves(given)[0])
    choices = (split_over(*BATCH, TENSOR), split_over(*BATCH))
    axes = next((axes for axes in choices if size % parts(*axes) == 0), ())
    if not axes:
        return function(given, model)
    split, whole = PartitionSpec(axes), PartitionSpec()
    apart = jax.shard_map(function, in_specs=(split, whole), out_specs=split, check_vma=False)
    return jax.tree.map(lambda x: placed(x, BATCH, *[None] * (x.ndim - 1)), apart(given, model))
