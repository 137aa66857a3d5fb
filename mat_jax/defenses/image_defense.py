"""A defence that attacks images in training: what all of these let their user choose."""

from dataclasses import dataclass

from mat_jax.attacks.threat import Norm, ThreatModel
from mat_jax.defenses.base import PGD, Defense, M


@dataclass(frozen=True, kw_only=True)
class ImageDefense(Defense[M]):
    """A defence with an inner image attack; it states its paper's defaults, and its usual step.

    Args:
        eps: radius of the image perturbation, pixels being in [0, 1].
        steps: PGD steps.
        step_size: length of a PGD step; None is `usual_step`.
        norm: "linf" or "l2".

    Raises:
        ValueError: a value that no threat model may have.
    """

    eps: float = 2 / 255
    steps: int = 10
    step_size: float | None = None
    norm: Norm = "linf"

    def __post_init__(self) -> None:
        ThreatModel(eps=self.eps, norm=self.norm, steps=self.steps, step_size=self.step_size)

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given.

        All steps together go a quarter farther than from the middle of the ball to its edge (our
        choice; the paper of MAT does not say).
        """
        return 1.25 * self.eps / max(self.steps, 1)

    @property
    def step(self) -> float:
        """The length of a PGD step."""
        return self.usual_step if self.step_size is None else self.step_size

    @property
    def pgd(self) -> PGD:
        """The inner image attack."""
        return PGD(self.eps, self.steps, self.step, self.norm)
