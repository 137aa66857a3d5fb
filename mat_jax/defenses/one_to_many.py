"""Several pictures and several texts of one example: how a batch of them is laid out.

An example is an image $x_0$ with a caption $t_0$, and its partners: pictures $x_1 ... x_N$ and
texts $t_1 ... t_{M-1}$. The pairs that belong together are those in which one side is the
original: each text with $x_0$, each partner picture with $t_0$. A partner was made for the
original, so of two partners nobody can say how well they go together.
"""

from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mat_jax.types.arrays import Batch, ImageFeatures, Words
from mat_jax.types.protocols import EncodesImages

Image = TypeVar("Image")
Text = TypeVar("Text")


def pictures(batch: Batch) -> int:
    """Pictures of an example, its own included."""
    return 1 if batch.partner_images is None else 1 + batch.partner_images.shape[1]


def star(images: list[Image], texts: list[Text]) -> list[tuple[Image, Text]]:
    """The pairs of an example: $(x_0, t_0) ... (x_0, t_{M-1}), (x_1, t_0) ... (x_N, t_0)$."""
    return [(images[0], text) for text in texts] + [(image, texts[0]) for image in images[1:]]


def all_images(batch: Batch) -> Float[Array, "pictures height width 3"]:
    """All pictures of a batch, those of the first example first, its own before its partners."""
    if batch.partner_images is None:
        return batch.images
    found = jnp.concatenate([batch.images[:, None], batch.partner_images], axis=1)
    return found.reshape(-1, *batch.images.shape[1:])


def with_images(batch: Batch, images: Float[Array, "pictures height width 3"]) -> Batch:
    """The batch with other pictures, in the order of `all_images`."""
    if batch.partner_images is None:
        return batch._replace(images=images)
    found = images.reshape(len(batch.ids), -1, *images.shape[1:])
    return batch._replace(images=found[:, 0], partner_images=found[:, 1:])


def of_each(features: ImageFeatures, count: int) -> list[ImageFeatures]:
    """Features of `all_images` by place: those of all $x_0$, of all $x_1$, ..."""
    if count == 1:
        return [features]
    found = jax.tree.map(lambda x: x.reshape(-1, count, *x.shape[1:]), features)
    return [jax.tree.map(lambda x, n=n: x[:, n], found) for n in range(count)]


def encode_images(model: EncodesImages, batch: Batch) -> list[ImageFeatures]:
    """All pictures of a batch, encoded at once, by place."""
    return of_each(model.encode_image(all_images(batch)), pictures(batch))


def numbered(ids: Int[Array, " examples"], places: int) -> Int[Array, " all"]:
    """A number of its own for each place of each example, from which draws derive.

    With one place they are the ids, so that what has no partners is drawn as it is in `MAT`.
    """
    return (ids[:, None] * places + jnp.arange(places, dtype=ids.dtype)[None]).reshape(-1)


def fill(batch: Batch) -> Batch:
    """The batch with an example's first text in the place of each that it lacks."""

    def first(x: Array) -> Array:
        there = batch.present.reshape(*batch.present.shape, *[1] * (x.ndim - 2))
        return jnp.where(there, x, x[:, :1])

    tokens = jax.tree.map(first, batch.tokens)
    words: Words | None = jax.tree.map(first, batch.words)
    return batch._replace(tokens=tokens, words=words, present=jnp.ones_like(batch.present))


def first_text(batch: Batch) -> Batch:
    """The batch with one text an example, the first."""
    tokens, words, present = jax.tree.map(
        lambda x: x[:, :1], (batch.tokens, batch.words, batch.present)
    )
    return batch._replace(tokens=tokens, words=words, present=present)


def apart(batch: Batch) -> Batch:
    """One example for each pair of the `star`, those of the first image first; ids are repeated."""
    texts, partners = batch.present.shape[1], pictures(batch) - 1

    def each(x: Array) -> Array:
        x = jnp.concatenate([x, *[x[:, :1]] * partners], axis=1)
        return x.reshape(-1, 1, *x.shape[2:])

    images = jnp.repeat(batch.images[:, None], texts, axis=1)
    if batch.partner_images is not None:
        images = jnp.concatenate([images, batch.partner_images], axis=1)
    tokens, words, present = jax.tree.map(each, (batch.tokens, batch.words, batch.present))
    return Batch(
        ids=jnp.repeat(batch.ids, texts + partners),
        images=images.reshape(-1, *batch.images.shape[1:]),
        tokens=tokens,
        present=present,
        words=words,
        labels=None if batch.labels is None else jnp.repeat(batch.labels, texts + partners),
        answers=jax.tree.map(lambda x: jnp.repeat(x, texts + partners, axis=0), batch.answers),
    )


def originals(
    batch: Batch, *, pairs: bool
) -> tuple[Bool[np.ndarray, " pictures"], Bool[np.ndarray, "examples texts"]]:
    """Which of `all_images` and which texts are no partners; with `pairs` of the batch `apart`."""
    count, texts, partners = len(batch.ids), batch.present.shape[1], pictures(batch) - 1
    if not pairs:
        own = np.arange(1 + partners) == 0, np.arange(texts) == 0
        return np.tile(own[0], count), np.tile(own[1], (count, 1))
    place = np.tile(np.arange(texts + partners), count)
    return place < texts, ((place == 0) | (place >= texts))[:, None]
