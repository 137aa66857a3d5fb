"""MAT on real photographs: a small CLIP, trained from nothing on Flickr8k, then defended.

python -m mat_jax.train --config experiments/pretrain_flickr8k_mlm.py
python -m mat_jax.train --config experiments/pretrain_flickr8k_clip.py
python -m mat_jax.train --config experiments/mat_flickr8k.py

`root` holds `flickr8k/flickr8k_{train,test}.json` and the photographs they name; any data in the
field's retrieval JSON will do.

Not measured yet.
"""

import optax

from mat_jax import Evaluation, Experiment, data, defenses, models, optimizers


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
    )
