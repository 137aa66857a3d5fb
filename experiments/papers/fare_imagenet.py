"""FARE: CLIP ViT-L/14 on ImageNet (Schlarmann et al., ICML 2024, arXiv:2402.12336).

python -m mat_jax.train --config experiments/papers/fare_imagenet.py --set root=data
python -m mat_jax.train --config experiments/papers/fare_imagenet.py --set root=data eps=2/255

Paper: mean zero-shot top-1 in percent, clean / at 2/255 / at 4/255 (its README): CLIP 73.1 / 0.0 /
0.0; FARE at 4/255 61.1 / 45.9 / 32.4, at 2/255 67.0 / 43.1 / 20.5. We measure no zero-shot
classification yet, only retrieval (`mat_jax.evaluate`).

Data: in `root`, `imagenet/train/`, a folder for each of the 1,000 classes (image-net.org, ILSVRC
2012). Neither the classes nor their names matter.

Not run by us at full size.
"""

import optax

from mat_jax import Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "openai/clip-vit-large-patch14",  # its README, as all below
    eps: float = 4 / 255,  # or 2/255
    lr: float = 1e-5,
    weight_decay: float = 1e-4,
    batch_size: int = 128,
    steps: int = 20_000,  # 2 epochs
    warmup: int = 1_400,
    seed: int = 0,
) -> Experiment:
    """Attacked images are to be embedded where CLIP embeds the clean ones."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=models.Pretrained(model),
        data=lambda: data.image_folder(f"{root}/imagenet/train"),
        defense=defenses.FARE(eps=eps, steps=10, step_size=1 / 255),
        optimizer=optax.adamw(schedule, weight_decay=weight_decay),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
