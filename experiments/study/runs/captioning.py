"""BLIP's captioner, trained by the defences that can, and attacked: finding J of the papers.

python -m experiments.study --only captioning --seeds 3

A caption is what the captioner writes, not what it reads, so no word of it is attacked, and MAT
and TeCoA-ITR are one and the same here: attacked images, up and down the surprise at their
captions. MAT+ does so with all captions of an image. FARE and MAVA keep the image tower's
embedding; MAVA's CMS needs a text tower, and is left out. It is the study that measures them, not
`python -m mat_jax.train`, whose evaluation is retrieval. What was measured:
`python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from dataclasses import replace
from typing import Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, data, defenses

ATTACKS = ("none", "pgd", "co_attack", "sga")  # on the retrieval of another model


def experiment(
    defense: Literal["fine_tune", "fare", "mava", "mat", "mat_plus"] = "mat",
    texts: int = 5,
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 64,
    eps: float = 6 / 255,
    split: Literal["val", "test"] = "test",
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """All image attacks of the training have two steps; `texts` are the captions MAT+ reads."""
    mat = defenses.MAT(eps=eps, steps=2, words=0)
    found = on_scenes(
        {
            "fine_tune": defenses.FineTune(),
            "fare": defenses.FARE(eps=eps, steps=2),
            "mava": defenses.MAVA(eps=eps, steps=2, cms=0.0),
            "mat": mat,
            "mat_plus": defenses.MATPlus(mat, use="average", texts=texts),
        }[defense],
        model="scenes-captioner",
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        seed=seed,
    )
    assert found.evaluation is not None
    asked = replace(
        found.evaluation,
        data=data.load_scenes(split, limit=limit),
        attacks=ATTACKS,
        suite=None,
        limit=None,
    )
    return replace(found, evaluation=asked)
