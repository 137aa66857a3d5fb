"""MAT: ALIGN on RSICD's aerial images, a question asked around MAT, not a published experiment.

python -m mat_jax.train --config experiments/papers/align_rsicd.py --set root=data
python -m mat_jax.train --config experiments/papers/align_rsicd.py --set root=data \
    model=openai/clip-vit-base-patch32

Paper: none. "Can multimodal contrastive learning (ALIGN or CLIP) enhance the robustness ... as
evaluated by adversarial accuracy on the RSICD dataset?" (Assignee Research, 2026, written by a
machine) has no numbers. The attack of the training is MAT's; all else is ours.

Data: in `root`, `rsicd/dataset_rsicd.json` and `rsicd/RSICD_images/` (RSICD_optimal on GitHub):
10,921 images with five sentences each, of which many are alike.

Not run by us at full size. In a miniature of it, with synthetic pairs beside real ones:
`experiments/study/runs/aerial.py`.
"""

import optax

from mat_jax import Evaluation, Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "kakaobrain/align-base",  # the question: ALIGN or CLIP
    mlm: str = "google-bert/bert-base-uncased",
    eps: float = 2 / 255,  # MAT's paper
    words: int = 1,  # MAT's paper
    lr: float = 1e-5,  # ours, as all below
    weight_decay: float = 0.02,
    batch_size: int = 128,
    steps: int = 3_412,  # 10 epochs of 43,670 sentences
    warmup: int = 341,  # 1 epoch
    seed: int = 0,
) -> Experiment:
    """MAT of ALIGN, measured clean, under Co-Attack and under SGA on the test split."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps, 0.1 * lr)
    file, images = f"{root}/rsicd/dataset_rsicd.json", f"{root}/rsicd/RSICD_images"
    return Experiment(
        model=models.Pretrained(model),
        data=lambda: data.retrieval_json(file, images=images, split="train"),
        defense=defenses.MAT(
            eps=eps,
            steps=2,  # MAT's paper
            step_size=None,  # ours: 1.25 eps / steps
            words=words,
            candidates=10,  # ours: SGA's
        ),
        substitutes=data.Substitutes(mlm=mlm, candidates=10),
        optimizer=optax.adamw(schedule, weight_decay=weight_decay),
        schedule=schedule,
        evaluation=Evaluation(
            data=lambda: data.retrieval_json(file, images=images, split="test"),
            attacks=("none", "co_attack", "sga"),
            eps=eps,
            words=words,
            batch_size=50,
        ),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
