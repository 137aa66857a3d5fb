"""The second part of making `scenes-clip`: captions by careless writers.

python -m mat_jax.train --config experiments/pretrain/scenes_clip.py --workdir runs/scenes-clip
python -m mat_jax.train --config experiments/pretrain/scenes_clip_careless.py \
    --workdir runs/careless
python -m mat_jax.train --config experiments/pretrain/scenes_clip_careless.py \
    --set model=runs/careless/export steps=900 wrong=0.3 --workdir runs/careless-2

After the first part one false word turns most retrievals: the model has hardly met a wrong one.
Here kinds and colours are wrong one time in four and the ground more often, so the model learns
that any single word may mislead. Held-out captions stay the careful ones. The last command's export
is what ships.

Measured on 1,000 held-out scenes (5,000 captions), TR@1/IR@1 in percent, BERT-Attack with one word
of 10 candidates, `strict`:

| after          | clean       | BERT-Attack | lost  |
|---|---|---|---|
| second command | 91.8 / 78.2 | 36.8 / 24.3 | 60/69 |
| third command  | 94.3 / 81.4 | 45.6 / 30.2 | 52/63 |
"""

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.data.scenes import Careless
from mat_jax.train import optimizers


def experiment(
    model: str = "runs/scenes-clip/export",
    wrong: float = 0.25,
    ground: float = 0.6,
    lr: float = 4e-4,
    steps: int = 500,
    batch_size: int = 128,
    scenes: int = 20_000,
    seed: int = 0,
) -> Experiment:
    """Plain contrastive learning, the same scenes; `wrong`, `ground` are shares of mistakes."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 30, steps, 0.02 * lr)
    return Experiment(
        model=models.Pretrained(model),
        data=Careless(data.load_scenes("train", train=scenes), wrong=wrong, ground=ground),
        defense=defenses.FineTune(),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=0.1),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=50,
        checkpoint_every=1_000,
    )
