"""Train the shipped model of entailment, `scenes-entailment`, from `scenes-albef`.

python -m mat_jax.train --config experiments/pretrain/scenes_entailment.py --workdir runs/verdicts
python -m mat_jax.evaluate --model runs/verdicts/export --task entailment --data scenes \
    --attacks none --out report

Measured (3,000 sentences on held-out scenes): right on 70.2 %; contradicted 48.6 %, left open
77.0 %, following 84.9 %. With the picture of another scene (900 sentences) 34 to 36 %. 10,000
scenes and 1,500 steps give 65.0 %. 25 minutes on two busy cores. It ships in half precision:

python -m mat_jax.models.convert runs/verdicts/export scenes-entailment --dtype float16
"""

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    lr: float = 5e-4,
    steps: int = 3_000,
    batch_size: int = 96,
    scenes: int = 20_000,
    start: str = "scenes-albef",
    seed: int = 0,
) -> Experiment:
    """All weights, on three sentences for each picture with a covered quarter."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps, 0.02 * lr)
    return Experiment(
        model=models.ForEntailment(models.Pretrained(start)),
        data=data.Verdicts(data.load_scenes("train", train=scenes)),
        defense=defenses.FineTune(),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=0.1),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=50,
        checkpoint_every=500,
    )
