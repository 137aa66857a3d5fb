"""BERT-Attack on the captions, alone or beside PGD on the images (Sep-Attack)."""

import jax.numpy as jnp
from jaxtyping import Array, Key

from mat_jax.attacks.embeddings import Embed, embed_variants, unchanged
from mat_jax.attacks.images import pgd_attack
from mat_jax.attacks.states import compared_texts, compares_states
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.attacks.words.gradient_shortlist import shortlist
from mat_jax.attacks.words.substitution import (
    Objective,
    Plan,
    Substituted,
    kl,
    plan,
    substitute,
)
from mat_jax.data.substitutes.proposals import COMBINATIONS
from mat_jax.types.arrays import Adversarial, Batch, Tokens, Words
from mat_jax.types.protocols import EncodesPairs


def bert_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    exact: int | None = None,
) -> Adversarial:
    """Maximise `KL(softmax(e) || softmax(e'))` between clean and adversarial caption embeddings.

    At most `threat.words` words a caption, chosen as in `substitute` (Li et al. 2020, as used
    by Co-Attack). No image is used or changed, and no randomness. `official`: of a model that
    fuses, e is the raw state of the text tower's first token (`states`).

    Args:
        exact: the fast mode: so many substitutes of a word are encoded, those that the gradient
            promises most of (`words.gradient_shortlist`); None encodes all.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    require_preset(preset)
    words = attackable_words(batch, threat, preset)
    prepared, found = changed_captions(model, batch, words, threat, preset, exact=exact)
    return with_captions(unchanged(batch), batch, words, prepared, found, exact=exact)


def changed_captions(
    model: EncodesPairs,
    batch: Batch,
    words: Words,
    threat: ThreatModel,
    preset: Preset,
    *,
    exact: int | None = None,
    projected: bool = False,
) -> tuple[Plan, Substituted]:
    """BERT-Attack's walk over the captions, away from what they were; see `bert_attack`.

    Unit embeddings are compared under `official` too where `projected` says so. They are with
    `exact`, because the fast mode's gradient is of those.
    """
    compared = "strict" if projected or exact is not None else preset
    embed = None
    if compares_states(model, compared):

        def embed(tokens: Tokens, captions: Array | None) -> Array:
            return compared_texts(model, tokens, compared)

    prepared = plan_captions(model, batch, words, preset, embed_fn=embed, exact=exact)
    found = attack_captions(
        model, batch, words, threat, prepared, kl, prepared.clean, embed_fn=embed, exact=exact
    )
    return prepared, found


def sep_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Sep-Attack: `pgd_attack` on the images and `bert_attack` on the captions, independently."""
    image = pgd_attack(model, batch, key, threat=threat, preset=preset)
    text = bert_attack(model, batch, key, threat=threat, preset=preset)
    return text._replace(images=image.images, stats={**image.stats, **text.stats})


def attackable_words(batch: Batch, threat: ThreatModel, preset: Preset = "strict") -> Words:
    """The words of the batch with at most `threat.candidates` substitutes each.

    `official`: at most 24 where that is more, for the released programs count by kind of word. A
    table of the official alignment holds `candidates` for a word of one piece and up to 24 for one
    of several, so it must be built with the threat's `candidates`.
    """
    if batch.words is None:
        raise ValueError(
            "this attack changes words but the batch carries none: prepare the corpus with a "
            "word table from data.build_words"
        )
    most = max(threat.candidates, COMBINATIONS) if preset == "official" else threat.candidates
    return batch.words._replace(
        substitutes=batch.words.substitutes[..., :most, :],
        substitute_lengths=batch.words.substitute_lengths[..., :most],
    )


def plan_captions(
    model: EncodesPairs,
    batch: Batch,
    words: Words,
    preset: Preset,
    *,
    embed_fn: Embed | None = None,
    importance: Objective = kl,
    reference: Array | None = None,
    exact: int | None = None,
) -> Plan:
    """Importance of the words, and the substitutes of the first: once for all passes.

    Args:
        embed_fn: what is compared of a caption; None is its embedding.
        importance, reference: see `plan`.
        exact: substitutes encoded of a word if not all, see `words.gradient_shortlist`.
    """
    if preset == "official" and not model.text_format.mask:
        raise ValueError(
            "preset 'official' replaces words by [UNK], whose ids this model's text_format lacks: "
            "give the model the text_format of its tokenizer"
        )
    return plan(
        embed_fn or embed_variants(model, batch.tokens),
        words,
        batch.tokens,
        text_format=model.text_format,
        mask=model.text_format.mask if preset == "official" else (),
        importance=importance,
        reference=reference,
        all_first=exact is None,
    )


def attack_captions(
    model: EncodesPairs,
    batch: Batch,
    words: Words,
    threat: ThreatModel,
    prepared: Plan,
    objective,
    reference: Array,
    *,
    embed_fn: Embed | None = None,
    exact: int | None = None,
) -> Substituted:
    """`substitute` with the settings of the threat; the rest as for `plan_captions`."""
    few = None if exact is None else shortlist(model, objective, reference, exact)
    return substitute(
        embed_fn or embed_variants(model, batch.tokens),
        words,
        batch.tokens,
        objective,
        reference,
        prepared,
        text_format=model.text_format,
        budget=threat.words,
        shortlist=few,
    )


def with_captions(
    result: Adversarial,
    batch: Batch,
    words: Words,
    prepared: Plan,
    found: Substituted,
    *earlier: Substituted,
    exact: int | None = None,
) -> Adversarial:
    """Put attacked captions into a result, with the passes they cost in the stats.

    `text_forwards` counts the useful encodings of a caption: itself, once without each attackable
    word, and the substitutes of the words visited. The first word's are shared by all passes.
    With `exact`, each word visited costs a gradient (`text_backwards`) and few substitutes.
    """
    substitutes = jnp.sum(words.substitute_lengths > 0, axis=-1, dtype=jnp.int32)
    tried = jnp.take_along_axis(substitutes, prepared.order, axis=-1)
    place = jnp.broadcast_to(jnp.arange(tried.shape[-1]), tried.shape)
    forwards = batch.present.astype(jnp.int32) + prepared.attackable
    if exact is None:
        forwards += tried[..., 0]
    else:
        tried = jnp.minimum(tried, exact) + 1
    for one in (found, *earlier):
        later = (place >= int(exact is None)) & (place < one.visited[..., None])
        forwards += jnp.sum(jnp.where(later, tried, 0), axis=-1)
    stats = {
        "attackable": prepared.attackable,
        "changed": found.changed,
        "visited": found.visited,
        "text_forwards": forwards,
    }
    if exact is not None:
        gradients = [one.visited for one in (found, *earlier)]
        stats["text_backwards"] = jnp.sum(jnp.stack(gradients), axis=0)
    return result._replace(
        tokens=found.tokens, choice=found.choice, stats={**result.stats, **stats}
    )
