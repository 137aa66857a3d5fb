"""The matching loss: does this text belong to this image, or to one much like it?"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mat_jax.types.arrays import ImageFeatures, TextFeatures
from mat_jax.types.protocols import MatchesPairs


def matching_loss(
    model: MatchesPairs,
    image: ImageFeatures,
    text: TextFeatures,
    key: PRNGKeyArray,
    ids: Int[Array, " batch"],
) -> Float[Array, " batch"]:
    r"""Image-text matching (ITM) with hard negatives, one value a pair, in nats.

    With $m$ the two logits of `model.match_logits`, CE the cross-entropy, $j$ a text drawn for
    image $i$ and $k$ an image drawn for text $i$,

    $$L_i = \tfrac13 [\mathrm{CE}(m(x_i, t_i), 1) + \mathrm{CE}(m(x_i, t_j), 0)
            + \mathrm{CE}(m(x_k, t_i), 0)]$$

    Negatives are drawn from the batch with probability $\propto e^{s_{ij}}$, the similarities of
    the contrastive loss, so that the likeliest mistakes are met most often (ALBEF, Li et al. 2021,
    section 3.2; BLIP keeps it). No pair of one image with itself is a negative; an image that is
    alone in its batch has none, and only its first term counts.

    Args:
        model: has `fuse`, `image_keys`, `match_logits` and `scale`.
        image: features of the batch's images.
        text: features of their texts, in the same order.
        key: of the negatives.
        ids: image ids.
    """
    other = ids[:, None] != ids[None, :]
    similarity = jax.lax.stop_gradient(model.scale * (image.unit @ text.unit.T))
    first, second = jax.random.split(key)
    texts, images = draw(first, similarity, other), draw(second, similarity.T, other)
    keys = model.image_keys(image)
    # Both texts of an image beside each other: what they read of it is computed once.
    pair = jax.tree.map(lambda x: jnp.stack([x, x[texts]], 1).reshape(-1, *x.shape[1:]), text)
    own, wrong_text = jnp.unstack(
        model.match_logits(model.fuse(image, pair, keys)).reshape(len(ids), 2, 2), axis=1
    )
    taken = jax.tree.map(lambda x: x[images], (image, keys))
    wrong_image = model.match_logits(model.fuse(taken[0], text, taken[1]))
    negatives = cross_entropy(wrong_text, 0) + cross_entropy(wrong_image, 0)
    return (cross_entropy(own, 1) + jnp.where(jnp.any(other, axis=1), negatives, 0)) / 3


def draw(
    key: PRNGKeyArray,
    similarity: Float[Array, "rows columns"],
    allowed: Bool[Array, "rows columns"],
) -> Int[Array, " rows"]:
    """A column for each row, with probability proportional to exp(similarity), if allowed."""
    floor = jnp.finfo(similarity.dtype).min
    return jax.random.categorical(key, jnp.where(allowed, similarity, floor), axis=1)


def cross_entropy(logits: Float[Array, "batch 2"], match: int) -> Float[Array, " batch"]:
    """-log p of "belong together" (1) or "do not" (0)."""
    labels = jnp.full(len(logits), match)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)
