"""MAT: CLIP ViT-B/16 on COCO (Waseda et al., WACV 2026, arXiv:2405.18770).

python -m mat_jax.train --config experiments/papers/mat_clip_coco.py --set root=data

Paper: MAT keeps more R@1 than TeCoA-ITR and FARE under Co-Attack and SGA, on CLIP, ALBEF and BLIP,
Flickr30k and COCO (abstract; we have not seen its tables). Published are the model, all weights
training, two PGD steps, eps 2/255 in linf, one word by BERT-Attack. All else is marked as ours.

Data: in `root`, `coco_train.json` and `coco_test.json` (Karpathy's splits, ALBEF's release), and
`coco/train2014/`, `coco/val2014/` (cocodataset.org). `dataset_coco.json` will do too:
`data.sources.retrieval(..., split="train")`.

Not run by us at full size.
"""

from typing import Literal

import optax

from mat_jax import Evaluation, Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "openai/clip-vit-base-patch16",  # the paper
    mlm: str = "google-bert/bert-base-uncased",  # BERT-Attack's, as in Co-Attack and SGA
    eps: float = 2 / 255,  # the paper
    words: int = 1,  # the paper
    lr: float = 1e-5,  # ours, as all below: ALBEF's fine-tuning for retrieval (its code)
    weight_decay: float = 0.02,
    batch_size: int = 256,  # 32 on each of 8 devices
    steps: int = 11_069,  # 5 epochs of 566,747 captions
    warmup: int = 2_214,  # 1 epoch
    seed: int = 0,
    micro_batch: int | None = None,
    remat: Literal["none", "dots", "blocks"] = "none",
    scan: bool = False,
    dtype: Literal["float32", "bfloat16"] | None = None,
) -> Experiment:
    """MAT of CLIP ViT-B/16, measured clean, under Co-Attack and under SGA."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps, 0.1 * lr)
    images = f"{root}/coco"
    return Experiment(
        model=models.Pretrained(model),
        data=lambda: data.retrieval_json(f"{root}/coco_train.json", images=images),
        defense=defenses.MAT(
            eps=eps,
            steps=2,  # the paper
            step_size=None,  # ours: 1.25 eps / steps
            words=words,
            candidates=10,  # ours: SGA's
        ),
        substitutes=data.Substitutes(mlm=mlm, candidates=10),
        optimizer=optax.adamw(schedule, weight_decay=weight_decay),
        schedule=schedule,
        evaluation=Evaluation(
            data=lambda: data.retrieval_json(f"{root}/coco_test.json", images=images),
            attacks=("none", "co_attack", "sga"),
            eps=eps,
            words=words,
            batch_size=50,
        ),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        micro_batch=micro_batch,
        remat=remat,
        scan=scan,
        dtype=dtype,
    )
