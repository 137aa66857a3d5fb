"""Whether the attack is as strong as it should be, by comparing it with itself and with luck.

All of it is PGD on the margin of retrieval, image against captions, with the radius, step size and
steps of the evaluation. "Right" is a picture whose nearest caption is its own.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mat_jax.evaluate.checks.sample import TIE, Sample, judged
from mat_jax.evaluate.results import Check, eps_text

LARGE = 64 / 255  # a radius that no model holds
DRAWS = 8  # random points of the ball that stand for luck


@dataclass(frozen=True, eq=False)
class Trials:
    """Margins [sample] of the attack and of what it is compared with, each found once."""

    sample: Sample

    @cached_property
    def clean(self) -> np.ndarray:
        """Without attack."""
        return self.sample.margin(self.sample.images)

    @cached_property
    def noise(self) -> np.ndarray:
        """[DRAWS, sample] at random points."""
        return np.stack([self.sample.margin(self.sample.draw(n)) for n in range(DRAWS)])

    @cached_property
    def fgsm(self) -> np.ndarray:
        """After one step."""
        return self.sample.margin(self.sample.leap())

    @cached_property
    def pictures(self) -> np.ndarray:
        """[sample, height, width, 3] what the attack makes."""
        return np.asarray(self.sample.climb())

    @cached_property
    def longer(self) -> np.ndarray:
        """[3, sample] after once, twice and four times the steps, from the same start."""
        sample, steps = self.sample, self.sample.threat.steps
        further = [sample.climb(steps=n * steps) for n in (2, 4)]
        return np.stack([sample.margin(images) for images in (self.pictures, *further)])

    @cached_property
    def again(self) -> np.ndarray:
        """From another start."""
        return self.sample.margin(self.sample.climb(start=1))

    @cached_property
    def white(self) -> np.ndarray:
        """The best of all with a gradient."""
        return np.max([*self.longer, self.again, self.fgsm], axis=0)

    def right(self, margins: np.ndarray) -> int:
        """How many are still right."""
        return int((margins < -TIE).sum())


def repeated(trials: Trials) -> Check:
    """The same seed makes the same pictures, bit for bit."""
    sample = trials.sample
    differ = trials.pictures != np.asarray(sample.climb())
    count = int(differ.any(axis=(1, 2, 3)).sum())
    said = f"With the same seed the attack makes the same {len(sample)} pictures, bit for bit."
    if count:
        said = (
            f"With the same seed the attack makes {count} of {len(sample)} pictures otherwise: "
            "the device or the model is not deterministic, and numbers will vary a little."
        )
    return judged("same seed, same pictures", not count, said, differ=count, of=len(sample))


def rising(trials: Trials) -> Check:
    """The loss ends above its random start, and its best never falls with more steps."""
    n = len(trials.sample)
    start = trials.sample.margin(trials.sample.climb(steps=0))
    up = int((trials.longer[0] > start).sum())
    fell = int((np.diff(trials.longer, axis=0) < -TIE).any(axis=0).sum())
    good = up >= 0.9 * n and fell == 0
    said = f"From its random start the attack raises its loss on {up} of {n} pictures"
    said += ", and more steps never end lower" if not fell else f"; more steps end lower on {fell}"
    end = "." if good else ": it does not climb, or its gradient is masked."
    return judged("loss rises", good, said + end, rose=up, fell=fell, of=n)


def order(trials: Trials) -> Check:
    """PGD does at least what FGSM does, and FGSM at least what noise does, in the mean margin."""
    noise, fgsm, pgd = (
        float(np.mean(values - trials.clean))
        for values in (trials.noise, trials.fgsm, trials.longer[0])
    )
    room = 0.01 * abs(pgd) + TIE
    good = pgd >= fgsm - room and fgsm >= noise - room
    said = (
        f"Mean rise of the margin: noise {noise:.3g}, one gradient step (FGSM) {fgsm:.3g}, PGD "
        f"{pgd:.3g}"
    )
    end = "; each should beat the one before, so the gradient is masked."
    reach = trials.sample.threat.steps * trials.sample.step / trials.sample.threat.eps
    if fgsm >= noise - room and reach < 2:
        end = f"; all steps of PGD together are {reach:.3g} eps, too short to cross a ball of 2 eps"
        end += ": give more --steps or a longer --step-size."
    end = "." if good else end
    return judged("PGD over FGSM over noise", good, said + end, noise=noise, fgsm=fgsm, pgd=pgd)


def radius(trials: Trials) -> Check:
    """What is left does not grow with eps, and at a very large eps is no more than chance."""
    sample = trials.sample
    eps, n = sample.threat.eps, len(sample)
    large = LARGE * (1.0 if sample.threat.norm == "linf" else sample.images[0].size ** 0.5)
    radii = [eps, 2 * eps, 4 * eps, max(large, 8 * eps)]
    radii = [r for r in radii[:-1] if r < radii[-1]] + radii[-1:]
    right = [trials.right(trials.longer[0])]
    right += [trials.right(sample.margin(sample.climb(eps=r))) for r in radii[1:]]
    chance = float(sample.right.mean()) * n
    spare = max(1.0, 0.01 * n)  # a picture may stand by luck
    grows = max(np.diff(right), default=0) > spare
    stands = right[-1] > max(chance, spare)
    where = ", ".join(eps_text(r) for r in radii)
    said = f"At eps {where} the attack leaves {', '.join(map(str, right))} of {n} pictures right"
    if stands:
        said += "; no model holds the last, so its gradient is masked"
    elif grows:
        said += "; a larger ball should never leave more, so the gradient is masked"
    figures = {"eps": radii, "right": right, "chance": chance}
    return judged("larger eps, less left", not (grows or stands), said + ".", **figures)


def converged(trials: Trials) -> Check:
    """Two and four times the steps, and another start, lower R@1 by at most a point more.

    A sample of n images resolves 100/n points: so one image may fall. The mean margin is finer: it
    may gain a quarter of what the attack gained, which is what a few grey pixels are worth.
    """
    n, steps = len(trials.sample), trials.sample.threat.steps
    best = np.maximum.accumulate([*trials.longer, trials.again])
    right = [trials.right(values) for values in best]
    first = float(np.mean(best[0] - trials.clean))
    more = float(np.mean(best[-1] - best[0])) / max(first, TIE)
    fallen = right[0] - right[-1]
    good = fallen <= max(1, 0.01 * n) and (more <= 0.25 or right[0] == 0)
    said = (
        f"{steps} steps leave {right[0]} of {n} pictures right, {2 * steps} leave {right[1]}, "
        f"{4 * steps} leave {right[2]}, and another start {right[3]} (one is {100 / n:.1f} "
        f"points); "
    )
    # Of next to nothing no share can be told.
    said += (
        f"the margin gains {100 * more:.0f} % more"
        if more < 10
        else "nearly all that the margin gains comes after the first of these"
    )
    end = "." if good else ": the attack has not converged; raise --steps, or --step-size."
    figures = {"right": right, "gain": first, "more": more, "resolves": 100 / n}
    return judged("more steps change little", good, said + end, **figures)


def black_box(trials: Trials) -> Check:
    """Neither noise nor Square finds what the gradient does not.

    AutoAttack's rule: a black-box attack that takes 0.2 points more is a sign of masking. On a
    sample that is any image broken by it alone; or, finer, a better margin on a tenth.
    """
    n, norm = len(trials.sample), trials.sample.threat.norm
    blind = trials.noise.max(axis=0)
    if norm == "linf":
        blind = np.maximum(blind, trials.sample.margin(trials.sample.search()))
    alone = int(((blind >= -TIE) & (trials.white < -TIE)).sum())
    ahead = int((blind > trials.white + TIE).sum())
    good = alone <= 0.002 * n and ahead <= max(1, 0.1 * n)
    who = "noise and Square" if norm == "linf" else "noise"
    said = f"Without a gradient, {who} break {alone} of {n} pictures that PGD cannot"
    said += f", and get farther on {ahead}"
    end = "." if good else ": what needs no gradient does better, so the gradient is masked."
    return judged("no black box does better", good, said + end, alone=alone, ahead=ahead, of=n)
