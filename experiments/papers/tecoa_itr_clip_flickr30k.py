"""TeCoA-ITR: CLIP ViT-B/16 on Flickr30k, the peer that MAT is compared with (arXiv:2405.18770).

python -m mat_jax.train --config experiments/papers/tecoa_itr_clip_flickr30k.py --set root=data

Paper: under multimodal attacks it keeps less than MAT (Figure 5, and the abstract of MAT; we have
not seen the tables). Published are: images attacked by a cross-modal objective on real pairs, texts
not, all weights training. All else is `mat_clip_flickr30k.py`'s, so that the text attack is the
only difference: ours.

Data: as `mat_clip_flickr30k.py`.

Not run by us at full size.
"""

import optax

from mat_jax import Evaluation, Experiment, data, defenses, models


def experiment(
    root: str = "data",
    model: str = "openai/clip-vit-base-patch16",  # the paper
    mlm: str = "google-bert/bert-base-uncased",  # of the attacks it is measured under
    eps: float = 2 / 255,  # the paper
    lr: float = 1e-5,  # ours, as all below: ALBEF's fine-tuning for retrieval (its code)
    weight_decay: float = 0.02,
    batch_size: int = 256,  # 32 on each of 8 devices
    steps: int = 5_664,  # 10 epochs of 145,000 captions
    warmup: int = 566,  # 1 epoch
    seed: int = 0,
) -> Experiment:
    """Adversarial images with their clean captions."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps, 0.1 * lr)
    images = f"{root}/flickr30k"
    return Experiment(
        model=models.Pretrained(model),
        data=lambda: data.retrieval_json(f"{root}/flickr30k_train.json", images=images),
        defense=defenses.TeCoAITR(
            eps=eps,
            steps=2,  # the paper
            step_size=None,  # ours: 1.25 eps / steps
        ),
        optimizer=optax.adamw(schedule, weight_decay=weight_decay),
        schedule=schedule,
        evaluation=Evaluation(
            data=lambda: data.retrieval_json(f"{root}/flickr30k_test.json", images=images),
            attacks=("none", "co_attack", "sga"),
            eps=eps,
            mlm=mlm,
            batch_size=50,
        ),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
