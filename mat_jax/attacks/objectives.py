"""What attacks on images maximise, one value an image.

Of embeddings: `kl`, `away` (minus the cosine), `squared_distance` and the batch's `info_nce`.
Of logits, for class prompts and for the texts of a gallery alike: `cross_entropy`, `margin`, `dlr`
and `dlr_targeted`, where `positive` [batch, classes] says which classes are right, at least one of
each image and not all; `is_class(labels, classes)` makes it of class labels. Of fused tokens:
`mismatch`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mat_jax.attacks.words.substitution import away as away
from mat_jax.attacks.words.substitution import kl as kl
from mat_jax.types.arrays import ImageFeatures, TextFeatures, unit
from mat_jax.types.protocols import MatchesPairs

Logits = Float[Array, "batch classes"]
Positive = Bool[Array, "batch classes"]
Values = Float[Array, " batch"]

TINY = 1e-12


def squared_distance(
    embed: Float[Array, "*lead embed"], target: Float[Array, "*lead embed"]
) -> Float[Array, "*lead"]:
    """Squared Euclidean distance, summed over the embedding (FARE, arXiv:2402.12336, eq. 3)."""
    return jnp.sum(jnp.square(embed - target), axis=-1)


def info_nce(
    image_embed: Float[Array, "batch embed"],
    text_embed: Float[Array, "batch embed"],
    scale: Float[Array, ""],
    ids: Int[Array, " batch"] | None = None,
) -> Float[Array, " batch"]:
    r"""Symmetric InfoNCE of the pairs on the diagonal, one value a pair, in nats.

    With $s_{ij} = \text{scale} \cdot \cos(f_i, g_j)$,

    $$L_i = -\tfrac12 \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}
            -\tfrac12 \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}$$

    (CLIP, Radford et al. 2021, figure 3). Under `jit` on a mesh the sums run over all devices'
    examples: the arrays are global, and XLA gathers them.

    Args:
        image_embed: projected image vectors, any length; normalised here.
        text_embed: projected text vectors, any length; normalised here.
        scale: exp(logit_scale), the inverse temperature.
        ids: image ids; the same image drawn twice in a batch is then no negative of itself
            (our choice: two captions of one image both describe it). None: every other pair is
            a negative, as CLIP has it.
    """
    logits = scale * (unit(image_embed) @ unit(text_embed).T)
    if ids is not None:
        other = (ids[:, None] == ids[None, :]) & ~jnp.eye(len(ids), dtype=bool)
        logits = jnp.where(other, jnp.asarray(-jnp.inf, logits.dtype), logits)
    diagonal = jnp.diagonal(logits)
    image_to_text = jax.nn.logsumexp(logits, axis=1) - diagonal
    text_to_image = jax.nn.logsumexp(logits, axis=0) - diagonal
    return 0.5 * (image_to_text + text_to_image)


def cross_entropy(logits: Logits, positive: Positive) -> Values:
    r"""$\log \sum_i e^{z_i} - \log \sum_{i \in P} e^{z_i}$, in nats.

    With one positive the cross-entropy of a class, TeCoA's objective; with the logits of a gallery
    the InfoNCE of an image with all its captions. Logits carry the model's scale.
    """
    return jax.nn.logsumexp(logits, axis=-1) - jax.nn.logsumexp(_only(logits, positive), axis=-1)


def margin(logits: Logits, positive: Positive) -> Values:
    r"""$\max_{i \notin P} z_i - \max_{i \in P} z_i$: above 0 where the first place is lost.

    Of a gallery's texts: above 0 where an image retrieves none of its captions at rank 1.
    """
    return _top(logits, ~positive) - _top(logits, positive)


def dlr(logits: Logits, positive: Positive) -> Values:
    r"""Difference of logits ratio, which neither shift nor scale of the logits changes:

    $$\frac{\max_{i \notin P} z_i - \max_{i \in P} z_i}{z_{(1)} - z_{(|P|+2)}}$$

    with $z_{(k)}$ the k-th largest logit. For one positive it is the DLR of Croce & Hein (2020,
    equation 6), whose scale is $z_{(1)} - z_{(3)}$. For several (our definition) the scale reaches
    down to the second negative of a picture whose captions all lead, so that the value of a
    picture that holds the first place is in [-1, 0] however many captions it has. At least
    |P| + 2 classes.
    """
    ranked = jnp.sort(logits, axis=-1)[:, ::-1]
    scale = ranked[:, 0] - _ranked(ranked, positive, 2)
    return margin(logits, positive) / (scale + TINY)


def dlr_targeted(logits: Logits, positive: Positive, target: Int[Array, " batch"]) -> Values:
    r"""`dlr` towards one wrong class t, for which there must be |P| + 3 classes:

    $$\frac{z_t - \max_{i \in P} z_i}{z_{(1)} - (z_{(|P|+2)} + z_{(|P|+3)}) / 2}$$

    (Croce & Hein 2020, equation 7, where |P| is 1).
    """
    ranked = jnp.sort(logits, axis=-1)[:, ::-1]
    low = 0.5 * (_ranked(ranked, positive, 2) + _ranked(ranked, positive, 3))
    goal = jnp.take_along_axis(logits, target[:, None], axis=-1)[:, 0]
    return (goal - _top(logits, positive)) / (ranked[:, 0] - low + TINY)


def mismatch(
    model: MatchesPairs,
    image: ImageFeatures,
    text: TextFeatures,
    present: Bool[Array, "batch captions"],
) -> Values:
    """How sure a fusion model is that images and captions do not belong together.

    The mean over an image's captions of the logit of "do not match" minus that of "match". What
    ALBEF, TCL and BLIP rank by is the fused score, which attacks on embeddings alone leave out.

    Args:
        model: with `fuse` and `match_logits`.
        image: features of [batch] images.
        text: features of [batch * captions] texts, those of the first image first.
        present: which captions are real.
    """
    logits = model.match_logits(model.fuse(image, text)).astype(jnp.float32)
    values = (logits[:, 0] - logits[:, 1]).reshape(present.shape)
    weights = present.astype(jnp.float32)
    return jnp.sum(weights * values, axis=-1) / jnp.maximum(jnp.sum(weights, axis=-1), 1.0)


def is_class(labels: Int[Array, " batch"], classes: int) -> Positive:
    """The one right class of each image, as `positive`."""
    return jax.nn.one_hot(labels, classes, dtype=bool)


def runners_up(logits: Logits, positive: Positive, count: int) -> Int[Array, "count batch"]:
    """The `count` wrong classes of largest logit, the largest first."""
    return jax.lax.top_k(_only(logits, ~positive), count)[1].T


def _only(logits: Array, chosen: Array) -> Array:
    return jnp.where(chosen, logits, jnp.asarray(-jnp.inf, logits.dtype))


def _top(logits: Array, chosen: Array) -> Array:
    return jnp.max(_only(logits, chosen), axis=-1)


def _ranked(ranked: Array, positive: Array, further: int) -> Array:
    """The logit of rank |P| + `further`, or the last."""
    place = jnp.sum(positive, axis=-1, dtype=jnp.int32) + (further - 1)
    place = jnp.minimum(place, ranked.shape[-1] - 1)
    return jnp.take_along_axis(ranked, place[:, None], axis=-1)[:, 0]
