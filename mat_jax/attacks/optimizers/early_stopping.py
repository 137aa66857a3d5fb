"""Gradient ascent that leaves an image as soon as it is lost, and goes on with the others.

An image that has long lost all its queries needs no further steps. Here a device call works on a
fixed number of images at a time, its lanes; an image that is lost, or out of steps, gives its lane
to the next one of the batch. Shapes are fixed, nothing goes to the host.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from mat_jax.attacks.optimizers.projected_gradient import better, fold
from mat_jax.attacks.optimizers.projections import (
    Images,
    Radius,
    inside,
    per_image,
    project,
    uphill,
)
from mat_jax.attacks.threat import Norm

# `(images, keys, rows) -> (climbed, values, lost)`, each [lanes]: those of the batch's `rows`.
Look = Callable[[Array, Array, Array], tuple[Array, Array, Array]]
# `images [batch, ...] -> (values, lost)`, each [batch].
Judge = Callable[[Array], tuple[Array, Array]]
Lost = Callable[[Array, Array], Array]


class Gallery(NamedTuple):
    """The clean gallery that images and captions are retrieved from, on the unit sphere.

    An image is lost when each of its queries has `beyond` clean others before the right answer.
    The galleries that attacks are judged in are attacked too, so a rank that is barely lost among
    clean others may be held there; `beyond` is the room left for that.
    """

    images: Float[Array, "pictures embed"]
    texts: Float[Array, "texts embed"]
    image_ids: Int[Array, " pictures"]
    text_ids: Int[Array, " texts"]  # the id of the image that each text belongs to
    beyond: Int[Array, ""]


def lost_in(
    gallery: Gallery | None,
    captions: Float[Array, "batch captions embed"],
    present: Bool[Array, "batch captions"],
    ids: Int[Array, " batch"],
) -> Lost | None:
    """`(embeds [lanes, embed], rows [lanes]) -> [lanes]`: whether all queries of an image are lost.

    The image itself, when `beyond` texts of others are nearer to it than the nearest of its
    captions; a caption, when `beyond` other images are nearer to it than the image.

    Args:
        gallery: what there is besides; None for none, and nothing is then ever lost: None.
        captions: the images' own, as attacked, on the unit sphere.
        present: which of them are real.
        ids: of the images.
    """
    if gallery is None:
        return None
    others = gallery.image_ids[None, :] != ids[:, None]
    nearness = jnp.where(others[:, None, :], captions @ gallery.images.T, -jnp.inf)
    strange = gallery.text_ids[None, :] != ids[:, None]

    def lost(embeds: Array, rows: Array) -> Array:
        own = jnp.einsum("le,lce->lc", embeds, captions[rows])
        here = present[rows]
        nearest = jnp.max(jnp.where(here, own, -jnp.inf), axis=-1)
        before = strange[rows] & (embeds @ gallery.texts.T > nearest[:, None])
        of_image = jnp.sum(before, axis=-1, dtype=jnp.int32) >= gallery.beyond
        ahead = jnp.sum(nearness[rows] > own[..., None], axis=-1, dtype=jnp.int32)
        return of_image & jnp.all((ahead >= gallery.beyond) | ~here, axis=-1)

    return lost


def pgd_until_lost(
    look_fn: Look,
    judge_fn: Judge,
    images: Images,
    keys: Key[Array, " batch"],
    *,
    eps: Radius,
    step_size: Radius,
    steps: int,
    norm: Norm = "linf",
    restarts: int = 1,
    lanes: int | None = None,
) -> tuple[Images, Int[Array, " batch"]]:
    """`pgd` with the best point kept, where an image goes on only until it is lost.

    An image that is never lost has the points, and so the result, that it has under `pgd`; one that
    is keeps the point at which it was. What happens to an image depends on its key alone.

    Args:
        look_fn: see `Look`. Values are kept by, what climbs may be noisy, lost images stop.
        judge_fn: see `Judge`; the same values of a whole batch, for the last points.
        images: clean pixels in [0, 1].
        keys: one an image, see `pgd.example_keys`.
        eps, step_size, norm: see `pgd`.
        steps: gradient steps of one start.
        restarts: starts; an image that was lost makes no other.
        lanes: images worked on at once; None is a quarter of the batch, for less is left idle at
            the end the fewer there are.

    Returns:
        The images, and how many gradients each took.
    """
    clean = images.astype(jnp.float32)
    count = clean.shape[0]
    lanes = min(lanes or -(-count // 4), count)
    every = jnp.arange(count)

    def climb(x: Array, keys: Array, rows: Array) -> tuple[Array, tuple[Array, Array]]:
        climbed, value, lost = look_fn(x, keys, rows)
        return jnp.sum(climbed), (value, lost)

    gradient = jax.value_and_grad(climb, has_aux=True)

    def attempt(best: _Best, index: Array) -> tuple[_Best, None]:
        once = fold(keys, index)
        start = inside(clean, fold(once, jnp.zeros_like(index)), eps, norm)

        def running(walk: _Walk) -> Array:
            return (walk.taken < steps) & ~walk.best.lost

        def step(walk: _Walk) -> _Walk:
            # Those that go on come first, in their order.
            rows = jnp.argsort(~running(walk), stable=True)[:lanes]
            goes, x, best = running(walk)[rows], walk.x[rows], walk.best
            now = jax.vmap(jax.random.fold_in)(once[rows], walk.taken[rows] + 1)
            (_, (value, lost)), slope = gradient(x, now, rows)
            there = project(x + step_size * uphill(slope, norm), clean[rows], eps, norm)
            return _Walk(
                walk.x.at[rows].set(jnp.where(per_image(goes & ~lost), there, x)),
                walk.taken.at[rows].add(goes.astype(jnp.int32)),
                best.after(rows, x, value, lost, goes),
            )

        none = jnp.zeros(count, jnp.int32)
        walk = _Walk(start, none, best)
        walk = jax.lax.while_loop(lambda walk: jnp.any(running(walk)), step, walk)
        # The point behind the last step was not looked at yet.
        value, lost = judge_fn(walk.x)
        best = walk.best.after(every, walk.x, value, lost, ~walk.best.lost)
        return best._replace(gradients=best.gradients + walk.taken), None

    lowest = jnp.full(count, -jnp.inf)
    best = _Best(clean, lowest, jnp.zeros(count, bool), jnp.zeros(count, jnp.int32))
    best, _ = jax.lax.scan(attempt, best, jnp.arange(restarts))
    return best.x, best.gradients


class _Best(NamedTuple):
    """Of each image the best point so far, or the one at which it was lost."""

    x: Images
    value: Float[Array, " batch"]
    lost: Bool[Array, " batch"]
    gradients: Int[Array, " batch"]

    def after(self, rows: Array, x: Array, value: Array, lost: Array, goes: Array) -> "_Best":
        """With the points `x` of `rows` seen, of those that `goes` says."""
        value = jnp.where(goes, jnp.where(lost, jnp.inf, value), -jnp.inf)
        kept, kept_value = better(self.x[rows], self.value[rows], x, value)
        return self._replace(
            x=self.x.at[rows].set(kept),
            value=self.value.at[rows].set(kept_value),
            lost=self.lost.at[rows].set(self.lost[rows] | (goes & lost)),
        )


class _Walk(NamedTuple):
    """One start of each image."""

    x: Images
    taken: Int[Array, " batch"]
    best: _Best
