"""The second half of making `scenes-clip`: captions by careless writers.

python -m mat_jax.train --config experiments/pretrain_scenes_clip.py --workdir runs/scenes-clip
python -m mat_jax.train --config experiments/pretrain_scenes_clip_careless.py

After the first half one false word turns most retrievals: the model has hardly met a wrong one.
Here kinds and colours are wrong one time in four and the ground more often, so the model learns
that any single word may mislead. Held-out captions stay the careful ones.

Measured on 1,000 held-out scenes (5,000 captions): TR@1 91.8, IR@1 78.2; under BERT-Attack (one
word of 10 candidates, `strict`) 36.0 and 24.1: 61 and 69 % lost. In a gallery of 250, see
`quickstart.py`, it is 41 and 54 %.
"""

import optax

from mat_jax import Experiment, data, defenses, models, optimizers
from mat_jax.data.world import Careless


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
        data=Careless(data.scenes("train", train=scenes), wrong=wrong, ground=ground),
        defense=defenses.FineTune(),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=0.1),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=50,
        checkpoint_every=1_000,
    )
