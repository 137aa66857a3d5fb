"""Train the shipped ALBEF, `scenes-albef`, from nothing on the embedded world.

python -m mat_jax.train --config experiments/pretrain/scenes_albef.py --workdir runs/albef
python -m mat_jax.train --config experiments/pretrain/scenes_albef.py --workdir runs/scenes-albef \
    --set start=runs/albef/export batch_size=64 steps=1800
python -m mat_jax.evaluate --model runs/scenes-albef/export --data scenes --attacks none \
    --shortlist 16 --out report

Contrastive learning and matching with hard negatives, no attack in it.

Measured (1,000 held-out scenes, `--shortlist 16`): TR/IR@1 93.8/83.9; by cosine alone 88.6/78.7.
The matching loss stays at chance for 600 steps of the first run, after which matching ranks worse
than the cosine; the second run mends it. 75 minutes on two busy cores. It ships in half precision:

python -m mat_jax.models.convert runs/scenes-albef/export scenes-albef --dtype float16
"""

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    lr: float = 1e-3,
    steps: int = 1_600,
    batch_size: int = 128,
    scenes: int = 20_000,
    start: str = "",
    seed: int = 0,
) -> Experiment:
    """An ALBEF of 2 million weights: two text blocks, then two that read the 16 patches."""
    source = data.load_scenes("train", train=scenes)
    texts = [text for i in range(min(2_000, len(source))) for text in source.captions(i)]
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps, 0.02 * lr)
    fresh = models.Fresh(
        models.ALBEFConfig(
            image_size=64,
            patch_size=16,
            vision=models.ViTConfig(width=144, layers=4, heads=3),
            text=models.BertConfig(width=112, layers=4, heads=4),
            first_fusion=2,
            embed=96,
        ),
        tokenizer=models.Tokenizer.train_bert(texts, vocab_size=600, length=24),
    )
    return Experiment(
        model=models.Pretrained(start) if start else fresh,
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
