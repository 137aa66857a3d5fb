"""The points a gradient attack passes, read from outside."""

import jax
import jax.numpy as jnp
import numpy as np

from mat_jax.attacks.optimizers.projected_gradient import fold, one_each


def visited(attack, loss, images, key, steps):
    """[steps, batch, ...]: the points whose gradient was taken.

    An attack keeps what another objective says is best. Here that objective knows a step by the
    key it is handed, and finds nothing better than the point of step k, for each k in turn.
    """
    once = fold(one_each(key, images.shape[0]), jnp.int32(0))

    def at(step):
        mark = jax.random.key_data(fold(once, step + 1))

        def climb(x, keys):
            here = jnp.all(jax.random.key_data(keys) == mark, axis=-1)
            return loss(x), here.astype(jnp.float32)

        return attack(lambda x: -jnp.ones(x.shape[0]), images, key, steps=steps, climb_fn=climb)

    return np.asarray(jax.jit(lambda: jax.lax.map(at, jnp.arange(steps)))())
