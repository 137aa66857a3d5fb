"""A defence of the study, trained for a minute and measured elsewhere: for miniatures.

python -m mat_jax.train --config experiments/tables/short.py --set defense=mat
"""

from dataclasses import replace
from typing import Literal

from experiments.study.runs import defenses
from mat_jax import Experiment


def experiment(
    model: Literal["scenes-clip", "scenes-albef", "scenes-blip"] = "scenes-clip",
    defense: defenses.Defense = "mat",
    steps: int = 100,
    batch_size: int = 32,
    seed: int = 0,
) -> Experiment:
    """The study's settings, with fewer steps, smaller batches and no evaluation."""
    whole = defenses.experiment(
        model=model, defense=defense, steps=steps, batch_size=batch_size, seed=seed
    )
    return replace(whole, evaluation=None)
