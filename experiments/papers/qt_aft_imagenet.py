"""QT-AFT: CLIP ViT-B/16 on ImageNet with captions (Waseda et al., ACM MM 2025, arXiv:2507.16257).

python -m mat_jax.train --config experiments/papers/qt_aft_imagenet.py --set root=data

Paper: guided by captions it withstands more, and keeps its clean accuracy (its README; we have not
seen its tables). `python -m mat_jax.evaluate --task zero_shot` measures that.

Data: in `root`, `imagenet/train/` (image-net.org, ILSVRC 2012) and `imagenet_captions.json`, of the
form `{"n01440764/n01440764_10026.JPEG": "A man holds up ...", ...}`. The authors' captions, at most
50 words by InternVL2.5-8B, are linked in their README; of longer ones our models read 30 words.

Not run by us at full size.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import optax
from flax import nnx

from mat_jax import Experiment, data, defenses, models


@dataclass(frozen=True)
class Cooled:
    """A CLIP whose scale is set back to where CLIP's own training began, 1 / 0.07."""

    model: Any

    def build(self, seed: int) -> tuple[Any, models.Tokenizer]:
        """Load it, and set the scale."""
        model, tokenizer = self.model.build(seed)
        model.logit_scale = nnx.Param(jnp.asarray(math.log(1 / 0.07), jnp.float32))
        return model, tokenizer


def experiment(
    root: str = "data",
    model: str = "openai/clip-vit-base-patch16",  # its README: B/16 and L/14
    eps: float = 4 / 255,  # its code, as all below
    lr: float = 1e-5,
    weight_decay: float = 1e-4,
    batch_size: int = 128,
    steps: int = 20_018,  # 2 epochs of 1,281,167 images
    warmup: int = 1_000,
    seed: int = 0,
) -> Experiment:
    """FARE, with the captions' share of 10 in the loss."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps)
    return Experiment(
        model=Cooled(models.Pretrained(model)),
        data=lambda: data.retrieval_json(
            f"{root}/imagenet_captions.json", images=f"{root}/imagenet/train"
        ),
        defense=defenses.QTAFT(weight=10.0, eps=eps, steps=10, step_size=1 / 255),
        optimizer=optax.adamw(schedule, b1=0.9, b2=0.95, weight_decay=weight_decay),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
