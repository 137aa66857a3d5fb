"""Train the shipped BLIP for retrieval, `scenes-blip`, from nothing on the embedded world.

python -m mat_jax.train --config experiments/pretrain/scenes_blip.py --workdir runs/scenes-blip
python -m mat_jax.evaluate --model runs/scenes-blip/export --data scenes --attacks none \
    --shortlist 16 --out report

Contrastive learning and matching with hard negatives, no attack in it.

Measured (1,000 held-out scenes, `--shortlist 16`): TR/IR@1 91.3/82.3; by cosine alone 80.4/70.6. 45
minutes on two busy cores. It ships in half precision:

python -m mat_jax.models.convert runs/scenes-blip/export scenes-blip --dtype float16
"""

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    lr: float = 1e-3,
    steps: int = 2_600,
    batch_size: int = 64,
    scenes: int = 20_000,
    seed: int = 0,
) -> Experiment:
    """A BLIP of 2 million weights, all of whose four text blocks can read the 16 patches."""
    source = data.load_scenes("train", train=scenes)
    texts = [text for i in range(min(2_000, len(source))) for text in source.captions(i)]
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps, 0.02 * lr)
    return Experiment(
        model=models.Fresh(
            models.BLIPConfig(
                image_size=64,
                patch_size=16,
                vision=models.ViTConfig(width=144, layers=4, heads=3),
                text=models.BertConfig(width=112, layers=4, heads=4, segments=0),
                log_scale=3.4,  # a temperature of 1/30, which does not train
                embed=96,
            ),
            tokenizer=models.Tokenizer.train_bert(texts, vocab_size=600, length=24),
        ),
        data=source,
        defense=defenses.FineTune(),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=0.1),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=50,
        checkpoint_every=400,
    )
