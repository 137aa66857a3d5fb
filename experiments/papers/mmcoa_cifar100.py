"""MMCoA: CLIP ViT-B/32 on CIFAR-100 (Zhou et al., arXiv:2404.19287).

python -m mat_jax.train --config experiments/papers/mmcoa_cifar100.py --set root=data

Paper: on 15 sets it withstands attacks on images, on texts and on both better than training on
images alone, at some cost in clean accuracy where the shift is large (its summary; we have not seen
its tables). `python -m experiments.few_shot` trains by shots and measures all sets.

Data: in `root`, `cifar-100-python/`, as cs.toronto.edu/~kriz/cifar-100-python.tar.gz unpacks.

Its code attacks the 32 pixels of a side and enlarges them inside the model; here images are
enlarged to the model's 224 first, which lets the same eps do more: ours.

Not run by us at full size.
"""

from typing import Literal

import optax

from mat_jax import Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "openai/clip-vit-base-patch32",  # its configs/Ad_cifar100_PGD.yaml
    mlm: str = "google-bert/bert-base-uncased",  # the same file
    targets: Literal["classes", "pairs"] = "pairs",  # its code; "classes" is our better choice
    eps: float = 1 / 255,  # the same file
    words: int = 1,  # its code
    lr: float = 1e-6,  # the same file; it stays there
    weight_decay: float = 0.2,  # its code: added to the gradient, as torch's Adam does
    batch_size: int = 256,  # the same file
    steps: int = 5_859,  # the same file: 30 epochs, of 50,000 images
    seed: int = 0,
) -> Experiment:
    """Attacked images learn from clean prompts, attacked prompts from clean images."""
    source = data.cifar(f"{root}/cifar-100-python", template="This is a photo of a {}")  # its code
    schedule = optax.constant_schedule(lr)
    return Experiment(
        model=models.Pretrained(model),
        data=source,
        defense=defenses.MMCoA(
            defenses.Prompts(source.prompts),
            targets=targets,
            image_weight=0.5,  # its code
            text_weight=0.5,  # its code
            eps=eps,
            steps=10,  # the same file
            step_size=1 / 255,  # the same file
            words=words,
            candidates=10,  # its code
        ),
        substitutes=data.Substitutes(mlm=mlm, candidates=10),
        optimizer=optax.chain(
            optax.add_decayed_weights(weight_decay),
            optax.adam(schedule, b1=0.9, b2=0.98, eps=1e-6),  # its code, whatever the file says
        ),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
