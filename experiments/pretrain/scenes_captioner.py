"""Train the shipped captioner, `scenes-captioner`, from nothing on the embedded world.

python -m mat_jax.train --config experiments/pretrain/scenes_captioner.py \
    --workdir runs/scenes-captioner

BLIP's language modelling: the next id from the image and the ids before it, no attack in it.

Measured (1,000 held-out pictures, `python benchmarks/captions.py --model scenes-captioner --limit
1000`): of its captions, which name four things each, 20.3 % are wholly true by the world's oracle
with beams of 3, 18.5 % greedily; of another picture's captions 0.0 %, of the world's own, some of
them careless, 87.0 %. 20 minutes on two cores. It ships in half precision:

python -m mat_jax.models.convert runs/scenes-captioner/export scenes-captioner --dtype float16
"""

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    lr: float = 1e-3,
    steps: int = 1_500,
    batch_size: int = 128,
    scenes: int = 20_000,
    seed: int = 0,
) -> Experiment:
    """A BLIP captioner of 1.9 million weights: three text blocks that read the 16 patches."""
    source = data.load_scenes("train", train=scenes)
    texts = [text for i in range(min(2_000, len(source))) for text in source.captions(i)]
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps, 0.02 * lr)
    return Experiment(
        model=models.Fresh(
            models.BLIPConfig(
                image_size=64,
                patch_size=16,
                vision=models.ViTConfig(width=144, layers=4, heads=3),
                text=models.BertConfig(width=112, layers=3, heads=4, segments=0),
                task="captioning",
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
