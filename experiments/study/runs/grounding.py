"""Phrases grounded under attack by what `defenses.py` trained: finding J of the papers.

python -m experiments.study --only grounding --seeds 3

Every phrase is attacked with its picture, and the model says by where it looks which of the four
objects is meant: RefCOCO+'s protocol, with the scene's own boxes for a detector's. As in the papers
any word may be put in; or, with `constraint=truthful`, one that leaves the phrase naming the object
it names and no other, for what a false phrase means nobody can say. What was measured:
`python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from dataclasses import replace
from typing import Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, data, defenses

ATTACKS = ("none", "pgd", "bert_attack", "co_attack", "sga", "co_attack_fused")


def experiment(
    model: Literal["scenes-albef"] = "scenes-albef",
    split: Literal["val", "test"] = "test",
    eps: float = 6 / 255,
    words: int = 1,
    constraint: Literal["none", "truthful"] = "none",
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """`limit` scenes, four phrases each. By itself it fine-tunes; the study measures others."""
    found = on_scenes(
        defenses.FineTune(), model=model, split=split, eps=eps, words=words, seed=seed
    )
    assert found.evaluation is not None
    phrases = data.Phrases(data.load_scenes(split, limit=limit))
    asked = replace(
        found.evaluation,
        data=phrases,
        attacks=ATTACKS,
        suite=None,
        constraint=constraint,
        limit=None,
    )
    return replace(found, evaluation=asked)
