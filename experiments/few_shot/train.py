"""One training of the study: a defence on a few images of each class of one set, or on all.

python -m mat_jax.train --config experiments/few_shot/train.py --set source=cifar100=FOLDER shots=4

`python -m experiments.few_shot` carries out many of these and measures them. The defaults are those
of MMCoA's released program (Zhou et al., arXiv:2404.19287; `experiments/papers/mmcoa_cifar100.py`
says which file of it each is from); how long a few-shot training is, it does not say: ours.
"""

from typing import Literal

import optax

from experiments.few_shot.sets import training_set
from mat_jax import Experiment, data, defenses, models

Defense = Literal["fine_tune", "tecoa", "fare", "pmg_aft", "tga_zsr", "mmcoa", "mat"]


def experiment(
    source: str = "cifar100",
    shots: int = 0,
    defense: Defense = "mmcoa",
    model: str = "openai/clip-vit-base-patch32",
    mlm: str = "google-bert/bert-base-uncased",
    targets: Literal["classes", "pairs"] = "pairs",  # of MMCoA: pairs as released; classes is ours
    eps: float = 1 / 255,
    pgd_steps: int = 10,
    step_size: float = 1 / 255,
    words: int = 1,
    lr: float = 1e-6,
    weight_decay: float = 0.2,  # added to the gradient, as torch's Adam does
    batch_size: int = 256,
    steps: int = 5_859,  # 30 epochs of CIFAR-100
    seed: int = 0,
) -> Experiment:
    """`shots` images of each class of `source`, drawn by the seed; 0 takes all.

    All defences have one image attack.
    """
    pgd = {"eps": eps, "steps": pgd_steps, "step_size": step_size}
    whole = training_set(source)
    images = data.few_shots(whole, shots, seed=seed) if shots else whole
    prompts = defenses.Prompts(whole.prompts)
    schedule = optax.constant_schedule(lr)
    return Experiment(
        model=models.Pretrained(model),
        data=images,
        defense={
            "fine_tune": defenses.FineTune(),
            "tecoa": defenses.TeCoA(prompts, **pgd),
            "fare": defenses.FARE(**pgd),
            "pmg_aft": defenses.PMGAFT(prompts, **pgd),
            "tga_zsr": defenses.TGAZSR(prompts, **pgd),
            "mmcoa": defenses.MMCoA(prompts, targets=targets, **pgd, words=words),
            "mat": defenses.MAT(**pgd, words=words),
        }[defense],
        substitutes=data.Substitutes(mlm=mlm, candidates=10),
        optimizer=optax.chain(
            optax.add_decayed_weights(weight_decay),
            optax.adam(schedule, b1=0.9, b2=0.98, eps=1e-6),
        ),
        schedule=schedule,
        steps=steps,
        batch_size=min(batch_size, len(images)),
        seed=seed,
        keep=1,
    )
