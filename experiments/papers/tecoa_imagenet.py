"""TeCoA: CLIP ViT-B/32 on ImageNet (Mao et al., ICLR 2023, arXiv:2212.07016).

python -m mat_jax.train --config experiments/papers/tecoa_imagenet.py --set root=data

Paper: mean top-1 in percent over the zero-shot sets, attacked by PGD / clean (the leaderboard of
its README): TeCoA 38.18 / 55.97, CLIP 6.57 / 64.56, training without text 10.62 / 18.49.
`python -m mat_jax.evaluate --task zero_shot` measures that.

Data: in `root`, `imagenet/train/`, a folder for each of the 1,000 classes (image-net.org, ILSVRC
2012), and `imagenet/LOC_synset_mapping.txt`, their names (Kaggle's archive of the same).

Not run by us at full size.
"""

import optax

from mat_jax import Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "openai/clip-vit-base-patch32",  # its code
    eps: float = 1 / 255,  # its README
    lr: float = 1e-5,  # TGA-ZSR's run of it (main.sh); the code's default is 1e-7
    momentum: float = 0.9,  # its code, as all below
    batch_size: int = 256,
    steps: int = 50_046,  # 10 epochs of 1,281,167 images
    warmup: int = 1_000,
    seed: int = 0,
) -> Experiment:
    """Attacked images learn their class among all class prompts."""
    source = data.image_folder(
        f"{root}/imagenet/train",
        f"{root}/imagenet/LOC_synset_mapping.txt",
        template="This is a photo of a {}",  # its code
    )
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=models.Pretrained(model),
        data=source,
        defense=defenses.TeCoA(
            defenses.Prompts(source.prompts),
            eps=eps,
            steps=2,  # its README
            step_size=1 / 255,  # its README
        ),
        optimizer=optax.sgd(schedule, momentum=momentum),  # no weight decay
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
