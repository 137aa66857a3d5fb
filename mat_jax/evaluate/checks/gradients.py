"""Whether the gradient is there, is right, and keeps its size: what a masked one is known by."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mat_jax.attacks.objectives import cross_entropy
from mat_jax.evaluate.checks.preconditions import computes_in
from mat_jax.evaluate.checks.sample import TIE, Sample, judged, open_question
from mat_jax.evaluate.results import Check
from mat_jax.types.protocols import Model

STEP = 0.05 / 255  # of the finite difference, in pixel units
NOISE = 2e-6  # in a difference of two float32 margins


def vanishing(sample: Sample) -> Check:
    """Images, and pixels, whose gradient is exactly 0 at a random point of the ball."""
    slope = sample.slope(sample.draw(0))
    nothing = slope == 0
    images = int(nothing.reshape(len(slope), -1).all(axis=1).sum())
    share = float(nothing.mean())
    figures = {"images": images, "of": len(slope), "pixels": share}
    if not images and share <= 0.5:
        return judged("gradient", True, "Every picture has a gradient to climb.", **figures)
    return judged(
        "gradient",
        False,
        f"{images} of {len(slope)} pictures have no gradient at all and {100 * share:.0f} % of "
        "pixels have none: it is masked, and attacks that climb it prove nothing.",
        **figures,
    )


def differences(sample: Sample) -> Check:
    r"""The gradient g of the margin f against differences of f, through all a model does first.

    $$\langle g, d \rangle \approx \frac{f(x + h d) - f(x - h d)}{2 h}$$

    along $d = \text{sign}(g)$ and along random signs, h a twentieth of a grey level, so that the
    margin is nearly straight between the two points. Where both are 0 along both, they agree on
    nothing, and the picture does not count as one on which they agree.
    """
    name = "gradient against differences"
    if computes_in(sample.model) != "float32":
        return open_question(name, "Differences over so short a way need float32.")
    x = np.clip(sample.images, STEP, 1 - STEP)
    slope = sample.slope(x)
    signs = np.random.default_rng(sample.seed).choice([-1, 1], x.shape).astype(np.float32)
    agree, flat = np.ones(len(x), bool), np.ones(len(x), bool)
    for direction in (np.sign(slope), signs):
        told = np.sum(slope * direction, axis=(1, 2, 3), dtype=np.float64)
        up, down = (sample.margin(x + way * direction) for way in (STEP, -STEP))
        seen = (up.astype(np.float64) - down) / (2 * STEP)
        room = 0.1 * np.maximum(abs(told), abs(seen)) + NOISE / (2 * STEP)
        agree &= abs(told - seen) <= room
        flat &= (told == 0) & (seen == 0)
    count, still = int((agree & ~flat).sum()), int(flat.sum())
    good = count >= 0.75 * len(x)
    said = f"On {count} of {len(x)} pictures the gradient is what a small step shows"
    if good:
        end = "."
    elif still > 0.25 * len(x):
        end = f": on {still} both are 0, so neither tells where the model's answer changes."
    else:
        end = ": it does not lead where the model's answer changes, so it is masked."
    return judged(name, good, said + end, agree=count, flat=still, of=len(x))


@jax.jit
def _pull(logits: Array, right: Array) -> Array:
    return jax.grad(lambda z: jnp.sum(cross_entropy(z, right)))(logits)


def scale(sample: Sample) -> Check:
    """Whether the model's logit scale changes what the attack finds.

    The margin has a slope of the same direction at any scale; the cross-entropy at the model's own
    may have none in float32 where the first place is safe (AutoAttack's reason for DLR).
    """
    name = "scale of the logits"
    if not isinstance(sample.model, Model):
        return open_question(name, "The model has no scale of its logits.")
    factor = float(sample.model.scale)
    one, other = (
        sample.margin(sample.climb(readout))
        for readout in (sample.gallery, sample.gallery.times(factor))
    )
    gain = float(np.mean(one - sample.margin(sample.images)))
    drift = float(abs(np.mean(other) - np.mean(one))) / max(abs(gain), TIE)
    right = [int((values < -TIE).sum()) for values in (one, other)]
    logits = factor * sample.clean @ sample.texts.T
    flat = int((np.asarray(_pull(logits, sample.right)) == 0).all(axis=1).sum())
    good = abs(right[0] - right[1]) <= max(1, 0.01 * len(sample)) and drift <= 0.1
    said = (
        f"With logits times {factor:.3g} the attack leaves {right[1]} of {len(sample)} pictures "
        f"right, without {right[0]}"
    )
    said += "." if good else ": the gradient loses its direction with its size."
    if flat:
        said += f" Cross-entropy has no gradient on {flat} of them; the margin, used here, does."
    figures = {"scale": factor, "right": right, "drift": drift, "flat_cross_entropy": flat}
    return judged(name, good, said, **figures)
