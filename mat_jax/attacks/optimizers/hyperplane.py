"""The shortest step from an image to a hyperplane, without leaving the box of pixels (FAB)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mat_jax.attacks.optimizers.projections import Images, inverse, per_image
from mat_jax.attacks.threat import Norm

AXES = (1, 2, 3)


def to_hyperplane(x: Images, normal: Images, offset: Float[Array, " batch"], norm: Norm) -> Images:
    r"""The step d of each image that solves

    $$\min_d \|d\|_p \quad\text{with}\quad \langle w, d\rangle = -c \quad\text{and}\quad
      0 \le x + d \le 1$$

    (Croce & Hein 2020, arXiv:1907.02044, equation 5), where $c = \langle w, x\rangle - b$ says how
    far above the hyperplane the image is. If the box holds no such point, d leads to the corner of
    the box that comes nearest to the hyperplane.

    Pixel i moves against $c w_i$. Let $m_i$ be its room in the box, and $v_i$ its speed: 1 for
    `linf`, $|w_i|$ for `l2`. The optimum has $|d_i| = \min(\lambda v_i, m_i)$, and $\lambda$
    solves $g(\lambda) = \sum_i |w_i| \min(\lambda v_i, m_i) = |c|$. As g is concave and made of
    straight pieces, Newton's method from 0 reaches the solution from below in a few steps, and
    exactly. So nothing needs to be sorted.

    Args:
        x: pixels in [0, 1].
        normal: w, of any length; where it is 0 the image stays.
        offset: c.
        norm: `linf`, or `l2` over all pixels of an image.

    Returns:
        d, of the shape of `x`.
    """
    # Only the direction of (w, c) matters. In these units squares of small gradients do not vanish.
    scale = inverse(jnp.max(jnp.abs(normal), axis=AXES))
    normal, distance = normal * per_image(scale), jnp.abs(offset * scale)
    weight = jnp.abs(normal)
    direction = -jnp.sign(normal) * per_image(jnp.sign(offset))
    room = jnp.where(direction > 0, 1.0 - x, x)
    speed = jnp.ones_like(x) if norm == "linf" else weight

    def newton(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        size, _ = carry
        full = per_image(size) * speed >= room
        done = jnp.sum(jnp.where(full, weight * room, 0.0), axis=AXES)
        rate = jnp.sum(jnp.where(full, 0.0, weight * speed), axis=AXES)
        # It only rises, so an image that has its solution keeps it while others go on.
        new = jnp.maximum(size, (distance - done) * inverse(rate))
        return new, jnp.any(new > size)

    start = jnp.zeros_like(distance), jnp.array(True)
    size, _ = jax.lax.while_loop(lambda carry: carry[1], newton, start)
    return direction * jnp.minimum(per_image(size) * speed, room)
