"""How an attack sees a model: unit embeddings in float32, and a batch not yet attacked."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mat_jax.types.arrays import Adversarial, Batch, Tokens, unit
from mat_jax.types.protocols import EmbedsWords, EncodesImages, EncodesPairs, SharesPrefixes
from mat_jax.utils.devices import FSDP, TENSOR, split_over

# `embed(tokens [n, length], captions [groups] or None)`: the same number of texts for each of these
# captions, in their order; None is all of them. Where no image is read, it does not matter whose.
Embed = Callable[[Tokens, Array | None], Array]


def embed_images(
    model: EncodesImages, images: Float[Array, "batch height width 3"]
) -> Float[Array, "batch embed"]:
    """Image embeddings on the unit sphere, in float32 whatever the model computes in."""
    return unit(model.encode_image(images).embed.astype(jnp.float32))


def embed_texts(
    model: EncodesPairs, tokens: Tokens, shift: Float[Array, "captions length width"] | None = None
) -> Float[Array, "*lead embed"]:
    """Text embeddings on the unit sphere, in float32. Any leading axes.

    `shift` is added to what the tokens' ids are embedded as, and needs a model that takes it.
    """
    lead = tokens.ids.shape[:-1]
    flat = Tokens(*(x.reshape(-1, x.shape[-1]) for x in tokens))
    features = model.encode_text(flat) if shift is None else model.encode_text(flat, shift)
    embed = features.embed.astype(jnp.float32)
    return unit(embed).reshape(*lead, embed.shape[-1])


def embed_variants(model: EncodesPairs, tokens: Tokens) -> Embed:
    """Embeds texts that are like these captions up to some place, as `embed_texts` does.

    Where the model can, the common beginning of a caption and its variants is encoded once.
    """
    # Where heads or weights lie on several devices, they are asked for layer by layer.
    if not isinstance(model, SharesPrefixes) or split_over(FSDP, TENSOR):
        return lambda tokens, captions: embed_texts(model, tokens)
    flat = jax.tree.map(lambda x: x.reshape(-1, x.shape[-1]), tokens)
    kept = model.prefixes(flat)

    def embed(tokens: Tokens, captions: Array | None) -> Array:
        own = kept if captions is None else jax.tree.map(lambda x: x[captions], kept)
        count, length = len(jax.tree.leaves(own)[0]), tokens.ids.shape[-1]
        apart = jax.tree.map(lambda x: x.reshape(count, -1, length), tokens)
        found = model.encode_variants(own, apart).astype(jnp.float32)
        return unit(found.reshape(-1, found.shape[-1]))

    return embed


def word_embeddings(model: EncodesPairs) -> Float[Array, "vocabulary width"]:
    """What each id is embedded as, in float32, without a gradient.

    Raises:
        TypeError: the model does not show its word embeddings.
    """
    if not isinstance(model, EmbedsWords):
        raise TypeError(
            f"{type(model).__name__} does not show its word embeddings as `text.tok`, by which "
            "substitutes are chosen here: take another search, 'important' for example"
        )
    return jax.lax.stop_gradient(model.text.tok[...].astype(jnp.float32))


def unchanged(batch: Batch) -> Adversarial:
    """The batch as the result of an attack that did nothing."""
    if batch.words is None:
        return Adversarial(batch.images, batch.tokens, None, {})
    choice = jnp.full(batch.words.lengths.shape, -1, jnp.int32)
    attackable = jnp.any(batch.words.substitute_lengths > 0, axis=-1)
    stats = {
        "attackable": jnp.sum(attackable, axis=-1, dtype=jnp.int32),
        "changed": jnp.zeros(batch.present.shape, jnp.int32),
    }
    return Adversarial(batch.images, batch.tokens, choice, stats)
