"""A small CLIP from nothing on Flickr8k's 6,000 training photographs, to be attacked and defended.

python -m mat_jax.train --config experiments/pretrain/flickr8k_clip.py \\
    --workdir runs/pretrain_flickr8k_clip

The vocabulary is CLIP's own, read from `root`. 6,000 photographs are far too few for a good model:
its recall says what can be learnt here, not what CLIP can do.

Measured after 600 steps (13 visits of each photograph, six minutes on two cores): loss 1.7, half
of the training batch's captions found; on the 1,000 test photographs TR@1/5/10 1.7/5.8/8.9 and
IR@1/5/10 1.5/5.8/9.6 percent.
"""

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    root: str = "../shared/data",
    lr: float = 1e-3,
    steps: int = 600,
    batch_size: int = 128,
    seed: int = 0,
) -> Experiment:
    """64 pixels, patches of 16: what two cores train in ten minutes."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps, 0.02 * lr)
    vocabulary = f"{root}/tokenizers"
    return Experiment(
        model=models.Fresh(
            models.CLIPConfig(
                image_size=64,
                patch_size=16,
                vision=models.ViTConfig(width=192, layers=4, heads=6, eps=1e-5),
                text=models.BertConfig(width=128, layers=3, heads=4, eps=1e-5),
                embed=128,
            ),
            tokenizer=models.Tokenizer.clip(
                f"{vocabulary}/clip_encoder.json", f"{vocabulary}/clip_vocab.bpe", length=32
            ),
        ),
        data=data.retrieval_json(f"{root}/flickr8k/flickr8k_train.json", images=f"{root}/flickr8k"),
        defense=defenses.FineTune(),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=0.1),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=50,
        checkpoint_every=500,
    )
