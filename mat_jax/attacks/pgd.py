"""Projected gradient ascent on images: the skeleton under every attack with a gradient loop."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from mat_jax.attacks.threat import Norm

Images = Float[Array, "batch height width channels"]
Loss = Callable[[Array], Array]
NoisyLoss = Callable[[Array, Array], tuple[Array, Array]]


def pgd(
    loss_fn: Loss,
    images: Images,
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    eps: float,
    step_size: float,
    steps: int,
    norm: Norm = "linf",
    random_start: bool = True,
    one_sided: bool = False,
    restarts: int = 1,
    best: bool = False,
    climb_fn: NoisyLoss | None = None,
) -> Images:
    """Maximise `loss_fn(x)` over `|x - images| <= eps` and `0 <= x <= 1`, each image in its ball.

    What climbs is the sum over the batch. Where a value of `loss_fn` is of one image alone, as in
    all attacks, the images are apart; the contrastive losses of training are of the whole batch.

    `x <- box(ball(x + step_size * direction(grad loss_fn(x))))`, with the sign as direction for
    `linf` and the gradient scaled to length 1 for `l2` (Madry et al. 2018, section 2.1). Only the
    images are differentiated. An image whose gradient is zero stays where it is.

    Args:
        loss_fn: `[batch, height, width, channels] -> [batch]`, maximised.
        images: clean pixels in [0, 1].
        key: one key, or one per image. With a key per image (`example_keys`) the result of an
            image does not depend on the others in the batch.
        eps: radius of the ball; 0 returns the images.
        step_size: length of one step, in the units of `eps`.
        steps: number of gradient steps.
        norm: `linf`, or `l2` over all pixels of an image.
        random_start: start at a uniform draw from the ball. Without it an objective measured from
            the clean image has no gradient to begin with.
        one_sided: draw the start from [0, eps] instead of [-eps, eps], and do not clip it to the
            box before the first gradient, as the released Co-Attack does.
        restarts: independent starts; the best final value is kept per image.
        best: keep, per image, the visited point of largest `loss_fn`, not the last.
        climb_fn: an objective with its own noise, climbed in the place of `loss_fn`:
            `(images, keys [batch]) -> (climbed [batch], loss_fn's values [batch])`, with fresh
            keys at every step. What is kept is still decided by `loss_fn`, which is not noisy.

    Returns:
        float32 images [batch, height, width, channels] in the ball and in the box.
    """
    clean = images.astype(jnp.float32)
    keys = _one_each(key, clean.shape[0])

    def climb(x: Array, keys: Array) -> tuple[Array, Array]:
        if climb_fn is None:
            value = climbed = loss_fn(x)
        else:
            climbed, value = climb_fn(x, keys)
        return jnp.sum(climbed), value

    gradient = jax.value_and_grad(climb, has_aux=True)

    def run(start: Array, keys: Array) -> tuple[Array, Array, Array]:
        """One start: the last point, the best point passed on the way and its value."""

        def step(carry, index):
            x, kept, kept_value = carry
            (_, value), slope = gradient(x, fold(keys, index + 1))
            if best:
                kept, kept_value = _better(kept, kept_value, x, value)
            return (ascend(x, slope, clean, eps, step_size, norm), kept, kept_value), None

        lowest = jnp.full(clean.shape[:1], -jnp.inf)
        return jax.lax.scan(step, (start, start, lowest), jnp.arange(steps))[0]

    def attempt(index: Array) -> tuple[Array, Array]:
        once = fold(keys, index)
        start = clean
        if random_start:
            start = point_in_ball(clean, fold(once, jnp.zeros_like(index)), eps, norm, one_sided)
        last, kept, kept_value = run(start, once)
        if not best and restarts == 1:
            return last, kept_value
        value = loss_fn(last)
        return _better(kept, kept_value, last, value) if best else (last, value)

    if restarts == 1:
        found, _ = attempt(jnp.int32(0))
    else:

        def again(carry, index):
            kept, kept_value = carry
            return _better(kept, kept_value, *attempt(index)), None

        lowest = jnp.full(clean.shape[:1], -jnp.inf)
        (found, _), _ = jax.lax.scan(again, (clean, lowest), jnp.arange(restarts))
    # A start that was not clipped, and no step to do it: see `one_sided`.
    return jnp.clip(found, 0.0, 1.0)


def example_keys(key: Key[Array, ""], ids: Int[Array, " batch"]) -> Key[Array, " batch"]:
    """One key an example, from its id: the same whatever batch or device the example is in."""
    return jax.vmap(lambda identity: jax.random.fold_in(key, identity))(ids)


def fold(keys: Key[Array, " batch"], number: Int[Array, ""]) -> Key[Array, " batch"]:
    """The keys of step, restart or view `number`."""
    return jax.vmap(lambda one: jax.random.fold_in(one, number))(keys)


def _one_each(key: Array, batch: int) -> Array:
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise ValueError(
            f"key is an array of {key.dtype}, expected a typed key: make it with jax.random.key"
        )
    return key if key.ndim else example_keys(key, jnp.arange(batch))


def _better(kept: Array, kept_value: Array, x: Array, value: Array) -> tuple[Array, Array]:
    # A value that is not a number never wins.
    wins = value > kept_value
    return jnp.where(_per_image(wins), x, kept), jnp.where(wins, value, kept_value)


def ascend(x: Array, slope: Array, clean: Array, eps: float, step_size: float, norm: Norm) -> Array:
    """One step from `x` along `slope`, back into the ball around `clean` and into the box."""
    if norm == "linf":
        delta = jnp.clip(x + step_size * jnp.sign(slope) - clean, -eps, eps)
    else:
        delta = x + step_size * slope * _per_image(_inverse(_length(slope))) - clean
        delta = delta * _per_image(jnp.minimum(1.0, eps * _inverse(_length(delta))))
    return jnp.clip(clean + delta, 0.0, 1.0)


def point_in_ball(
    clean: Array, keys: Array, eps: float, norm: Norm, one_sided: bool = False
) -> Array:
    """A uniform draw from the ball around each image; see `pgd` for `one_sided`."""
    shape = clean.shape[1:]
    if norm == "linf":
        low = 0.0 if one_sided else -eps
        draw = jax.vmap(lambda key: jax.random.uniform(key, shape, minval=low, maxval=eps))
        delta = draw(keys)
    else:
        # Uniform in a ball of n dimensions: a Gaussian direction, a radius of u^(1/n).
        directions = jax.vmap(lambda key: jax.random.normal(key, shape))(fold(keys, jnp.int32(0)))
        radii = jax.vmap(jax.random.uniform)(fold(keys, jnp.int32(1)))
        radii = eps * radii ** (1.0 / float(clean[0].size))
        delta = directions * _per_image(radii * _inverse(_length(directions)))
        delta = jnp.abs(delta) if one_sided else delta
    return clean + delta if one_sided else jnp.clip(clean + delta, 0.0, 1.0)


def _length(x: Array) -> Array:
    return jnp.sqrt(jnp.sum(jnp.square(x), axis=(1, 2, 3)))


def _inverse(x: Array) -> Array:
    """1/x, and 0 for 0: a step along no gradient is no step."""
    return jnp.where(x > 0, 1.0 / jnp.where(x > 0, x, 1.0), 0.0)


def _per_image(x: Array) -> Array:
    return x[:, None, None, None]
