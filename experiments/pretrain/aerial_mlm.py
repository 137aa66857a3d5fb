"""Train a small BERT on captions of aerial pictures: it proposes words for the attacks there.

python -m mat_jax.data.aerial --out runs/study/data/aerial
python -m mat_jax.train --config experiments/pretrain/aerial_mlm.py \\
    --workdir runs/pretrain_aerial_mlm

Not shipped; `experiments/study/runs/aerial.py` needs it. Whoever has BERT-base takes that.
"""

import optax

from mat_jax import Experiment, data, defenses, models


def experiment(
    root: str = "runs/study/data/aerial",
    lr: float = 2e-3,
    steps: int = 600,
    batch_size: int = 64,
    seed: int = 0,
) -> Experiment:
    """A BERT of 0.5 million weights: two layers of width 128."""
    source = data.rsicd(root, "train")
    texts = [text for i in range(len(source)) for text in source.captions(i)]
    tokenizer = models.Tokenizer.train_bert(texts, vocab_size=400, length=32)
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
