"""What the adversary may do: the threat model in one record, and what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Norm = Literal["linf", "l2"]
Constraint = Literal["none", "truthful", "similar"]
Preset = Literal["strict", "official"]


@dataclass(frozen=True)
class ThreatModel:
    """What the adversary may do to one image and its captions.

    Attributes:
        eps: radius of the image perturbation. For `linf` in pixel units of [0, 1] (2/255 is two
            grey levels); for `l2` the Euclidean length of the whole perturbation.
        norm: `linf` or `l2`.
        steps: gradient steps of the image attack.
        step_size: length of one step in the units of `eps`; None is the attack's own default
            (`2.5 eps / steps` for PGD, Sep-Attack and Co-Attack, `eps / 4` for SGA).
        restarts: random starts of the image attack, the best kept per image.
        words: words that may change in one caption.
        candidates: substitutes tried for one word, the likeliest first. Under `official` up to 24
            are tried for a word that is several tokens of the language model.
        constraint: what a substitute must satisfy. It is obeyed when the word table is built
            (`data.build_words(..., keep=...)`); here it names what was done.

    Raises:
        ValueError: a value outside its range, in one sentence.

    >>> threat = ThreatModel(eps=4 / 255, steps=20)
    >>> threat.norm, threat.words
    ('linf', 1)
    >>> ThreatModel(eps=4.0)
    Traceback (most recent call last):
    ValueError: ...
    """

    eps: float = 2 / 255
    norm: Norm = "linf"
    steps: int = 10
    step_size: float | None = None
    restarts: int = 1
    words: int = 1
    candidates: int = 10
    constraint: Constraint = "none"

    def __post_init__(self) -> None:
        _require(self.norm in get_args(Norm), f"norm {self.norm!r} is not one of linf, l2")
        _require(
            self.constraint in get_args(Constraint),
            f"constraint {self.constraint!r} is not one of none, truthful, similar",
        )
        if self.norm == "linf":
            _require(
                0 <= self.eps <= 1,
                f"eps {self.eps} is outside [0, 1]: pixels are floats in [0, 1], so two grey "
                "levels are written 2/255",
            )
        else:
            _require(0 <= self.eps < float("inf"), f"eps {self.eps} must be 0 or more for l2")
        _require(
            self.step_size is None or self.step_size >= 0,
            f"step_size {self.step_size} must be 0 or more, or None for the attack's default",
        )
        for name, least in (("steps", 0), ("restarts", 1), ("words", 0), ("candidates", 1)):
            value = getattr(self, name)
            _require(
                isinstance(value, int) and value >= least,
                f"{name} {value!r} must be a whole number of {least} or more",
            )


StepSize = Callable[[ThreatModel, Preset], float]


def step_size(threat: ThreatModel, preset: Preset = "strict") -> float:
    """`2.5 eps / steps` (Madry et al. 2018); `official` is the released code's `1.25 eps / steps`.

    From one end of the ball the other is `2 eps` away, and not every step goes the same way: with
    the shorter one, ten steps from a random start do less than a single one from the image does
    (`evaluate.checks.strength` found it).
    """
    return (1.25 if preset == "official" else 2.5) * threat.eps / max(threat.steps, 1)


def proposals(threat: ThreatModel) -> int:
    """50 squares for each gradient step: AutoAttack tries 5,000 beside the 100 steps of APGD."""
    return 50 * threat.steps


def require_preset(preset: str) -> None:
    """One clear sentence for a preset that does not exist."""
    _require(preset in get_args(Preset), f"preset {preset!r} is not one of strict, official")


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)
