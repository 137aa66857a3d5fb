"""What is written beside every number: what was allowed, used, and on what it ran."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from mat_jax import attacks as suite
from mat_jax.attacks import ThreatModel
from mat_jax.attacks.characters import POSITIONS
from mat_jax.attacks.fused import require_fusion
from mat_jax.attacks.threat import Preset
from mat_jax.data import Corpus
from mat_jax.results import eps_text

PACKAGES = ("mat-jax", "jax", "jaxlib", "flax", "numpy")


def check_request(
    names: Sequence[str], model: Any, corpus: Corpus, threats: Sequence[ThreatModel]
) -> None:
    """Refuse what cannot be measured before anything is computed."""
    unknown = [name for name in names if name not in suite.SUITE]
    if unknown:
        raise ValueError(f"unknown attack {unknown[0]!r}; choose from {', '.join(suite.SUITE)}")
    require_pairs(names)
    needs = [
        name for name in names if suite.SUITE[name].on_text and not suite.SUITE[name].characters
    ]
    if needs and corpus.table is None:
        raise ValueError(
            f"the attack {needs[0]!r} changes words but the corpus has no candidates; give "
            "--mlm NAME_OR_DIR, or corpus.with_words(data.build_words(...))"
        )
    if any(suite.SUITE[name].fuses for name in names):
        require_fusion(model)
    if not threats:
        raise ValueError("no threat model is given; give at least one eps")


def require_pairs(names: Sequence[str]) -> None:
    """Refuse attacks on classification: there are no classes in retrieval."""
    of_classes = [name for name in names if suite.SUITE[name].classifies]
    if of_classes:
        raise ValueError(
            f"the attack {of_classes[0]!r} is on classification, and this evaluation measures "
            "retrieval: take apgd or square here, or attacks.autoattack on a model of classes"
        )


def protocol_of(
    attack: str, threat: ThreatModel, preset: Preset, images: int, passes: Mapping[str, int]
) -> dict[str, Any]:
    """What the adversary was allowed, and what it used: the part that matters to this attack."""
    of = suite.SUITE[attack]
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
    if passes:
        found["passes_per_image"] = {name: total / images for name, total in passes.items()}
    return found


def versions() -> dict[str, str | None]:
    """The versions of the packages that decide the numbers."""
    return {package: version(package) for package in PACKAGES}


def version(package: str) -> str | None:
    """Of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
