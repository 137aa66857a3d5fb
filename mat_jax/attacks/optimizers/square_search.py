"""Square: random search with square patches, from scores alone (Andriushchenko et al., 2020)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from mat_jax.attacks.optimizers.projected_gradient import Loss, best_attempt, better, fold, one_each
from mat_jax.attacks.optimizers.projections import Images, Radius

# The share p of an image that a square covers is halved after each of these proposals, out of
# 10,000 (section 5 of the paper).
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


def square(
    loss_fn: Loss,
    images: Images,
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    eps: Radius,
    steps: int = 5000,
    p: float = 0.8,
    rescale: bool = False,
    to_edge: bool = True,
    restarts: int = 1,
) -> Images:
    """Maximise `loss_fn(x)` over `|x - images| <= eps` (linf) and `0 <= x <= 1`, with no gradient.

    The start is `images + eps * s` with a random sign s for each column and channel. Each step
    proposes `images + eps * s` inside one square at a random place, a sign for each channel, and
    takes it if the loss rises (algorithm 1 and 2). Each image has its own squares, all of
    one size in a step: `side = round(sqrt(p * height * width))`, p shrinking as in `sides`.

    A proposal is compared by the loss alone: with `losses.margin`, the paper's, that is the
    released rule until the first place is lost, and from there on the search goes on. (The
    released torch program draws one place for the whole batch.)

    Args:
        loss_fn: `[batch, height, width, channels] -> [batch]`, maximised. It is never
            differentiated.
        images: clean pixels in [0, 1].
        key: one key, or one per image, as in `pgd`.
        eps: radius of the linf ball; may be mapped over, as in `pgd`.
        steps: proposals; each costs one forward pass.
        p: the share of the image that the first squares cover.
        rescale: shrink the squares over `steps` as the paper does over 10,000, as the paper's own
            program does. Default: at the same proposals whatever the budget, as in AutoAttack.
        to_edge: squares may reach the last row and the last column. In the released torch program
            they never do, so that those pixels keep their first sign: False is as it is there. On
            32 x 32 pixels that left 7 of 100 images more standing.
        restarts: independent searches; the best is kept per image.

    Returns:
        float32 images [batch, height, width, channels] in the ball and in the box, the best seen.
    """
    clean = images.astype(jnp.float32)
    keys = one_each(key, clean.shape[0])
    _, height, width, channels = clean.shape
    low, high = jnp.clip(clean - eps, 0.0, 1.0), jnp.clip(clean + eps, 0.0, 1.0)

    def patch(key: Array, side: Array) -> tuple[Array, Array]:
        """Where the square of an image is [height, width, 1], and which channels rise."""
        place, signs = jax.random.split(key)
        room = jnp.maximum(jnp.array([height, width]) - side + int(to_edge), 1)
        top, left = jax.random.randint(place, (2,), 0, room)
        rows, columns = jnp.arange(height) - top, jnp.arange(width) - left
        rows, columns = (rows >= 0) & (rows < side), (columns >= 0) & (columns < side)
        return rows[:, None, None] & columns[None, :, None], jax.random.bernoulli(
            signs, shape=(1, 1, channels)
        )

    def attempt(index: Array) -> tuple[Array, Array]:
        once = fold(keys, index)

        def step(carry: tuple[Array, Array], now: tuple[Array, Array]):
            x, value = carry
            number, side = now
            within, rises = jax.vmap(patch, (0, None))(fold(once, number + 1), side)
            proposed = jnp.where(within, jnp.where(rises, high, low), x)
            return better(x, value, proposed, loss_fn(proposed)), None

        first = fold(once, jnp.zeros_like(index))
        rises = jax.vmap(lambda one: jax.random.bernoulli(one, shape=(1, width, channels)))(first)
        start = jnp.where(rises, high, low)
        now = jnp.arange(steps), jnp.asarray(sides(steps, height, width, p=p, rescale=rescale))
        return jax.lax.scan(step, (start, loss_fn(start)), now)[0]

    return best_attempt(attempt, clean, restarts)


def sides(
    steps: int, height: int, width: int, *, p: float = 0.8, rescale: bool = False
) -> np.ndarray:
    """The side of the square of each step, in pixels: at least 1, at most the shorter edge."""
    numbers = np.arange(steps)
    if rescale:
        numbers = (numbers / max(steps, 1) * 10_000).astype(int)
    halved = np.sum(numbers[:, None] > np.array(HALVINGS)[None], axis=1)
    side = np.round(np.sqrt(p / 2**halved * height * width)).astype(np.int32)
    return np.clip(side, 1, min(height, width))
