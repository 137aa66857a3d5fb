"""Defences side by side: equal steps, equal data, equal threat, on the embedded world.

for d in fine_tune tecoa_itr fare mat; do for s in 0 1 2; do
    python -m mat_jax.train --config experiments/scenes_defenses.py \
        --set defense=$d seed=$s --workdir runs/scenes_defenses/$d-$s
done; done

Measured by the study with the same budget (three seeds, 100 test scenes, SGA at 6/255, one word),
mean of TR@1 and IR@1 under SGA and its standard deviation: TeCoA-ITR 2.0 (0.3), FARE 9.1 (0.7),
MAT 24.6 (2.0). `experiments/study/results/README.md` has all defences and attacks.
"""

from typing import Literal

import optax

from mat_jax import Evaluation, Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    defense: Literal["fine_tune", "tecoa_itr", "fare", "mat"] = "mat",
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 64,
    eps: float = 6 / 255,
    words: int = 1,
    limit: int = 250,
    seed: int = 0,
) -> Experiment:
    """Starts from `scenes-clip`; all image attacks of the training have two steps."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps)  # swap me
    return Experiment(
        model=models.Pretrained("scenes-clip"),
        data=data.load_scenes("train", limit=4_000),
        defense={
            "fine_tune": defenses.FineTune(),
            "tecoa_itr": defenses.TeCoAITR(eps=eps, steps=2),
            "fare": defenses.FARE(eps=eps, steps=2),
            "mat": defenses.MAT(eps=eps, steps=2, words=words),
        }[defense],
        substitutes=data.Substitutes(mlm="scenes-bert", candidates=10),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=1e-4),
        schedule=schedule,
        evaluation=Evaluation(
            data=data.load_scenes("test"),
            attacks=("none", "sga"),
            eps=eps,
            words=words,
            limit=limit,
            batch_size=50,
        ),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
