"""A model of entailment or of answers, defended for a minute and measured elsewhere.

python -m mat_jax.train --config experiments/tables/short_judged.py --set defense=mat
"""

from dataclasses import replace
from typing import Literal

from experiments.study.runs import judged
from mat_jax import Experiment


def experiment(
    task: Literal["entailment", "vqa"] = "entailment",
    defense: Literal["fine_tune", "tecoa_itr", "fare", "mat"] = "mat",
    steps: int = 60,
    seed: int = 0,
) -> Experiment:
    """The study's settings, with fewer steps and no evaluation."""
    whole = judged.experiment(task=task, defense=defense, steps=steps, seed=seed)
    return replace(whole, evaluation=None)
