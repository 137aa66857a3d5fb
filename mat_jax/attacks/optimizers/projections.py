"""The ball around an image and the box of pixels: projections, directions and random starts.

Every function treats each image of a batch by itself, and takes `eps` as a number or as a traced
scalar, so that an attack may be mapped over several radii.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from mat_jax.attacks.threat import Norm

Images = Float[Array, "batch height width channels"]
Radius = float | Float[Array, ""]


def project(x: Images, clean: Images, eps: Radius, norm: Norm) -> Images:
    """The point of the ball nearest to `x`, then cut to [0, 1].

    The clean image lies in the box, so the cut leaves no ball.
    """
    delta = x - clean
    if norm == "linf":
        delta = jnp.clip(delta, -eps, eps)
    else:
        delta = delta * per_image(jnp.minimum(1.0, eps * inverse(length(delta))))
    return jnp.clip(clean + delta, 0.0, 1.0)


def uphill(slope: Images, norm: Norm) -> Images:
    """The direction of steepest ascent of length 1: the sign, or the gradient scaled; 0 for 0."""
    return jnp.sign(slope) if norm == "linf" else slope * per_image(inverse(length(slope)))


def inside(
    clean: Images, keys: Key[Array, " batch"], eps: Radius, norm: Norm, *, one_sided: bool = False
) -> Images:
    """A uniform draw from the ball, cut to [0, 1].

    `one_sided`: every pixel is raised, and nothing is cut.
    """
    shape = clean.shape[1:]
    if norm == "linf":
        low = 0.0 if one_sided else -eps
        draw = jax.vmap(lambda key: jax.random.uniform(key, shape, minval=low, maxval=eps))
        delta = draw(keys)
    else:
        # Uniform in a ball of n dimensions: a Gaussian direction, a radius of u^(1/n).
        one, two = (jax.vmap(jax.random.fold_in, (0, None))(keys, n) for n in (0, 1))
        radii = eps * jax.vmap(jax.random.uniform)(two) ** (1.0 / float(clean[0].size))
        directions = jax.vmap(lambda key: jax.random.normal(key, shape))(one)
        delta = directions * per_image(radii * inverse(length(directions)))
        delta = jnp.abs(delta) if one_sided else delta
    return clean + delta if one_sided else jnp.clip(clean + delta, 0.0, 1.0)


def on_edge(clean: Images, keys: Key[Array, " batch"], eps: Radius, norm: Norm) -> Images:
    """A random point of the ball's surface, cut to [0, 1]: where APGD starts.

    For `linf` a uniform draw stretched until its largest pixel reaches `eps`; for `l2` a Gaussian
    direction of length `eps`.
    """
    shape = clean.shape[1:]
    if norm == "linf":
        delta = jax.vmap(lambda key: jax.random.uniform(key, shape, minval=-1.0))(keys)
        size = jnp.max(jnp.abs(delta), axis=(1, 2, 3))
    else:
        delta = jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
        size = length(delta)
    return jnp.clip(clean + eps * delta * per_image(inverse(size)), 0.0, 1.0)


def length(x: Images) -> Float[Array, " batch"]:
    """The Euclidean length over all pixels of an image."""
    return jnp.sqrt(jnp.sum(jnp.square(x), axis=(1, 2, 3)))


def inverse(x: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """1/x, and 0 for 0: a step along no gradient is no step."""
    return jnp.where(x > 0, 1.0 / jnp.where(x > 0, x, 1.0), 0.0)


def per_image(x: Array) -> Array:
    """[batch] -> [batch, 1, 1, 1]."""
    return x[:, None, None, None]
