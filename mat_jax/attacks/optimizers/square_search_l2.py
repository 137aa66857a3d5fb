"""Square in l2: random search that moves the length of the perturbation between windows."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mat_jax.attacks.optimizers.projected_gradient import Loss, best_attempt, better, fold, one_each
from mat_jax.attacks.optimizers.projections import Images, Radius, inverse, length, per_image
from mat_jax.attacks.optimizers.square_search import sides

TILES = 5  # a side, at the start


def square_l2(
    loss_fn: Loss,
    images: Images,
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    eps: Radius,
    steps: int = 5000,
    p: float = 0.1,
    rescale: bool = False,
    to_edge: bool = True,
    restarts: int = 1,
) -> Images:
    r"""Maximise `loss_fn(x)` over `|x - images|_2 <= eps` and `0 <= x <= 1`, with no gradient.

    Algorithm 3 of Andriushchenko et al. (2020, arXiv:1912.00049). The start has one `pattern` with
    a random sign in each of 5 x 5 tiles and each channel. Each step draws two windows of one side.
    What length the perturbation $\delta$ has in both, and what was cut off at the box, goes into
    the first window; the second is emptied. In each of C channels c the first window becomes

    $$\sqrt{\frac{\max(\epsilon^2 - \|\delta\|^2, 0)}{C} + \|\delta_{W_1 \cup W_2, c}\|^2}\;
      \frac{u}{\|u\|}, \qquad u = \pm\,\text{pattern} +
      \frac{\delta_{W_1, c}}{\|\delta_{W_1, c}\|}$$

    and the whole is scaled to length `eps`, then cut to the box. It is taken if the loss rises.
    Each image has its own windows.

    Args:
        loss_fn, images, key, steps, rescale, to_edge, restarts: as in `square`.
        eps: radius of the l2 ball over all pixels; may be mapped over, as in `pgd`.
        p: the share of the image that the first windows cover. The paper has 0.1, AutoAttack 0.8.

    Returns:
        float32 images [batch, height, width, channels] in the ball and in the box, the best seen.
    """
    clean = images.astype(jnp.float32)
    keys = one_each(key, clean.shape[0])
    _, height, width, channels = clean.shape
    of_steps = windows(steps, height, width, p=p, rescale=rescale)
    lengths, which = np.unique(of_steps, return_inverse=True)
    table = jnp.asarray(_patterns(lengths, height, width))

    def within(key: Array, side: Array) -> tuple[Array, Array]:
        """The corner of a window, and where it is [height, width, 1]."""
        room = jnp.maximum(jnp.array([height, width]) - side + int(to_edge), 1)
        corner = jax.random.randint(key, (2,), 0, room)
        rows, columns = jnp.arange(height) - corner[0], jnp.arange(width) - corner[1]
        rows, columns = (rows >= 0) & (rows < side), (columns >= 0) & (columns < side)
        return corner, rows[:, None, None] & columns[None, :, None]

    def propose(key: Array, delta: Array, number: Array, side: Array) -> Array:
        """The new perturbation of one image, not yet scaled to `eps`."""
        one, two, turn, signs = jax.random.split(key, 4)
        corner, into = within(one, side)
        _, out_of = within(two, side)
        bump = jnp.roll(table[number, jax.random.randint(turn, (), 0, 2)], corner, axis=(0, 1))
        sign = jax.random.rademacher(signs, (1, 1, channels), jnp.float32)
        before = jnp.where(into, delta, 0.0)
        u = _unit(jnp.where(into, bump[..., None] * sign + _unit(before), 0.0))
        left = jnp.maximum(eps**2 - jnp.sum(jnp.square(delta)), 0.0) / channels
        share = jnp.sqrt(left + jnp.square(_length(jnp.where(into | out_of, delta, 0.0))))
        return jnp.where(into, u * share, jnp.where(out_of, 0.0, delta))

    def stretched(delta: Array) -> Array:
        return jnp.clip(clean + delta * per_image(eps * inverse(length(delta))), 0.0, 1.0)

    def attempt(index: Array) -> tuple[Array, Array]:
        once = fold(keys, index)

        def step(carry: tuple[Array, Array], now: tuple[Array, Array, Array]):
            x, value = carry
            count, number, side = now
            draw = jax.vmap(propose, (0, 0, None, None))
            proposed = stretched(draw(fold(once, count + 1), x - clean, number, side))
            return better(x, value, proposed, loss_fn(proposed)), None

        first = fold(once, jnp.zeros_like(index))
        start = stretched(jax.vmap(lambda one: _tiles(one, height, width, channels))(first))
        now = jnp.arange(steps), jnp.asarray(which.astype(np.int32)), jnp.asarray(of_steps)
        return jax.lax.scan(step, (start, loss_fn(start)), now)[0]

    return best_attempt(attempt, clean, restarts)


def windows(
    steps: int, height: int, width: int, *, p: float = 0.1, rescale: bool = False
) -> np.ndarray:
    """The side of the windows of each step: as `sides`, but odd and at least 3 where it fits."""
    found = np.maximum(sides(steps, height, width, p=p, rescale=rescale), 3)
    return np.minimum(found + 1 - found % 2, min(height, width)).astype(np.int32)


def pattern(side: int) -> np.ndarray:
    r"""Two bumps of opposite sign, one above the other, of Euclidean length 1 [side, side].

    A bump of `rows` x `columns` is at Chebyshev distance r from its middle pixel
    $\sum_{k \ge r} (k + 1)^{-2}$, with k up to half of its longer side (equation 2 of the paper).
    """
    above = _bump(side // 2, side)
    both = np.concatenate([above, -_bump(side - side // 2, side)])
    return (both / np.linalg.norm(both)).astype(np.float32)


def _bump(rows: int, columns: int) -> np.ndarray:
    away = np.maximum(
        np.abs(np.arange(rows) - rows // 2)[:, None],
        np.abs(np.arange(columns) - columns // 2)[None],
    )
    heights = 1.0 / np.arange(1, max(rows, columns) // 2 + 2) ** 2
    found = np.cumsum(heights[::-1])[::-1][away]
    return found / max(np.linalg.norm(found), 1e-12)


def _patterns(lengths: np.ndarray, height: int, width: int) -> np.ndarray:
    """[lengths, 2, height, width]: of each length, upright and lying, in the upper left corner."""
    table = np.zeros((len(lengths), 2, height, width), np.float32)
    for number, side in enumerate(lengths.tolist()):
        table[number, 0, :side, :side] = pattern(side)
        table[number, 1, :side, :side] = pattern(side).T
    return table


def _tiles(
    key: Key[Array, ""], height: int, width: int, channels: int
) -> Float[Array, "height width channels"]:
    """A pattern in every tile, upright or lying, with a random sign in each channel."""
    side = max(min(height, width) // TILES, 1)
    rows, columns = height // side, width // side
    turn, signs = jax.random.split(key)
    upright = jax.random.bernoulli(turn, shape=(rows, columns, 1, 1, 1))
    sign = jax.random.rademacher(signs, (rows, columns, 1, 1, channels), jnp.float32)
    one = jnp.asarray(pattern(side)) if side > 1 else jnp.ones((1, 1))
    tile = jnp.where(upright, one[None, None, :, :, None], one.T[None, None, :, :, None]) * sign
    tiles = tile.transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, channels)
    # What the tiles leave over is shared between the edges.
    room = height - rows * side, width - columns * side
    edges = [(left // 2, left - left // 2) for left in room]
    return jnp.pad(tiles, (*edges, (0, 0)))


def _length(x: Float[Array, "height width channels"]) -> Float[Array, "1 1 channels"]:
    """The Euclidean length in each channel of an image."""
    return jnp.sqrt(jnp.sum(jnp.square(x), axis=(0, 1), keepdims=True))


def _unit(x: Float[Array, "height width channels"]) -> Float[Array, "height width channels"]:
    """Each channel scaled to length 1; 0 stays."""
    size = _length(x)
    return x * jnp.where(size > 0, 1.0 / jnp.where(size > 0, size, 1.0), 0.0)
