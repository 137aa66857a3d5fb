"""A captioner, defended for a minute and measured elsewhere: for miniatures.

python -m mat_jax.train --config experiments/tables/short_captioner.py --set defense=mava
"""

from dataclasses import replace
from typing import Literal

from experiments.study.runs import captioning
from mat_jax import Experiment


def experiment(
    defense: Literal["fine_tune", "fare", "mava", "mat", "mat_plus"] = "mava",
    steps: int = 60,
    batch_size: int = 32,
    seed: int = 0,
) -> Experiment:
    """The study's settings, with fewer steps, smaller batches and no evaluation."""
    whole = captioning.experiment(defense=defense, steps=steps, batch_size=batch_size, seed=seed)
    return replace(whole, evaluation=None)
