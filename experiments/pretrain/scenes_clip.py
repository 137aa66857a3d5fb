"""Train the shipped CLIP, `scenes-clip`, from nothing on the embedded world.

python -m mat_jax.train --config experiments/pretrain/scenes_clip.py --workdir runs/scenes-clip
python -m mat_jax.evaluate --model runs/scenes-clip/export --data scenes \
    --out runs/scenes-clip/report

Plain contrastive learning, no attack in it.

Measured: a training loss of 0.08 after 1,400 steps. Such a model is easily misled by one false
word; what ships is the result of `pretrain/scenes_clip_careless.py`, which starts from here.
"""

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    lr: float = 1e-3,
    steps: int = 1_400,
    batch_size: int = 128,
    scenes: int = 20_000,
    seed: int = 0,
) -> Experiment:
    """A CLIP of 2.7 million weights: 16 patches of 16 x 16 pixels, captions of up to 24 tokens."""
    source = data.load_scenes("train", train=scenes)
    texts = [text for i in range(min(2_000, len(source))) for text in source.captions(i)]
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps, 0.02 * lr)
    return Experiment(
        model=models.Fresh(
            models.CLIPConfig(
                image_size=64,
                patch_size=16,
                vision=models.ViTConfig(width=192, layers=4, heads=6, eps=1e-5),
                text=models.BertConfig(width=128, layers=3, heads=4, eps=1e-5),
                embed=128,
            ),
            tokenizer=models.Tokenizer.train_clip(texts, vocab_size=1_200, length=24),
        ),
        data=source,
        defense=defenses.FineTune(),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=0.1),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=50,
        checkpoint_every=1_000,
    )
