"""A defence of the study, trained for a minute and measured elsewhere: for miniatures.

python -m mat_jax.train --config experiments/tables/short.py --set defense=mat
"""

from dataclasses import replace

from experiments.study.runs import defenses
from mat_jax import Experiment


def experiment(
    defense: defenses.Defense = "mat",
    steps: int = 100,
    batch_size: int = 32,
    seed: int = 0,
) -> Experiment:
    """The study's settings, with fewer steps, smaller batches and no evaluation."""
    given = {"defense": defense, "steps": steps, "batch_size": batch_size, "seed": seed}
    return replace(defenses.experiment(**given), evaluation=None)
