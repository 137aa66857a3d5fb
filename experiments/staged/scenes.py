"""A small CLIP against attacks on pixels, from nothing or from an earlier stage.

python -m mat_jax.train --config experiments/staged/scenes.py --set image_size=32 pgd_steps=1

The miniature of `experiments/papers/delta_clip_*.py`, on the embedded world. With words=1 it is MAT
on both modalities. From nothing, that had learnt next to nothing after 360 steps: a loss of 3.8,
where guessing has 4.2 (seed 0, radius 4/255, learning rate 1e-3, three PGD steps). Figures of
`python -m experiments.staged.study` are in `experiments/staged/results/README.md`.
"""

import optax

from mat_jax import Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    model: str | None = None,
    image_size: int = 64,
    pgd_steps: int = 3,
    words: int = 0,
    eps: float = 4 / 255,
    lr: float = 2e-3,
    steps: int = 400,
    batch_size: int = 64,
    scenes: int = 10_000,
    seed: int = 0,
) -> Experiment:
    """A CLIP with patches of 8 x 8 pixels; `model` None draws its weights."""
    source = data.load_scenes("train", limit=scenes)
    texts = [text for i in range(min(2_000, len(source))) for text in source.captions(i)]
    fresh = models.Fresh(
        models.CLIPConfig(
            image_size=image_size,
            patch_size=8,
            vision=models.ViTConfig(width=96, layers=3, heads=3, eps=1e-5),
            text=models.BertConfig(width=64, layers=2, heads=2, eps=1e-5),
            embed=64,
        ),
        models.Tokenizer.train_clip(texts, vocab_size=1_200, length=24),
    )
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps, 0.02 * lr)
    pgd = {"eps": eps, "steps": pgd_steps}
    return Experiment(
        model=fresh if model is None else models.Pretrained(model, image_size=image_size),
        data=source,
        defense=defenses.MAT(**pgd, words=words) if words else defenses.TeCoAITR(**pgd),
        substitutes=data.Substitutes(mlm="scenes-bert", candidates=10),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=0.1),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=25,
        keep=1,
    )
