"""Averages over draws of a random model (Athalye et al., ICML 2018: expectation over draws)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mat_jax.attacks.optimizers.projected_gradient import NoisyLoss, fold

# `(images, keys [batch]) -> logits [batch, classes]` of one draw.
DrawnLogits = Callable[[Array, Array], Array]

DRAWS = 20  # of AutoAttack's "rand"


def averaged(loss_fn: NoisyLoss, *, draws: int = DRAWS) -> NoisyLoss:
    """`(images, keys) -> (climbed, values)`, both the mean of `loss_fn` over `draws` draws.

    The gradient of the first is the mean of the draws' gradients: what AutoAttack's "rand" climbs.
    AutoAttack takes the loss that steers the step size from the last draw alone; here it is the
    mean as well, which has less noise.

    One draw is made at a time, so memory does not grow with them; each makes its forward pass
    again for the backward pass.

    Args:
        loss_fn: of one draw, `(images, keys [batch]) -> (climbed [batch], values [batch])`.
        draws: how many, each with keys of its own.
    """
    one = jax.checkpoint(loss_fn)

    def mean(images: Array, keys: Array) -> tuple[Array, Array]:
        def add(total: tuple[Array, Array], number: Array):
            found = one(images, fold(keys, number))
            return (total[0] + found[0] / draws, total[1] + found[1] / draws), None

        none = jnp.zeros(images.shape[0])
        return jax.lax.scan(add, (none, none), jnp.arange(draws))[0]

    return mean
