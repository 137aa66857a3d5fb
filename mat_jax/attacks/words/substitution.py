"""BERT-Attack on the device: word substitution for all captions of a batch at once.

The host has prepared which words may be changed, and into what (`data.build_words`). Here the
words are ordered by importance and visited one after another; at each the best substitute is
taken, or none where the caption as it stands is best (Li et al. 2020, algorithm 1, in the form of
Co-Attack and SGA: the encoder's embedding in the place of a classifier's score).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from mat_jax.attacks.embeddings import Embed
from mat_jax.types.arrays import Tokens, Words
from mat_jax.types.text_format import TextFormat, compose

Objective = Callable[[Array, Array], Array]
# `shortlist(words [n], slot [n], captions [n] or None) -> [n, few]`: which substitutes to encode.
Shortlist = Callable[[Words, Array, Array | None], Array]

FEWEST = 32  # texts that are worth a round of their own


class Plan(NamedTuple):
    """What depends on the clean caption only, and so serves every pass over it."""

    clean: Float[Array, "*lead embed"]
    order: Int[Array, "*lead words"]  # word slots, the most important first
    attackable: Int[Array, "*lead"]  # how many of them may be changed
    # The substitutes of the first word in `order`, if all are encoded.
    first: Float[Array, "*lead candidates embed"] | None


class Substituted(NamedTuple):
    """Captions after the attack; `unit` are their embeddings on the unit sphere."""

    tokens: Tokens
    choice: Int[Array, "*lead words"]
    unit: Float[Array, "*lead embed"]
    changed: Int[Array, "*lead"]  # words changed
    visited: Int[Array, "*lead"]  # words looked at


def kl(
    reference: Float[Array, "*lead embed"], units: Float[Array, "*lead embed"]
) -> Float[Array, "*lead"]:
    """`KL(softmax(reference) || softmax(units))`, summed over the embedding.

    The softmax of a unit vector is nearly flat and the divergence near 1e-4, so it is summed as
    `p (exp(d) - 1 - d)` with `d = log q - log p`: the same number because p and q each sum to 1,
    but no term is negative and nothing cancels.
    """
    p = jax.nn.softmax(reference)
    difference = units - reference
    # What log q is short of `log p + difference` by, with no large number on the way.
    offset = jnp.log1p(jnp.sum(p * jnp.expm1(difference), axis=-1, keepdims=True))
    d = difference - offset
    return jnp.sum(p * (jnp.expm1(d) - d), axis=-1)


def away(
    reference: Float[Array, "*lead embed"], units: Float[Array, "*lead embed"]
) -> Float[Array, "*lead"]:
    """Minus the cosine of unit vectors: SGA's objective, the image as reference."""
    return -jnp.sum(reference * units, axis=-1)


def plan(
    embed_fn: Embed,
    words: Words,
    tokens: Tokens,
    *,
    text_format: TextFormat,
    mask: tuple[int, ...] = (),
    importance: Objective = kl,
    reference: Float[Array, "*lead reference"] | None = None,
    all_first: bool = True,
) -> Plan:
    """Order the attackable words of each caption by importance, and embed the first's substitutes.

    Importance of a word: `kl(e(caption), e(caption without the word))`; with `mask` the word is
    replaced by those ids instead (released code: the literal text "[UNK]").

    Args:
        embed_fn: see `Embed`; -> embeddings [n, embed], float32.
        words: the captions as words with substitutes, any leading axes.
        tokens: the clean captions, the same leading axes.
        text_format: how the victim frames a caption.
        mask: ids put in the place of the word; none of them leaves the word out.
        importance: `(reference, embedding without the word) -> [...]` in the place of `kl`.
        reference: one vector a caption; None takes the clean embedding.
        all_first: embed the substitutes of the first word; not needed with a shortlist.
    """
    lead = words.lengths.shape[:-1]
    words, tokens = _flat(_widen(words, len(mask)), len(lead)), _flat(tokens, len(lead))
    clean = embed_fn(tokens, None)
    anchor = clean if reference is None else _flat(reference, len(lead))
    may_change = jnp.any(words.substitute_lengths > 0, axis=-1)
    attackable = jnp.sum(may_change, axis=-1, dtype=jnp.int32)
    filler = jnp.zeros(words.parts.shape[-1], words.parts.dtype)
    filler = filler.at[: len(mask)].set(jnp.asarray(mask, words.parts.dtype))
    captions, slots = may_change.shape
    # Of all captions the words that may change, and first those after which most of their caption
    # follows: where beginnings are encoded once, what is encoded together should be of one length.
    rest = jnp.cumsum(words.lengths[:, ::-1], axis=-1)[:, ::-1]
    places = jnp.argsort(jnp.where(may_change, -rest, 1).reshape(-1))
    each = max(-(-captions // 4), min(captions, FEWEST))
    places = jnp.pad(places, (0, each))  # the last round may reach beyond them

    def score(index: Array, found: Array) -> Array:
        """The next words, so many `each` time."""
        here = jax.lax.dynamic_slice_in_dim(places, index * each, each)
        number, (row, slot) = jnp.arange(each), jnp.divmod(here, slots)
        parts = words.parts[row].at[number, slot].set(filler)
        lengths = words.lengths[row].at[number, slot].set(len(mask))
        change = importance(anchor[row], embed_fn(compose(parts, lengths, text_format), row))
        there = index * each + number < jnp.sum(attackable)
        return found.at[jnp.where(there, row, captions), slot].set(change, mode="drop")

    found = jnp.full(may_change.shape, -jnp.inf)
    with jax.named_scope(f"at_most_{-(-captions * slots // each)}_turns"):  # for who plans a run
        found = jax.lax.fori_loop(0, -(-jnp.sum(attackable) // each), score, found)
    order = jnp.argsort(-found, axis=-1).astype(jnp.int32)
    first = embed_substitutes(embed_fn, words, order[:, 0], text_format) if all_first else None
    return _unflat(Plan(clean, order, attackable, first), lead)


def shuffled_plan(
    embed_fn: Embed,
    words: Words,
    tokens: Tokens,
    keys: Key[Array, " batch"],
    *,
    text_format: TextFormat,
) -> Plan:
    """The attackable words of each caption in random order: no word is left out for a score.

    Args:
        embed_fn: see `Embed`; -> embeddings [n, embed], float32.
        words: the captions as words with substitutes, the leading axes [batch] or
            [batch, captions].
        tokens: the clean captions, the same leading axes.
        keys: of each example; its captions are shuffled apart.
        text_format: how the victim frames a caption.
    """
    lead = words.lengths.shape[:-1]
    may_change = jnp.any(words.substitute_lengths > 0, axis=-1)
    drawn = jax.vmap(lambda key: jax.random.uniform(key, may_change.shape[1:]))(keys)
    order = jnp.argsort(jnp.where(may_change, drawn, jnp.inf), axis=-1).astype(jnp.int32)
    attackable = jnp.sum(may_change, axis=-1, dtype=jnp.int32)
    words, tokens, first = _flat((words, tokens, order[..., 0]), len(lead))
    clean = embed_fn(tokens, None).reshape(*lead, -1)
    units = embed_substitutes(embed_fn, words, first, text_format)
    return Plan(clean, order, attackable, units.reshape(*lead, *units.shape[1:]))


def substitute(
    embed_fn: Embed,
    words: Words,
    tokens: Tokens,
    objective: Objective,
    reference: Float[Array, "*lead reference"],
    plan: Plan,
    *,
    text_format: TextFormat,
    budget: int = 1,
    shortlist: Shortlist | None = None,
) -> Substituted:
    """Maximise `objective(reference, e(caption'))` over captions with at most `budget` changes.

    Greedy, in the order of the plan: at each word the caption as it stands and its substitutes
    are compared (on a tie the caption stands); after `budget` changes, or when no attackable word
    is left, the caption is finished. Substitutes of later words are scored within the caption
    already changed.

    Args:
        embed_fn: see `Embed`; -> embeddings [n, embed], float32.
        words: the captions as words with substitutes, any leading axes.
        tokens: the clean captions; a caption that is not changed keeps them.
        objective: `(reference [..., reference], units [..., embed]) -> [...]`, maximised.
        reference: what the objective compares with, one vector a caption.
        plan: from `plan`, for the same captions.
        text_format: how the victim frames a caption.
        budget: words that may change, 0 for none.
        shortlist: which substitutes of a word are encoded and compared; None for all of them.
    """
    lead = words.lengths.shape[:-1]
    words, tokens = _flat(words, len(lead)), _flat(tokens, len(lead))
    reference, plan = _flat(reference, len(lead)), _flat(plan, len(lead))
    captions = words.lengths.shape[0]
    # Most captions are finished after one word. The others are gathered into smaller rounds.
    chunk = max(1, -(-captions // 4))

    def finished(state: _Walk) -> Bool[Array, " captions"]:
        return (state.changed >= budget) | (state.position >= plan.attackable)

    def visit(state: _Walk, row: Array, index: Array, features: Array) -> _Walk:
        """Decide the next word of the captions `row`, given the embeddings of substitutes."""
        slot = plan.order[row, jnp.minimum(state.position[row], plan.order.shape[1] - 1)]
        lengths = words.substitute_lengths[row[:, None], slot[:, None], index]
        own = jnp.broadcast_to(reference[row][:, None], (*features.shape[:2], reference.shape[-1]))
        values = objective(own, features)
        values = jnp.where(lengths > 0, values, -jnp.inf)
        each, best = jnp.arange(row.shape[0]), jnp.argmax(values, axis=-1)
        pick = index[each, best].astype(jnp.int32)
        going = ~finished(state)[row]
        change = going & (values[each, best] > state.value[row])

        def put(array: Array, index: tuple, new: Array) -> Array:
            old = array[index]
            kept = change.reshape(change.shape + (1,) * (old.ndim - 1))
            return array.at[index].set(jnp.where(kept, new, old))

        return _Walk(
            position=state.position.at[row].add(going.astype(jnp.int32)),
            changed=state.changed.at[row].add(change.astype(jnp.int32)),
            parts=put(state.parts, (row, slot), words.substitutes[row, slot, pick]),
            lengths=put(state.lengths, (row, slot), lengths[each, best]),
            choice=put(state.choice, (row, slot), pick),
            unit=put(state.unit, (row,), features[each, best]),
            value=put(state.value, (row,), values[each, best]),
        )

    def advance(state: _Walk, row: Array | None = None) -> _Walk:
        """Visit one more word of the captions `row`, or of a chunk of those not finished."""
        row = jnp.argsort(finished(state))[:chunk] if row is None else row
        slot = plan.order[row, jnp.minimum(state.position[row], plan.order.shape[1] - 1)]
        here = Words(
            state.parts[row], state.lengths[row], words.substitutes[row],
            words.substitute_lengths[row],
        )  # fmt: skip
        index = jnp.broadcast_to(every, (row.shape[0], every.shape[0]))
        if shortlist is not None:
            index = shortlist(here, slot, row)
            here = _chosen(here, index, slot)
        return visit(state, row, index, embed_substitutes(embed_fn, here, slot, text_format, row))

    every = jnp.arange(words.substitutes.shape[2])
    zeros = jnp.zeros(captions, jnp.int32)
    state = _Walk(
        position=zeros,
        changed=zeros,
        parts=words.parts,
        lengths=words.lengths,
        choice=jnp.full(words.lengths.shape, -1, jnp.int32),
        unit=plan.clean,
        value=objective(reference, plan.clean),
    )
    if plan.first is None:
        state = advance(state, jnp.arange(captions))
    else:
        index = jnp.broadcast_to(every, (captions, every.shape[0]))
        state = visit(state, jnp.arange(captions), index, plan.first)
    state = jax.lax.while_loop(lambda state: ~jnp.all(finished(state)), advance, state)
    composed = compose(state.parts, state.lengths, text_format)
    touched = (state.changed > 0)[:, None]
    adversarial = Tokens(
        jnp.where(touched, composed.ids, tokens.ids), jnp.where(touched, composed.mask, tokens.mask)
    )
    found = Substituted(adversarial, state.choice, state.unit, state.changed, state.position)
    return _unflat(found, lead)


class _Walk(NamedTuple):
    position: Array  # words visited so far
    changed: Array
    parts: Array
    lengths: Array
    choice: Array
    unit: Array
    value: Array


def embed_substitutes(
    embed_fn: Embed,
    words: Words,
    slot: Int[Array, " captions"],
    text_format: TextFormat,
    row: Int[Array, " captions"] | None = None,
) -> Float[Array, "captions candidates embed"]:
    """Embed each caption with its word `slot` replaced by each of the word's substitutes."""
    captions, candidates = words.substitutes.shape[0], words.substitutes.shape[2]
    rows = jnp.arange(captions)
    parts = jnp.repeat(words.parts[:, None], candidates, axis=1)
    parts = parts.at[rows, :, slot].set(words.substitutes[rows, slot])
    lengths = jnp.repeat(words.lengths[:, None], candidates, axis=1)
    lengths = lengths.at[rows, :, slot].set(words.substitute_lengths[rows, slot])
    tokens = _flat(compose(parts, lengths, text_format), 2)
    return embed_fn(tokens, row).reshape(captions, candidates, -1)


def _chosen(
    words: Words, index: Int[Array, "captions few"], slot: Int[Array, " captions"]
) -> Words:
    """The words with only the substitutes `index` at the word `slot`, and any at the others."""
    rows, few = jnp.arange(index.shape[0]), index.shape[1]
    parts, lengths = words.substitutes, words.substitute_lengths
    return words._replace(
        substitutes=parts[:, :, :few]
        .at[rows, slot]
        .set(parts[rows[:, None], slot[:, None], index]),
        substitute_lengths=lengths[:, :, :few]
        .at[rows, slot]
        .set(lengths[rows[:, None], slot[:, None], index]),
    )


def _widen(words: Words, parts: int) -> Words:
    """Room for `parts` ids in every word."""
    more = max(0, parts - words.parts.shape[-1])
    if not more:
        return words
    wide = [(0, 0)] * (words.parts.ndim - 1) + [(0, more)]
    return words._replace(
        parts=jnp.pad(words.parts, wide),
        substitutes=jnp.pad(words.substitutes, [(0, 0), *wide]),
    )


def _flat(tree, axes: int):
    """Join the first `axes` axes of every array."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[axes:]), tree)


def _unflat(tree, lead: tuple[int, ...]):
    return jax.tree.map(lambda x: x.reshape(*lead, *x.shape[1:]), tree)
