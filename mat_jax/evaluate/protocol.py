"""What is written beside every number: what was allowed, used, and on what it ran."""

import math
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from mat_jax import attacks as suite
from mat_jax.attacks import ThreatModel
from mat_jax.attacks.characters import POSITIONS
from mat_jax.attacks.fused import require_fusion
from mat_jax.attacks.threat import Preset
from mat_jax.data.substitutes.proposals import COMBINATIONS
from mat_jax.evaluate.results import Result, eps_text
from mat_jax.evaluate.tasks.base import Examples, HasAims, Task
from mat_jax.types.protocols import Captions, ClassifiesAtRandom, EncodesImages
from mat_jax.utils.spelling import meant

# What two results must share to stand side by side, as far as both name it.
SETTINGS = (
    *("preset", "crafted_on", "norm", "steps", "proposals", "step_size"),
    *("restarts", "words", "candidates", "constraint", "characters", "positions", "suite"),
)
PACKAGES = ("mat-jax", "jax", "jaxlib", "flax", "numpy")


def require_attacks(names: Sequence[str], task: Task) -> None:
    """Refuse attacks that are unknown, or made for other tasks.

    Raises:
        ValueError: names the attack, and those to choose from.
    """
    unknown = [name for name in names if name not in suite.ATTACKS]
    if unknown:
        near = meant(unknown[0], suite.ATTACKS)
        raise ValueError(
            f"unknown attack {unknown[0]!r}{near}; choose from {', '.join(suite.ATTACKS)}"
        )
    foreign = [name for name in names if not task.allows(name)]
    if foreign:
        fit = [name for name in suite.ATTACKS if task.allows(name)]
        raise ValueError(
            f"the attack {foreign[0]!r} is not made for {task.name}; choose from {', '.join(fit)}"
        )


def check_request(
    names: Sequence[str],
    task: Task,
    model: EncodesImages,
    examples: Examples,
    threats: Sequence[ThreatModel],
) -> None:
    """Refuse what cannot be measured before anything is computed."""
    require_attacks(names, task)
    needs = [
        name for name in names if suite.ATTACKS[name].on_text and not suite.ATTACKS[name].characters
    ]
    if needs and not examples.has_words:
        raise ValueError(
            f"the attack {needs[0]!r} changes words but the texts have no candidates; give "
            "--mlm NAME_OR_DIR, or corpus.with_words(data.build_words(...))"
        )
    if any(suite.ATTACKS[name].fuses for name in names):
        require_fusion(model)
    for name in names:
        of = suite.ATTACKS[name]
        if of.captions != isinstance(model, Captions) and name != "none":
            lacks = "writes no captions" if of.captions else "compares no images with texts"
            raise ValueError(
                f"the attack {name!r} cannot be crafted on a model that {lacks}: choose another, "
                "or a --surrogate"
            )
        if of.random and not isinstance(model, ClassifiesAtRandom):
            raise ValueError(
                f"the attack {name!r} averages over the draws of a model that answers at random, "
                f"and this one does not: take {name.removesuffix('_rand')}"
            )
        if of.aims and not isinstance(examples, HasAims):
            raise ValueError(
                f"the attack {name!r} needs texts to aim at, and {examples.name!r} has none here: "
                "leave it out"
            )
    if not threats:
        raise ValueError("no threat model is given; give at least one eps")


def protocol_of(
    attack: str, threat: ThreatModel, preset: Preset, images: int, passes: Mapping[str, int]
) -> dict[str, Any]:
    """What the adversary was allowed, and what it used: the part that matters to this attack."""
    of = suite.ATTACKS[attack]
    found: dict[str, Any] = {"attack": attack}
    if of.on_images:
        found |= {
            "norm": threat.norm,
            "eps": threat.eps,
            "eps_text": eps_text(threat.eps),
            "proposals" if of.searches else "steps": of.steps(threat),
        }
        if of.step_size:
            own = threat.step_size is None
            found["step_size"] = of.step_size(threat, preset) if own else threat.step_size
        found["restarts"] = threat.restarts
    if of.characters:
        found |= {"characters": min(threat.words, 1), "positions": POSITIONS}
    elif of.on_text:
        found |= {
            "words": threat.words,
            "candidates": threat.candidates,
            "constraint": threat.constraint,
        }
        if preset == "official":  # of a word that is several tokens of the language model
            found["combinations"] = COMBINATIONS
    if of.batchwise and preset == "official":
        found["one_choice_for"] = "a whole batch, so it depends on the batch size and the filling"
    if passes:
        found["passes_per_image"] = {name: total / images for name, total in passes.items()}
    return found


def other_threat(one: Result, other: Result) -> str | None:
    """What two results of the same attacks allowed the adversary differently, or None.

    A setting that only one of them names says nothing. The members of a suite may differ: they
    follow from what a model can do.
    """
    for mine, theirs in zip(one.rows, other.rows, strict=True):
        for side in ((mine.protocol, theirs.protocol), (one.protocol, other.protocol)):
            for key in SETTINGS:
                if not all(key in facts for facts in side):
                    continue  # a file of before may not have it
                value, its = (facts[key] for facts in side)
                if not _equal(value, its):
                    where = "" if side[0] is one.protocol else f" of {mine.attack}"
                    return f"{key.replace('_', ' ')}{where} is {value} here and {its} there"
    return None


def _equal(value: object, other: object) -> bool:
    """Files keep six digits of a number."""
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=2e-5)
    return value == other


def versions() -> dict[str, str | None]:
    """The versions of the packages that decide the numbers."""
    return {package: version(package) for package in PACKAGES}


def version(package: str) -> str | None:
    """Of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
