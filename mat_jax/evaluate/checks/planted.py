"""Tests of the attack itself: where an adversarial point surely exists, it must be found."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mat_jax.attacks.threat import Norm
from mat_jax.evaluate.checks.sample import Readout, Sample, judged, open_question
from mat_jax.evaluate.results import Check

INNER = 16  # random points that must not be adversarial
LOOKS = 16  # random points that are searched at most
SIDE = 6  # of the linear toy's pictures


def check_planted(sample: Sample) -> Check:
    r"""The binarisation test (Zimmermann et al., 2022, section 4), with a readout in closed form.

    For each image one point p of its ball is made adversarial: with e the frozen embedding and m
    the mean of e over the image and `INNER` random points x_i of the ball, the readout

    $$z(x) = \langle w, e(x) \rangle - b, \quad w = e(p) - m, \quad
      b = \langle w, e(p) \rangle - \tfrac14 (\langle w, e(p) \rangle
          - \max_i \langle w, e(x_i) \rangle)$$

    is above 0 at p and below at the others. So an adversarial point exists; the attack, with the
    settings of the evaluation, must find one, and luck should not.
    """
    name = "planted vulnerability"
    looks = min(LOOKS, sample.threat.steps + 1)
    inner = np.stack([sample.clean, *(sample.see(sample.draw(n)) for n in range(INNER))])
    point = sample.draw(INNER + 1)
    readout = plant(sample, sample.see(point), inner)
    there = sample.margin(point, readout) > 0
    count = int(there.sum())
    if not count:
        return open_question(
            name, "No random point of a ball can be told apart, so none can be made adversarial."
        )
    found = int((there & (sample.margin(sample.climb(readout), readout) > 0)).sum())
    luck = np.zeros(len(sample), bool)
    for n in range(looks):
        luck |= sample.margin(sample.draw(INNER + 2 + n), readout) > 0
    lucky = int((there & luck).sum())
    said = (
        f"Of {count} adversarial points that were planted, the attack found {found}, and {looks} "
        f"random points {lucky}"
    )
    figures = {"planted": count, "found": found, "random": lucky, "looks": looks}
    if lucky > count / 2:
        return open_question(name, f"{said}; where luck suffices, nothing is proved.", **figures)
    good = found >= 0.95 * count
    end = "." if good else ": it is broken, or its gradient masked, and its numbers say nothing."
    return judged(name, good, said + end, **figures)


def plant(sample: Sample, target: np.ndarray, inner: np.ndarray) -> Readout:
    """The readout of `planted`, as large as the gallery's, so that no new program is compiled.

    Args:
        sample: whose gallery says how large.
        target: [sample, embed] of the points to be adversarial.
        inner: [points, sample, embed] of those not to be.
    """
    weights, bias, right = (np.array(x) for x in sample.gallery)
    w = target - inner.mean(axis=0)
    top = np.sum(w * target, axis=-1)
    gap = top - np.sum(w * inner, axis=-1).max(axis=0)
    sure = gap > 1e-5 * np.linalg.norm(w, axis=-1)  # beyond float32's rounding of e
    size = np.where(sure, 1 / np.where(sure, gap, 1), 0).astype(np.float32)
    weights[:], bias[:], right[:] = 0, -np.inf, False
    # Class 0 is right and scores 0, class 1 is wrong and scores z over the gap; no other counts.
    bias[:, 0], right[:, 0] = 0, True
    weights[:, 1] = w * size[:, None]
    bias[:, 1] = np.where(sure, -(top - gap / 4) * size, -1)
    return Readout(weights, bias, right)


def known_answer(sample: Sample) -> Check:
    """The attack on a linear toy, whose optimum is known: `eps |w|_1` for linf, `eps |w|_2` for l2.

    From grey pictures, whose box is out of reach, five steps of `eps / 4`.
    """
    linf, eps = sample.threat.norm == "linf", 8 / 255
    draw = np.random.default_rng(sample.seed)
    w = draw.normal(size=(4, SIDE, SIDE, 3)).astype(np.float32)
    flat = w.reshape(4, -1)
    best = eps * (np.abs(flat).sum(axis=1) if linf else np.linalg.norm(flat, axis=1))
    gain = _gain(w, eps=eps, norm=sample.threat.norm, attack=sample.attack)
    share = float((np.asarray(gain) / best).min())
    said = f"On a linear model the attack reaches {100 * share:.0f} % of the optimum"
    end = ", which is known." if share >= 0.95 else "; it should reach all of it: it is broken."
    return judged("known optimum", share >= 0.95, said + end, share=share)


@partial(jax.jit, static_argnames=("eps", "norm", "attack"))
def _gain(w: Array, *, eps: float, norm: Norm, attack: Callable[..., Array]) -> Array:
    """How far the attack climbs from grey pictures along `w`."""
    rise = lambda x: jnp.sum((x - 0.5) * w, axis=(1, 2, 3))  # noqa: E731
    settings = {"eps": eps, "step_size": eps / 4, "steps": 5, "norm": norm}
    settings |= {"best": True, "random_start": False}
    return rise(attack(rise, jnp.full(w.shape, 0.5), jax.random.key(0), **settings))
