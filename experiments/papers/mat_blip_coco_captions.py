"""MAT: BLIP's captioner on COCO captions (Waseda et al., WACV 2026, arXiv:2405.18770).

python -m mat_jax.train --config experiments/papers/mat_blip_coco_captions.py \
    --set root=data --mesh 8

Paper: MAT and MAT+ also withstand more in captioning (its summary; we have not seen the table).
Published are the model, BLIP with ViT-B, all weights training, two PGD steps and eps 2/255 in linf.
A caption is what the captioner writes, not what it reads, so no word of it is attacked: ours.

Data: in `root`, `coco_karpathy_train.json` (BLIP's release), and `coco/train2014/`,
`coco/val2014/` (cocodataset.org). How good its captions are is not measured here.

Not run by us at full size.
"""

from dataclasses import dataclass
from typing import Any

import optax

from mat_jax import Experiment, data, defenses, models


@dataclass(frozen=True)
class Begun:
    """A source whose captions begin as BLIP's captioner was taught to begin them.

    BLIP leaves the beginning out of its loss, we do not: by now it is no surprise to the model.
    """

    source: Any
    beginning: str = "a picture of"  # BLIP's code

    @property
    def name(self) -> str:
        """Of the source."""
        return self.source.name

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int, /) -> data.Example:
        return self.source[index]._replace(captions=self.captions(index))

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of an image, begun."""
        return tuple(f"{self.beginning} {text}" for text in self.source.captions(index))


def experiment(
    root: str = "data",
    model: str = "Salesforce/blip-image-captioning-base",  # the paper: BLIP with ViT-B
    eps: float = 2 / 255,  # the paper
    lr: float = 1e-5,  # ours, as all below: BLIP's fine-tuning for captions (its code)
    weight_decay: float = 0.05,
    batch_size: int = 256,  # 32 on each of 8 devices
    steps: int = 11_069,  # 5 epochs of 566,747 captions
    warmup: int = 0,
    seed: int = 0,
) -> Experiment:
    """Adversarial images, up and down the captioner's surprise at the captions."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=models.Pretrained(model),
        data=Begun(data.retrieval_json(f"{root}/coco_karpathy_train.json", images=f"{root}/coco")),
        defense=defenses.MAT(
            eps=eps,
            steps=2,  # the paper
            step_size=None,  # ours: 1.25 eps / steps
            words=0,  # ours
        ),
        optimizer=optax.adamw(schedule, weight_decay=weight_decay),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
