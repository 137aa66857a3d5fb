"""MAT on real photographs: a small CLIP, trained from nothing on Flickr8k, then defended.

python -m mat_jax.train --config experiments/pretrain/flickr8k_mlm.py \\
    --workdir runs/pretrain_flickr8k_mlm
python -m mat_jax.train --config experiments/pretrain/flickr8k_clip.py \\
    --workdir runs/pretrain_flickr8k_clip
python -m mat_jax.train --config experiments/mat_flickr8k.py

`root` holds `flickr8k/flickr8k_{train,test}.json` and the photographs they name; any data in the
field's retrieval JSON will do.

Measured on the 1,000 test photographs with 5 captions each, SGA at linf 2/255, 10 steps, one word
of 10 candidates, `strict`; recall in percent, before MAT -> after it:

| attack | TR@1       | TR@5       | TR@10      | IR@1       | IR@5       | IR@10      |
|---|---|---|---|---|---|---|
| none   | 1.7 -> 1.1 | 5.8 -> 5.6 | 8.9 -> 8.8 | 1.5 -> 1.3 | 5.8 -> 4.8 | 9.6 -> 8.5 |
| SGA    | 0.0 -> 0.0 | 0.0 -> 0.5 | 0.0 -> 1.2 | 0.0 -> 0.2 | 0.1 -> 0.5 | 0.1 -> 1.3 |

(By chance alone R@10 is 1.) The model has seen 6,000 photographs and no others: it is the road that
is shown here, not a result. On a CLIP that knows photographs, name it in `model`.
"""

from typing import Literal

import optax

from mat_jax import Evaluation, Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    root: str = "../shared/data",
    model: str = "runs/pretrain_flickr8k_clip/export",
    mlm: str = "runs/pretrain_flickr8k_mlm/export",
    lr: float = 3e-4,
    steps: int = 300,
    batch_size: int = 64,
    eps: float = 2 / 255,
    words: int = 1,
    limit: int | None = None,
    seed: int = 0,
    micro_batch: int | None = None,
    remat: Literal["none", "dots", "blocks"] = "none",
    dtype: Literal["float32", "bfloat16"] | None = None,
) -> Experiment:
    """Two-step PGD and one word, as the paper has it; measured on `limit` test photographs."""
    folder = f"{root}/flickr8k"
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps)  # swap me
    return Experiment(
        model=models.Pretrained(model),
        data=data.retrieval_json(f"{folder}/flickr8k_train.json", images=folder),
        defense=defenses.MAT(eps=eps, steps=2, words=words),
        substitutes=data.Substitutes(mlm=mlm, candidates=10),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=1e-4),
        schedule=schedule,
        evaluation=Evaluation(
            data=data.retrieval_json(f"{folder}/flickr8k_test.json", images=folder),
            attacks=("none", "sga"),
            eps=eps,
            words=words,
            limit=limit,
            batch_size=50,
        ),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        micro_batch=micro_batch,
        remat=remat,
        dtype=dtype,
    )
