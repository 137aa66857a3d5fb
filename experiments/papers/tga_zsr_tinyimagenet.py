"""TGA-ZSR: CLIP ViT-B/32 on TinyImageNet (Yu et al., NeurIPS 2024, arXiv:2410.21802).

python -m mat_jax.train --config experiments/papers/tga_zsr_tinyimagenet.py --set root=data

Paper: mean top-1 in percent over 16 zero-shot sets, attacked (PGD-100 at 1/255) / clean: TGA-ZSR
42.09 / 56.44, FARE 18.25 / 59.85, PMG-AFT 32.51 / 46.60, TeCoA 28.06 / 45.81, CLIP 4.90 / 64.42.
`python -m mat_jax.evaluate --task zero_shot` measures that.

Data: in `root`, `tiny-imagenet-200/`, as cs231n.stanford.edu/tiny-imagenet-200.zip unpacks; of it
`train/` and `words.txt`.

Not run by us at full size.
"""

import optax

from mat_jax import Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "openai/clip-vit-base-patch32",  # its code, as all below
    eps: float = 1 / 255,
    lr: float = 1e-4,
    momentum: float = 0.9,
    batch_size: int = 128,
    steps: int = 7_812,  # 10 epochs of 100,000 images
    warmup: int = 1_000,
    seed: int = 0,
) -> Experiment:
    """TeCoA, and the patches that a class's text points at stay those CLIP looked at."""
    source = data.image_folder(
        f"{root}/tiny-imagenet-200/train",
        f"{root}/tiny-imagenet-200/words.txt",
        template="This is a photo of a {}",
    )
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=models.Pretrained(model),
        data=source,
        defense=defenses.TGAZSR(
            defenses.Prompts(source.prompts),
            refinement=0.08,
            constraint=0.05,
            eps=eps,
            steps=2,
            step_size=1 / 255,
        ),
        optimizer=optax.sgd(schedule, momentum=momentum),  # no weight decay
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
