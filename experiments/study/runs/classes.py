"""Zero-shot classification by what was trained on classes: findings G, H and K of the papers.

python -m experiments.study --only classes --seeds 3

Defences that were published for classification, and MAT, train on the kinds of 4,000 scenes. They
are measured on the kinds of others, in distribution, and by two sets that they did not train on:
the colour of the main object, and the ground. The threat is MMCoA's: images, class prompts, or
both. A word of a prompt may be replaced, the class's name too, as in its program. What was
measured: `python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from dataclasses import replace
from typing import Literal

from experiments.few_shot import train
from mat_jax import Evaluation, Experiment, data

ATTACKS = ("none", "pgd_ce", "apgd_ce", "mmcoa_text", "mmcoa", "mmcoa_joint")


def experiment(
    defense: train.Defense = "mmcoa",
    trait: Literal["kind", "colour", "ground"] = "kind",
    lr: float = 1e-4,
    steps: int = 100,
    batch_size: int = 64,
    eps: float = 2 / 255,
    words: int = 1,
    limit: int = 300,
    seed: int = 0,
) -> Experiment:
    """Adam at one rate for all; image attacks of the training have two steps."""
    trained = train.experiment(
        source="scenes",
        defense=defense,
        model="scenes-clip",
        mlm="scenes-bert",
        targets="classes",
        eps=eps,
        pgd_steps=2,
        words=words,
        lr=lr,
        weight_decay=0.0,
        batch_size=batch_size,
        steps=steps,
        seed=seed,
    )
    asked = Evaluation(
        data=data.scene_classes(data.load_scenes("test", limit=limit), trait),
        task="zero_shot",
        attacks=ATTACKS,
        suite=None,
        eps=eps,
        steps=10,
        words=words,
        mlm="scenes-bert",
        batch_size=50,
        shown=6,
        checks=0,
    )
    return replace(trained, evaluation=asked)
