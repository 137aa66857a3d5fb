"""An experiment of a study: the toy, measured clean and under PGD."""

import dataclasses

from mat_jax import Evaluation, Experiment
from tests import toy_experiment


def experiment(
    steps: int = 4,
    defense: str = "fine_tune",
    limit: int = 6,
    checkpoint_every: int = 2,
    seed: int = 0,
) -> Experiment:
    toy = toy_experiment.experiment(
        steps=steps, defense=defense, seed=seed, checkpoint_every=checkpoint_every
    )
    evaluation = Evaluation(
        data=toy_experiment.Blocks(),
        attacks=("none", "pgd"),
        eps=8 / 255,
        steps=2,
        limit=limit,
        batch_size=3,
        shown=2,
        checks=0,
    )
    return dataclasses.replace(toy, evaluation=evaluation)
