"""The main table, short, on photographs: a small CLIP that has seen Flickr8k and nothing else.

python -m mat_jax.train --config experiments/pretrain/flickr8k_mlm.py \\
    --workdir runs/pretrain_flickr8k_mlm
python -m mat_jax.train --config experiments/pretrain/flickr8k_clip.py \\
    --workdir runs/pretrain_flickr8k_clip
python -m experiments.study --only photographs --seeds 3
python -m mat_jax.train --config experiments/study/runs/photographs.py --set defense=mat

Photographs have no classes, so TeCoA and MMCoA are not here. What was measured:
`python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from typing import Literal

import optax

from experiments.study.setting import measured
from mat_jax import Experiment, data, defenses, models
from mat_jax.train import optimizers


def experiment(
    root: str = "../shared/data",
    model: str = "runs/pretrain_flickr8k_clip/export",
    mlm: str = "runs/pretrain_flickr8k_mlm/export",
    defense: Literal["fine_tune", "tecoa_itr", "fare", "mava", "mat", "mat_plus"] = "mat",
    lr: float = 3e-4,
    steps: int = 200,
    batch_size: int = 64,
    eps: float = 2 / 255,
    words: int = 1,
    texts: int = 5,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """Two-step PGD and one word; measured on `limit` test photographs."""
    folder = f"{root}/flickr8k"
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps)
    mat = defenses.MAT(eps=eps, steps=2, words=words)
    return Experiment(
        model=models.Pretrained(model),
        data=data.retrieval_json(f"{folder}/flickr8k_train.json", images=folder),
        defense={
            "fine_tune": defenses.FineTune(),
            "tecoa_itr": defenses.TeCoAITR(eps=eps, steps=2),
            "fare": defenses.FARE(eps=eps, steps=2),
            "mava": defenses.MAVA(eps=eps, steps=2, texts=texts),
            "mat": mat,
            "mat_plus": defenses.MATPlus(mat, use="positives", texts=texts),
        }[defense],
        substitutes=data.Substitutes(mlm=mlm, candidates=10),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=1e-4),
        schedule=schedule,
        evaluation=measured(
            data.retrieval_json(f"{folder}/flickr8k_test.json", images=folder),
            eps=eps,
            words=words,
            limit=limit,
            mlm=mlm,
        ),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        keep=1,
    )
