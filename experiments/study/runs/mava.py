"""MAVA's parts and sizes: its table 4, and its figures 3, 4 and 6.

python -m experiments.study --only mava --seeds 3
python -m mat_jax.train --config experiments/study/runs/mava.py --set sca=0

With its defaults it is MAVA as in `defenses.py`, on half as many images a batch. What was measured:
`python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from typing import Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, defenses


def experiment(
    model: Literal["scenes-clip", "scenes-albef"] = "scenes-clip",
    cms: float = 0.002,
    vsse: float = 0.4,
    sca: float = 0.6,
    neighbours: int = 3,
    texts: int = 5,
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 32,
    eps: float = 6 / 255,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """A weight of 0 leaves a part out; without neighbours the attacked image stands alone."""
    defense = defenses.MAVA(
        eps=eps,
        steps=2,
        cms=cms,
        vsse=vsse,
        sca=sca,
        count=max(neighbours, 1),
        beta=1.5 if neighbours else 0.0,
        texts=texts,
    )
    return on_scenes(
        defense,
        model=model,
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        limit=limit,
        seed=seed,
    )
