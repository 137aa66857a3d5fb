"""APGD: gradient ascent that chooses its own step size (Croce & Hein, ICML 2020)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from mat_jax.attacks.objectives import dlr_targeted, margin, runners_up
from mat_jax.attacks.optimizers.projected_gradient import (
    Loss,
    NoisyLoss,
    best_attempt,
    better,
    fold,
    one_each,
)
from mat_jax.attacks.optimizers.projections import (
    Images,
    Radius,
    on_edge,
    per_image,
    project,
    uphill,
)
from mat_jax.attacks.threat import Norm

MOMENTUM = 0.75


def apgd(
    loss_fn: Loss,
    images: Images,
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    eps: Radius,
    steps: int = 100,
    norm: Norm = "linf",
    random_start: bool = True,
    restarts: int = 1,
    rho: float = 0.75,
    climb_fn: NoisyLoss | None = None,
) -> Images:
    """Maximise `loss_fn(x)` over `|x - images| <= eps` and `0 <= x <= 1`, with no step size to set.

    With P the projection onto ball and box and a = 0.75, but 1 in the first step (algorithm 1):

        z      <- P(x_k + eta * direction(grad loss_fn(x_k)))
        x_k+1  <- P(x_k + a (z - x_k) + (1 - a) (x_k - x_k-1))

    Each image has its own eta, `2 eps` at first. At each of `checkpoints(steps)` it is halved, and
    the image goes back to its best point, if since the last checkpoint (1) no more than the share
    `rho` of the steps raised the loss, or (2) the best loss has not risen, eta having been left
    alone there. "No more than", where the paper has "less than", is the released program's.

    Args:
        loss_fn: `[batch, height, width, channels] -> [batch]`, maximised; each value of its own
            image alone.
        images: clean pixels in [0, 1].
        key: one key, or one per image, as in `pgd`.
        eps: radius of the ball; may be mapped over, as in `pgd`.
        steps: gradient steps of each start.
        norm: `linf`, or `l2` over all pixels of an image.
        random_start: start on the edge of the ball, else at the clean image.
        restarts: independent starts; the best of all is kept per image.
        rho: the share of steps that must raise the loss.
        climb_fn: an objective climbed, and watched by the step size, in the place of `loss_fn`,
            which still decides what is kept: cross-entropy climbed and the margin kept, say, or
            an objective with noise. Its form is that of `pgd`.

    Returns:
        float32 images [batch, height, width, channels] in the ball and in the box: per image the
        visited point of largest `loss_fn` (the released program's `best_loss`).
    """
    clean = images.astype(jnp.float32)
    keys = one_each(key, clean.shape[0])
    # Of each step: whether a checkpoint is before it, and how many rises are too few there.
    halts, few = np.zeros(steps, bool), np.zeros(steps, np.float32)
    places = [place for place in checkpoints(steps) if place < steps]
    halts[places], few[places] = True, rho * np.diff(places, prepend=0)

    def climb(x: Array, keys: Array) -> tuple[Array, tuple[Array, Array]]:
        climbed, value = climb_fn(x, keys) if climb_fn else 2 * (loss_fn(x),)
        return jnp.sum(climbed), (climbed, value)

    gradient = jax.value_and_grad(climb, has_aux=True)

    def attempt(index: Array) -> tuple[Array, Array]:
        once = fold(keys, index)

        def step(state: _State, now: tuple[Array, Array, Array]) -> tuple[_State, None]:
            number, halt, few = now
            (_, (climbed, value)), slope = gradient(state.x, fold(once, number + 1))
            state = state.judged(climbed, value, slope)
            state, back = state.paced(climbed, halt, few)
            here = jnp.where(per_image(back), state.best, state.x)
            slope = jnp.where(per_image(back), state.best_slope, slope)
            z = here + per_image(state.eta) * uphill(slope, norm)
            z = project(z, clean, eps, norm)
            a = jnp.where(number > 0, MOMENTUM, 1.0)
            # The way come is measured to where the image stands, even if it has gone back.
            x = here + a * (z - here) + (1 - a) * (here - state.before)
            return state._replace(x=project(x, clean, eps, norm), before=here), None

        start = clean
        if random_start:
            start = on_edge(clean, fold(once, jnp.zeros_like(index)), eps, norm)
        state = _State.at(start, eta=2.0 * jnp.asarray(eps, jnp.float32), keep=climb_fn is not None)
        now = jnp.arange(steps), jnp.asarray(halts), jnp.asarray(few)
        state, _ = jax.lax.scan(step, state, now)
        kept = state.kept or (state.best, state.best_value)
        return better(*kept, state.x, loss_fn(state.x))

    return best_attempt(attempt, clean, restarts)


def apgd_targeted(
    logits_fn: Callable[[Array], Array],
    images: Images,
    positive: Bool[Array, "batch classes"],
    key: Key[Array, ""] | Key[Array, " batch"],
    *,
    eps: Radius,
    targets: int = 9,
    first: int | Int[Array, ""] = 0,
    steps: int = 100,
    norm: Norm = "linf",
    restarts: int = 1,
) -> Images:
    """APGD-T: climb `dlr_targeted` towards each of the strongest wrong classes in turn.

    The targets are the `targets` negatives of largest logit on the clean image (appendix of the
    paper: 9). Per image the visited point of largest `margin` is kept, over all of them.

    Args:
        logits_fn: `[batch, height, width, channels] -> [batch, classes]`.
        images: clean pixels in [0, 1].
        positive: which classes, or texts of a gallery, are right.
        key, eps, steps, norm, restarts: as in `apgd`, for each target.
        targets: how many; the cost is that of so many runs of `apgd`.
        first: leave out so many of the strongest. Two calls with 3 targets each, the second from
            the third on, are one call with 6, and images may be left out in between.
    """
    clean = images.astype(jnp.float32)
    keys = one_each(key, clean.shape[0])
    logits = logits_fn(clean)
    goals = runners_up(logits, positive, logits.shape[-1])

    def kept(x: Array) -> Array:
        return margin(logits_fn(x), positive)

    def attempt(index: Array) -> tuple[Array, Array]:
        rank = first + index

        def climb(x: Array, keys: Array) -> tuple[Array, Array]:
            logits = logits_fn(x)
            return dlr_targeted(logits, positive, goals[rank]), margin(logits, positive)

        once = fold(keys, rank)
        found = apgd(
            kept, clean, once, eps=eps, steps=steps, norm=norm, restarts=restarts, climb_fn=climb
        )
        return found, kept(found)

    return best_attempt(attempt, clean, targets)


def checkpoints(steps: int) -> tuple[int, ...]:
    """The steps after which step sizes are judged: for 100, after 22, 41, 57, 70, 80, 87, 93, 99.

    The first interval is 0.22 of the steps, each later one 0.03 shorter, never below 0.06. Each is
    rounded down, but is at least 1, as in the released program; the paper (section 3.1) rounds the
    places up instead, which is the same for 100.
    """
    length, least, shorter = (max(int(share * steps), 1) for share in (0.22, 0.06, 0.03))
    places = []
    place = length
    while place <= steps:
        places.append(place)
        length = max(length - shorter, least)
        place += length
    return tuple(places)


class _State(NamedTuple):
    x: Array
    before: Array  # where the last step began
    best: Array
    best_slope: Array
    best_value: Float[Array, " batch"]
    eta: Float[Array, " batch"]
    last: Float[Array, " batch"]  # the loss one step ago
    rises: Float[Array, " batch"]  # since the last checkpoint
    checked: Float[Array, " batch"]  # the best loss at the last checkpoint
    halved: Bool[Array, " batch"]  # eta, at the last checkpoint
    kept: tuple[Array, Array] | None  # point and value, where another loss decides

    @classmethod
    def at(cls, start: Array, *, eta: Array, keep: bool) -> "_State":
        none = jnp.zeros(start.shape[0])
        lowest = none - jnp.inf
        return cls(
            x=start,
            before=start,
            best=start,
            best_slope=jnp.zeros_like(start),
            best_value=lowest,
            eta=none + eta,
            last=none + jnp.inf,
            rises=none,
            checked=lowest,
            halved=none == 0,
            kept=(start, lowest) if keep else None,
        )

    def judged(self, climbed: Array, value: Array, slope: Array) -> "_State":
        """The point has been evaluated: is it the best so far?"""
        wins = climbed > self.best_value
        return self._replace(
            best=jnp.where(per_image(wins), self.x, self.best),
            best_slope=jnp.where(per_image(wins), slope, self.best_slope),
            best_value=jnp.where(wins, climbed, self.best_value),
            kept=better(*self.kept, self.x, value) if self.kept else None,
        )

    def paced(self, climbed: Array, halt: Array, few: Array) -> tuple["_State", Array]:
        """Step sizes for the next step, and which images go back to their best point."""
        rises = self.rises + (climbed > self.last).astype(jnp.float32)
        stuck = (rises <= few) | (~self.halved & (self.checked >= self.best_value))
        back = halt & stuck
        after = self._replace(
            eta=jnp.where(back, self.eta / 2, self.eta),
            last=climbed,
            rises=jnp.where(halt, 0.0, rises),
            checked=jnp.where(halt, self.best_value, self.checked),
            halved=jnp.where(halt, stuck, self.halved),
        )
        return after, back
