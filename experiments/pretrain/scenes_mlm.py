"""Train the shipped BERT, `scenes-bert`, the masked language model that proposes substitutes.

python -m mat_jax.train --config experiments/pretrain/scenes_mlm.py --workdir runs/scenes-bert

Measured: a training loss of 1.85 nats and an accuracy of 50 % on hidden words after 1,500 steps,
which is about what can be guessed: most facts of a caption are free. It ships in half precision:

python -m mat_jax.models.convert runs/scenes-bert/export scenes-bert --dtype float16
"""

import optax

from mat_jax import Experiment, data, defenses, models


def experiment(
    lr: float = 2e-3,
    steps: int = 1_500,
    batch_size: int = 128,
    scenes: int = 20_000,
    seed: int = 0,
) -> Experiment:
    """A BERT of 0.5 million weights: two layers of width 128."""
    source = data.load_scenes("train", train=scenes)
    texts = [text for i in range(min(2_000, len(source))) for text in source.captions(i)]
    tokenizer = models.Tokenizer.train_bert(texts, vocab_size=600, length=24)
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps, 0.02 * lr)
    return Experiment(
        model=models.Fresh(
            models.BertConfig(width=128, layers=2, heads=4, hidden=512), tokenizer=tokenizer
        ),
        data=source,
        defense=defenses.MaskedWords.of(tokenizer),
        optimizer=optax.chain(
            optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.98, weight_decay=0.01)
        ),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=50,
        checkpoint_every=1_000,
    )
