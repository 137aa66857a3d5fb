"""FAB: the nearest misclassified image, by steps onto the linearised boundary (ICML 2020)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from mat_jax.attacks.objectives import is_class, margin
from mat_jax.attacks.optimizers.hyperplane import to_hyperplane
from mat_jax.attacks.optimizers.projected_gradient import better, one_each
from mat_jax.attacks.optimizers.projections import Images, Radius, length, on_edge, per_image
from mat_jax.attacks.threat import Norm

Logits = Callable[[Array], Array]

SHORTEST = 1e-8  # both steps of length 0 make their shares equal, not 0/0


def fab(
    logits_fn: Logits,
    images: Images,
    labels: Int[Array, " batch"],
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    eps: Radius,
    targets: Int[Array, " batch"] | None = None,
    steps: int = 100,
    norm: Norm = "linf",
    random_start: bool = False,
    alpha_max: float = 0.1,
    overshoot: float = 1.05,
    backward: float = 0.9,
) -> tuple[Images, Float[Array, " batch"]]:
    r"""Minimise `|x - images|` over misclassified x in [0, 1]: an attack with no radius to set.

    With y the label and t a class, let $f = z_t - z_y$, and let $\pi$ be the hyperplane on which
    f is 0 when linearised at $x_k$. $d_1$ and $d_2$ are the shortest steps to it inside the box,
    from $x_k$ and from the clean image $x_0$ (`to_hyperplane`). Then (algorithm 1 of Croce & Hein
    2020, arXiv:1907.02044)

    $$x_{k+1} = (1 - \alpha)(x_k + \eta d_1) + \alpha (x_0 + \eta d_2), \qquad
      \alpha = \min\left(\frac{\|d_1\|}{\|d_1\| + \|d_2\|}, \alpha_{\max}\right)$$

    If $x_{k+1}$ is misclassified it is kept where it is the nearest so far, and the next step
    begins at $x_0 + \beta (x_{k+1} - x_0)$.

    Args:
        logits_fn: `[batch, height, width, channels] -> [batch, classes]`, each row of its own
            image alone.
        images: clean pixels in [0, 1].
        labels: the right classes.
        key: one key, or one per image, as in `pgd`; only random starts read it.
        eps: random starts lie `eps / 2` from the image. What is found may lie farther.
        targets: t, one class for each image (FAB-T): one backward pass a step. None takes the
            class with the nearest hyperplane, and makes a backward pass for every class.
        steps: each is one gradient and two forward passes.
        norm: `linf`, or `l2` over all pixels of an image.
        random_start: start on a sphere around the image, else at the image.
        alpha_max: the largest share of the step from the clean image.
        overshoot: $\eta$, how far past the hyperplane a step goes.
        backward: $\beta$, how much of the way a misclassified point keeps.

    Returns:
        The nearest misclassified images found, and their distances; the clean image and infinity
        where none was found.
    """
    clean = images.astype(jnp.float32)
    towards = _nearest if targets is None else _to(targets)

    def lost(x: Array) -> Array:
        logits = logits_fn(x)
        return margin(logits, is_class(labels, logits.shape[-1])) > 0

    def step(state: _State, _: None) -> tuple[_State, None]:
        value, slope = towards(logits_fn, state.x, labels, norm)
        from_clean = value + jnp.sum(slope * (clean - state.x), axis=(1, 2, 3))
        one = to_hyperplane(state.x, slope, value, norm)
        two = to_hyperplane(clean, slope, from_clean, norm)
        far, near = (jnp.maximum(size(d, norm), SHORTEST) for d in (one, two))
        alpha = per_image(jnp.minimum(far / (far + near), alpha_max))
        x = (1 - alpha) * (state.x + overshoot * one) + alpha * (clean + overshoot * two)
        x = jnp.clip(x, 0.0, 1.0)
        fooled = lost(x)
        nearness = jnp.where(fooled, -size(x - clean, norm), -jnp.inf)
        best, best_nearness = better(state.best, state.nearness, x, nearness)
        x = jnp.where(per_image(fooled), clean + backward * (x - clean), x)
        return _State(x, best, best_nearness), None

    start = clean
    if random_start:
        start = on_edge(clean, one_each(key, clean.shape[0]), 0.5 * eps, norm)
    # An image that is misclassified as it is needs no step.
    state = _State(start, clean, jnp.where(lost(clean), 0.0, -jnp.inf))
    state, _ = jax.lax.scan(step, state, None, length=steps)
    return state.best, -state.nearness


def size(x: Images, norm: Norm) -> Float[Array, " batch"]:
    """The norm over all pixels of an image."""
    return jnp.max(jnp.abs(x), axis=(1, 2, 3)) if norm == "linf" else length(x)


class _State(NamedTuple):
    x: Images
    best: Images
    nearness: Float[Array, " batch"]  # minus the distance of the best point


# `(logits_fn, x, labels, norm) -> (f [batch], its gradient)` of the class that a step is made to.
Towards = Callable[[Logits, Array, Array, Norm], tuple[Array, Array]]


def _to(targets: Int[Array, " batch"]) -> Towards:
    """Towards one given class of each image."""

    def towards(logits_fn: Logits, x: Array, labels: Array, norm: Norm) -> tuple[Array, Array]:
        logits, pull = jax.vjp(logits_fn, x)
        lead = _lead(targets, labels, logits)
        return jnp.sum(lead * logits, axis=-1), pull(lead)[0]

    return towards


def _nearest(logits_fn: Logits, x: Array, labels: Array, norm: Norm) -> tuple[Array, Array]:
    """Towards the class with the least `|f| / |gradient of f|`, in the dual norm of the gradient.

    One class at a time, so that memory does not grow with the classes.
    """
    logits, pull = jax.vjp(logits_fn, x)

    def closer(carry: tuple[Array, Array, Array], number: Array):
        value, slope, nearness = carry
        lead = _lead(jnp.full_like(labels, number), labels, logits)
        new, rise = jnp.sum(lead * logits, axis=-1), pull(lead)[0]
        dual = jnp.sum(jnp.abs(rise), axis=(1, 2, 3)) if norm == "linf" else length(rise)
        found = jnp.where(number == labels, -jnp.inf, -jnp.abs(new) / (dual + 1e-12))
        wins = found > nearness
        value = jnp.where(wins, new, value)
        slope, nearness = better(slope, nearness, rise, found)
        return (value, slope, nearness), None

    none = jnp.zeros(x.shape[0])
    classes = jnp.arange(logits.shape[-1], dtype=labels.dtype)
    start = (none, jnp.zeros_like(x), none - jnp.inf)
    return jax.lax.scan(closer, start, classes)[0][:2]


def _lead(targets: Array, labels: Array, logits: Array) -> Float[Array, "batch classes"]:
    """What the logits are multiplied by for `z_t - z_y`."""
    one, other = (
        jax.nn.one_hot(c, logits.shape[-1], dtype=logits.dtype) for c in (targets, labels)
    )
    return one - other
