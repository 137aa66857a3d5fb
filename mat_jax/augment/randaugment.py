"""RandAugment (Cubuk et al. 2020): a few operations drawn at random, all of one magnitude."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mat_jax.augment.operations import OPERATIONS

LARGEST = 30  # the paper's scale of magnitudes (section 4)


def rand_augment(
    images: Float[Array | np.ndarray, "batch height width 3"],
    key: Key[Array, "*one_or_batch"],
    *,
    ops: int = 2,
    magnitude: int | float | Float[Array, ""] = 9,
) -> Float[Array, "batch height width 3"]:
    r"""Images after `ops` operations each, $o_n(\dots o_1(x))$, drawn with replacement.

    Every $o_i$ is one of the fourteen of `augment.operations`, all equally likely, and uses the
    share magnitude / 30 of its range, in one of its two directions by the toss of a coin. (Section
    3 of the paper; the ranges are torchvision's, and so are the defaults.) What is drawn for an
    image depends on its key alone.

    Args:
        images: in [0, 1], and so is the result.
        key: one for each image, or one of which every image gets its own by its place.
        ops: N of the paper, operations one after another; 0 changes nothing.
        magnitude: M of the paper, in [0, 30].
    """
    require(ops, magnitude)
    keys = key if key.ndim else jax.random.split(key, len(images))
    share = jnp.asarray(magnitude, jnp.float32) / LARGEST
    return _augmented(jnp.asarray(images), keys, share, jnp.asarray(ops))


def require(ops: int, magnitude: Any) -> None:
    """Refuse what cannot be done; a traced magnitude is not looked at.

    Raises:
        ValueError: a number below 0, or a magnitude above the scale.
    """
    if ops < 0:
        raise ValueError(f"ops={ops} operations cannot be done; give 0 or more")
    if isinstance(magnitude, int | float) and not 0 <= magnitude <= LARGEST:
        raise ValueError(f"magnitude={magnitude} is off the scale; choose 0 to {LARGEST}")


@jax.jit
def _augmented(images: Array, keys: Array, share: Array, ops: Array) -> Array:
    functions = [operation.function for operation in OPERATIONS.values()]
    signed = jnp.asarray([operation.signed for operation in OPERATIONS.values()])
    share = share.astype(images.dtype)

    def one(image: Array, key: Array) -> Array:
        def step(number: Array, image: Array) -> Array:
            which, side = jax.random.split(jax.random.fold_in(key, number))
            drawn = jax.random.randint(which, (), 0, len(functions))
            back = signed[drawn] & jax.random.bernoulli(side)
            return jax.lax.switch(drawn, functions, image, jnp.where(back, -share, share))

        return jax.lax.fori_loop(0, ops, step, image)

    return jax.vmap(one)(images, keys)
