"""Sim-CLIP: CLIP ViT-L/14 on ImageNet (Hossain and Imteaj, 2024, arXiv:2407.14971).

python -m mat_jax.train --config experiments/papers/sim_clip_imagenet.py --set root=data

Paper: of the captions and answers of vision-language models on its encoder more are right under
attack than on FARE's and TeCoA's (abstract). We measure neither, only retrieval
(`mat_jax.evaluate`).

Data: in `root`, `imagenet/train/`, a folder for each of the 1,000 classes (image-net.org, ILSVRC
2012). Neither the classes nor their names matter.

Not run by us at full size.
"""

from typing import Literal

import optax

from mat_jax import Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "openai/clip-vit-large-patch14",  # its README, as all below
    twin: Literal["trained", "original"] = "trained",  # the paper; its code has "original"
    eps: float = 4 / 255,
    lr: float = 1e-3,
    weight_decay: float = 1e-5,
    batch_size: int = 64,
    steps: int = 10_000,
    warmup: int = 1_400,
    seed: int = 0,
) -> Experiment:
    """An image and its attacked twin are to point the same way."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=models.Pretrained(model),
        data=lambda: data.image_folder(f"{root}/imagenet/train"),
        defense=defenses.SimCLIP(twin=twin, eps=eps, steps=10, step_size=1 / 255),
        optimizer=optax.adamw(schedule, weight_decay=weight_decay),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
