"""Which substitutes are worth encoding: a first-order guess (HotFlip, Ebrahimi et al. 2018).

On scenes-clip, of 10 candidates a word, one word a caption, 160 captions of 32 scenes:

=========  ===  =========================  =======================================
objective  few  the same caption is found  of the gain of encoding all substitutes
=========  ===  =========================  =======================================
`away`     1    55 %                       94.0 %
`away`     3    85 %                       98.7 %
`kl`       3    78 %                       97.7 %
=========  ===  =========================  =======================================

It is close to exact, and is not exact: what is reported as an attack's result should be exact.
The figures are those of `agreement`, here for the second row:

    model, tokenizer = models.load("scenes-clip")
    evaluation = Evaluation(data="scenes", attacks=("sga",), limit=32)  # of mat_jax.evaluate
    batch = prepare(evaluation, model, tokenizer).batch(np.arange(32))
    print(jax.jit(lambda batch: agreement(model, batch, few=3))(batch))
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mat_jax.attacks.embeddings import (
    embed_images,
    embed_texts,
    embed_variants,
    word_embeddings,
)
from mat_jax.attacks.words.substitution import (
    Objective,
    Plan,
    Shortlist,
    away,
    kl,
    plan,
    substitute,
)
from mat_jax.types.arrays import Batch, Words
from mat_jax.types.protocols import EncodesPairs
from mat_jax.types.text_format import TextFormat, compose


def shortlist(
    model: EncodesPairs, objective: Objective, reference: Float[Array, "*lead reference"], few: int
) -> Shortlist:
    """The `few` substitutes of a word that promise the largest `objective(reference, e')`.

    Put the mean embedding c of a word's substitutes in its place, and let g be the gradient of
    the objective there; a substitute s, with mean token embedding E_s, promises `g . (E_s - c)`.
    One forward and one backward pass serve all substitutes. The point c, and not the word itself,
    because `kl` has no slope at the clean caption, and because c lies in their midst.

    Args:
        model: with token embeddings at `model.text.tok`, and an `encode_text(tokens, shift)`.
        objective: as for `text.substitute`.
        reference: as there, one vector a caption.
        few: how many substitutes to name.
    """
    flat = reference.reshape(-1, reference.shape[-1])

    def choose(words: Words, slot: Array, captions: Array | None) -> Array:
        table = word_embeddings(model)
        rows = jnp.arange(slot.shape[0])
        sizes = words.substitute_lengths[rows, slot]
        each = _mean(table[words.substitutes[rows, slot]], sizes)
        centre = _mean(each, jnp.sum(sizes > 0, axis=-1), there=sizes > 0)
        tokens = compose(words.parts, words.lengths, model.text_format)
        inside = place_of(words, slot, model.text_format)[..., None]
        start = jnp.where(inside, centre[:, None] - table[tokens.ids], 0.0)
        own = flat if captions is None else flat[captions]

        def value(shift: Array) -> Array:
            return jnp.sum(objective(own, embed_texts(model, tokens, shift)))

        slope = jnp.sum(jnp.where(inside, jax.grad(value)(start), 0.0), axis=1)
        promise = jnp.einsum("nw,nkw->nk", slope, each)
        promise = jnp.where(sizes > 0, promise, -jnp.inf)
        return jax.lax.top_k(promise, min(few, promise.shape[1]))[1]

    return choose


def agreement(
    model: EncodesPairs,
    batch: Batch,
    *,
    few: int,
    objective: Literal["away", "kl"] = "away",
    budget: int = 1,
) -> dict[str, Float[Array, ""]]:
    """How the fast mode compares with encoding every substitute, on the captions of a batch.

    Both figures depend on the model and the table: measure them on yours before relying on it.

    Args:
        model: see `shortlist`.
        batch: with words.
        few: substitutes encoded in the fast mode.
        objective: `away` from the clean image (SGA), or `kl` from the clean caption (BERT-Attack).
        budget: words that may change.

    Returns:
        `same`: share of the captions that exact search changes which come out the same;
        `gain`: what the fast mode gains of the objective, over what exact search gains;
        `captions`: how many captions exact search changes.
    """
    assert batch.words is not None

    embed, form = embed_variants(model, batch.tokens), model.text_format
    prepared = plan(embed, batch.words, batch.tokens, text_format=form)
    function, reference = kl, prepared.clean
    if objective == "away":
        function = away
        image = embed_images(model, batch.images)
        reference = jnp.broadcast_to(image[:, None], prepared.clean.shape)

    def run(prepared: Plan, sieve: Shortlist | None) -> tuple[Array, Array]:
        found = substitute(
            embed, batch.words, batch.tokens, function, reference, prepared,
            text_format=form, budget=budget, shortlist=sieve,
        )  # fmt: skip
        return found.choice, function(reference, found.unit)

    exact, most = run(prepared, None)
    sieve = shortlist(model, function, reference, few)
    fast, value = run(prepared._replace(first=None), sieve)
    clean = function(reference, prepared.clean)
    changed = jnp.any(exact >= 0, axis=-1) & batch.present
    same = jnp.all(exact == fast, axis=-1) & changed
    return {
        "same": jnp.sum(same) / jnp.sum(changed),
        "gain": jnp.sum((value - clean) * changed.astype(jnp.float32))
        / jnp.sum((most - clean) * changed.astype(jnp.float32)),
        "captions": jnp.sum(changed).astype(jnp.float32),
    }


def place_of(words: Words, slot: Int[Array, " captions"], text_format: TextFormat) -> Array:
    """[captions, length] True at the ids of the word `slot` of each caption."""
    rows = jnp.arange(slot.shape[0])
    ends = jnp.cumsum(words.lengths, axis=-1)
    last = 1 + ends[rows, slot]
    first = last - words.lengths[rows, slot]
    position = jnp.arange(text_format.length)[None]
    fits = position < text_format.length - 1
    return (position >= first[:, None]) & (position < last[:, None]) & fits


def _mean(vectors: Array, count: Array, there: Array | None = None) -> Array:
    """The mean of the first `count` vectors of the last axis but one, or of those `there`."""
    if there is None:
        number = jnp.broadcast_to(jnp.arange(vectors.shape[-2]), vectors.shape[:-1])
        there = number < count[..., None]
    total = jnp.sum(jnp.where(there[..., None], vectors, 0.0), axis=-2)
    return total / jnp.maximum(count, 1)[..., None].astype(vectors.dtype)
