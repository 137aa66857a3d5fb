"""Contrastive losses over a batch that devices share, and figures to watch.

With one right answer it is CLIP's loss, `attacks.objectives.info_nce`: PGD climbs it too. Or it is
SigLIP's, `Sigmoid`, which looks at each pair by itself.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from mat_jax.attacks.objectives import info_nce
from mat_jax.types.arrays import Batch, unit
from mat_jax.utils.devices import BATCH, parts, split_over

T = TypeVar("T")


class Everyone(NamedTuple):
    """The texts of the whole batch on every device, gathered before a loop that asks for them."""

    texts: Float[Array, "batch embed"]  # on the unit sphere
    ids: Int[Array, " batch"]


def everyone(text_embed: Float[Array, "batch embed"], ids: Int[Array, " batch"]) -> Everyone:
    """Gather the texts of a batch."""
    axes, mine = _shared(len(ids)), Everyone(unit(text_embed), ids)
    if not axes:
        return mine
    return _apart(partial(_gather, axes=axes), axes, (PartitionSpec(axes),), PartitionSpec())(mine)


# `contrast(image_embed, text_embed, scale, ids, known)`: a loss of pairs that devices share, one
# value a pair [batch], in nats; `info_nce_of_devices` or a `Sigmoid`.
Contrast = Callable[[Array, Array, Array, Array, Everyone | None], Array]


def info_nce_of_devices(
    image_embed: Float[Array, "batch embed"],
    text_embed: Float[Array, "batch embed"],
    scale: Float[Array, ""],
    ids: Int[Array, " batch"],
    known: Everyone | None = None,
) -> Float[Array, " batch"]:
    """`info_nce` where devices share the batch: each has the rows and the columns of its pairs.

    All images and all texts are gathered on every device, and the gradients by them are added up
    where they came from. Logits stay where they are. On one device it is `info_nce` itself.

    Args:
        image_embed, text_embed, scale, ids: as `info_nce` has them.
        known: the batch's texts, where they have been gathered already; they get no gradient.
    """
    axes = _shared(len(ids))
    if not axes:
        return info_nce(image_embed, text_embed, scale, ids)

    def part(image: Array, text: Array, scale: Array, ids: Array, known: Everyone | None) -> Array:
        if known is None:
            known = _gather(Everyone(text, ids), axes)
        images = _gather(image, axes)
        own = jax.lax.axis_index(axes) * len(ids) + jnp.arange(len(ids))
        other = ids[:, None] == known.ids[None, :]
        other &= own[:, None] != jnp.arange(len(images))[None, :]

        def surprise(mine: Array, all_others: Array) -> Array:
            logits = scale * (mine @ all_others.T)
            logits = jnp.where(other, jnp.asarray(-jnp.inf, logits.dtype), logits)
            right = jnp.take_along_axis(logits, own[:, None], axis=1)[:, 0]
            return jax.nn.logsumexp(logits, axis=1) - right

        return 0.5 * (surprise(image, known.texts) + surprise(text, images))

    split, whole = PartitionSpec(axes), PartitionSpec()
    surprises = _apart(part, axes, (split, split, whole, split, whole))
    return surprises(unit(image_embed), unit(text_embed), scale, ids, known)


@dataclass(frozen=True)
class Sigmoid:
    r"""SigLIP's loss (Zhai et al. 2023, arXiv:2303.15343, equation 1): is this pair a pair?

    With $s_{ij} = \text{scale} \cdot \cos(f_i, g_j)$, and $z_{ij} = 1$ for $i = j$, else $-1$,

    $$L_i = -\sum_j \log \frac{1}{1 + e^{-z_{ij} (s_{ij} + b)}}$$

    in nats; its mean over the batch is the paper's. No sum runs over all pairs, so devices that
    share a batch exchange its texts, and nothing else. Another pair of the same image is left out,
    as in `info_nce` (our choice).

    The paper learns $b$ from -10 on, and its scale from 10 on. Here $b$ stays, because the files of
    a CLIP have no place for it, and the scale begins as CLIP's does (our choices). A pair is then
    told from others at a cosine of `-bias` / scale, which the scale learns.

    Args:
        bias: b.

    Raises:
        ValueError: a bias that is not a finite number.
    """

    bias: float = -10.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.bias):
            raise ValueError(f"bias {self.bias} is no finite number: -10 is SigLIP's")

    def __call__(
        self,
        image_embed: Float[Array, "batch embed"],
        text_embed: Float[Array, "batch embed"],
        scale: Float[Array, ""],
        ids: Int[Array, " batch"],
        known: Everyone | None = None,
    ) -> Float[Array, " batch"]:
        """The loss of each pair; arguments are those of `info_nce_of_devices`."""
        axes = _shared(len(ids))

        def part(
            image: Array, text: Array, scale: Array, ids: Array, known: Everyone | None
        ) -> Array:
            if known is None:
                known = _gather(Everyone(text, ids), axes)
            first = jax.lax.axis_index(axes) * len(ids) if axes else 0
            paired = (first + jnp.arange(len(ids)))[:, None] == jnp.arange(len(known.ids))[None, :]
            logits = scale * (image @ known.texts.T) + jnp.asarray(self.bias, image.dtype)
            surprises = jax.nn.softplus(jnp.where(paired, -logits, logits))
            twins = (ids[:, None] == known.ids[None, :]) & ~paired
            return jnp.sum(jnp.where(twins, 0, surprises), axis=1)

        given = unit(image_embed), unit(text_embed), scale, ids, known
        if not axes:
            return part(*given)
        split, whole = PartitionSpec(axes), PartitionSpec()
        return _apart(part, axes, (split, split, whole, split, whole))(*given)


def _shared(size: int) -> tuple[str, ...]:
    """The axes over which devices share a batch of so many; none where it does not divide."""
    axes = split_over(*BATCH)
    return () if size % parts(*axes) else axes


def _gather(tree: T, axes: tuple[str, ...]) -> T:
    """The parts of all devices, in each of them."""
    if not axes:
        return tree
    return jax.tree.map(lambda x: jax.lax.all_gather(x, axes, tiled=True), tree)


def _apart(
    function: Callable[..., T],
    axes: tuple[str, ...],
    given: tuple[PartitionSpec, ...],
    made: PartitionSpec | None = None,
) -> Callable[..., T]:
    """`function` on each device's part of the batch."""
    return jax.shard_map(
        function,
        in_specs=given,
        out_specs=PartitionSpec(axes) if made is None else made,
        axis_names=set(axes),
        check_vma=False,
    )


def multi_positive(
    logits: Float[Array, "rows columns"], positive: Bool[Array, "rows columns"]
) -> Float[Array, " rows"]:
    r"""InfoNCE where a row may have several right columns, one value a row, in nats.

    With $P_i$ the right columns of row i, of which there is one at least, and $N_i$ all others,

    $$L_i = \frac{1}{|P_i|} \sum_{p \in P_i}
            -\log \frac{e^{s_{ip}}}{e^{s_{ip}} + \sum_{n \in N_i} e^{s_{in}}}$$

    It is the mean over right columns of SupCon (Khosla et al. 2020, equation 2), but the other
    right columns are left out of the sum below: they are no negatives (our choice, as in
    `info_nce`). With one right column a row it is InfoNCE in one direction.
    """
    # Not -inf: a row without negatives must not give nan.
    floor = jnp.asarray(jnp.finfo(logits.dtype).min / 4, logits.dtype)
    below = jax.nn.logsumexp(jnp.where(positive, floor, logits), axis=1, keepdims=True)
    each = jnp.where(positive, jax.nn.softplus(below - logits), 0)
    return jnp.sum(each, axis=1) / jnp.sum(positive, axis=1, dtype=logits.dtype)


def many_to_many(
    image_embed: Float[Array, "batch pictures embed"],
    text_embed: Float[Array, "batch captions embed"],
    scale: Float[Array, ""],
    ids: Int[Array, " batch"],
) -> Float[Array, " batch"]:
    r"""`multi_positive` in both directions between all pictures and all texts, in nats.

    With $V$ pictures and $M$ texts an example,

    $$L_i = \tfrac12 \frac1V \sum_n L_{x_{in} \to t} + \tfrac12 \frac1M \sum_m L_{t_{im} \to x}$$

    All texts of an example are right for each of its pictures, and all its pictures for each of
    its texts; so are those of an example of the same id elsewhere in the batch.

    Args:
        image_embed: projected vectors of each example's pictures, any length; normalised here.
        text_embed: projected vectors of its texts, any length; normalised here.
        scale: exp(logit_scale).
        ids: image ids.
    """
    batch, pictures, embed = image_embed.shape
    captions = text_embed.shape[1]
    images = unit(image_embed).reshape(batch * pictures, embed)
    texts = unit(text_embed).reshape(batch * captions, embed)
    logits = scale * (images @ texts.T)
    positive = jnp.repeat(ids, pictures)[:, None] == jnp.repeat(ids, captions)[None, :]
    from_images = multi_positive(logits, positive).reshape(batch, pictures)
    from_texts = multi_positive(logits.T, positive.T).reshape(batch, captions)
    return 0.5 * (jnp.mean(from_images, axis=1) + jnp.mean(from_texts, axis=1))


def recall(image_embed: Array, text_embed: Array, ids: Int[Array, " batch"]) -> Array:
    """Share of images that a caption of theirs is nearest to in the batch: to watch, 0 to 1."""

    def found(image: Array, text: Array, ids: Array) -> Array:
        """Whether it is, image by image of one device; the loss gathers the same texts."""
        texts, every = _gather((text, ids), axes)
        return every[jnp.argmax(image @ texts.T, axis=1)] == ids

    axes = _shared(len(ids))
    if axes:
        split = PartitionSpec(axes)
        found = _apart(found, axes, (split, split, split))
    image, text = unit(image_embed), unit(text_embed)
    return jnp.mean(found(image, text, ids), dtype=image.dtype)


def share_changed(batch: Batch, batch_adv: Batch) -> Array:
    """Share of captions that an attack has changed, 0 to 1."""
    changed = jnp.any(batch.tokens.ids != batch_adv.tokens.ids, axis=-1)
    return jnp.mean(changed, dtype=jnp.float32)
