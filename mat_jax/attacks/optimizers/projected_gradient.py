"""Projected gradient ascent on images: the skeleton under every attack with a gradient loop."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from mat_jax.attacks.optimizers.projections import (
    Images,
    Radius,
    inside,
    inverse,
    per_image,
    project,
    uphill,
)
from mat_jax.attacks.threat import Norm

Loss = Callable[[Array], Array]
NoisyLoss = Callable[[Array, Array], tuple[Array, Array]]


def pgd(
    loss_fn: Loss,
    images: Images,
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    eps: Radius,
    step_size: Radius,
    steps: int | Int[Array, ""],
    norm: Norm = "linf",
    momentum: float = 0.0,
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

    Several radii are one compiled call, each with the starts it has by itself:

        one = lambda eps: pgd(loss_fn, images, keys, eps=eps, step_size=eps / 4, steps=10)
        images_adv = jax.vmap(one)(jnp.array([2 / 255, 4 / 255]))  # [2, batch, height, ...]

    Args:
        loss_fn: `[batch, height, width, channels] -> [batch]`, maximised.
        images: clean pixels in [0, 1].
        key: one key, or one per image. With a key per image (`example_keys`) the result of an
            image does not depend on the others in the batch.
        eps: radius of the ball; 0 returns the images.
        step_size: length of one step, in the units of `eps`.
        steps: number of gradient steps; traced, one compilation serves any number.
        norm: `linf`, or `l2` over all pixels of an image.
        momentum: the direction is taken of `v <- momentum * v + gradient / |gradient|_1` in the
            place of the gradient (MI-FGSM, Dong et al. 2018, equations 6 to 9; there 1.0).
            RobustVLM's form, `v <- sign(0.9 v + sign(gradient))`, is plain PGD: v never outweighs
            a sign.
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
    keys = one_each(key, clean.shape[0])

    def climb(x: Array, keys: Array) -> tuple[Array, Array]:
        if climb_fn is None:
            value = climbed = loss_fn(x)
        else:
            climbed, value = climb_fn(x, keys)
        return jnp.sum(climbed), value

    gradient = jax.value_and_grad(climb, has_aux=True)

    def run(start: Array, keys: Array) -> tuple[Array, Array, Array]:
        """One start: the last point, the best point passed on the way and its value."""

        def step(index, carry):
            x, velocity, kept, kept_value = carry
            (_, value), slope = gradient(x, fold(keys, index + 1))
            if best:
                kept, kept_value = better(kept, kept_value, x, value)
            if momentum:
                mass = jnp.sum(jnp.abs(slope), axis=(1, 2, 3))
                slope = velocity = momentum * velocity + slope * per_image(inverse(mass))
            x = project(x + step_size * uphill(slope, norm), clean, eps, norm)
            return x, velocity, kept, kept_value

        velocity = jnp.zeros_like(start) if momentum else None
        lowest = jnp.full(clean.shape[:1], -jnp.inf)
        ends = jax.lax.fori_loop(0, steps, step, (start, velocity, start, lowest))
        last, _, kept, kept_value = ends
        return last, kept, kept_value

    def attempt(index: Array) -> tuple[Array, Array]:
        once = fold(keys, index)
        start = clean
        if random_start:
            first = fold(once, jnp.zeros_like(index))
            start = inside(clean, first, eps, norm, one_sided=one_sided)
        last, kept, kept_value = run(start, once)
        if not best and restarts == 1:
            return last, kept_value
        value = loss_fn(last)
        return better(kept, kept_value, last, value) if best else (last, value)

    # A start that was not clipped, and no step to do it: see `one_sided`.
    return jnp.clip(best_attempt(attempt, clean, restarts), 0.0, 1.0)


def fgsm(loss_fn: Loss, images: Images, *, eps: Radius, norm: Norm = "linf") -> Images:
    """One step from the clean image to the edge of the ball (Goodfellow et al. 2015, section 4).

    `box(x + eps * sign(grad loss_fn(x)))`; for `l2` the gradient scaled to length `eps`. An
    objective measured from the clean image has no gradient there, so nothing moves.
    """
    unused = jax.random.key(0)
    return pgd(
        loss_fn, images, unused, eps=eps, step_size=eps, steps=1, norm=norm, random_start=False
    )


def best_attempt(
    attempt: Callable[[Array], tuple[Array, Array]], clean: Images, restarts: int
) -> Images:
    """Of `attempt(index) -> (images, values [batch])` for each restart, the best of each image."""
    if restarts == 1:
        return attempt(jnp.int32(0))[0]

    def again(carry, index):
        kept, kept_value = carry
        return better(kept, kept_value, *attempt(index)), None

    lowest = jnp.full(clean.shape[:1], -jnp.inf)
    return jax.lax.scan(again, (clean, lowest), jnp.arange(restarts))[0][0]


def better(kept: Array, kept_value: Array, x: Array, value: Array) -> tuple[Array, Array]:
    """For each image whichever point has the larger value; what is not a number never wins."""
    wins = value > kept_value
    return jnp.where(per_image(wins), x, kept), jnp.where(wins, value, kept_value)


def example_keys(key: Key[Array, ""], ids: Int[Array, " batch"]) -> Key[Array, " batch"]:
    """One key an example, from its id: the same whatever batch or device the example is in."""
    return jax.vmap(lambda identity: jax.random.fold_in(key, identity))(ids)


def fold(keys: Key[Array, " batch"], number: int | Int[Array, ""]) -> Key[Array, " batch"]:
    """The keys of step, restart or view `number`."""
    return jax.vmap(lambda one: jax.random.fold_in(one, number))(keys)


def one_each(key: Array, batch: int) -> Array:
    """A key for each image: as given, or folded from the one key by place in the batch."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise ValueError(
            f"key is an array of {key.dtype}, expected a typed key: make it with jax.random.key"
        )
    return key if key.ndim else example_keys(key, jnp.arange(batch))
