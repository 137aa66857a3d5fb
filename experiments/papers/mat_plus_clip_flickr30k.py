"""MAT+: CLIP ViT-B/16 on Flickr30k with partners (Waseda et al., WACV 2026, arXiv:2405.18770).

python -m mat_jax.train --config experiments/papers/mat_plus_clip_flickr30k.py --set root=data
python -m mat_jax.train --config experiments/papers/mat_plus_clip_flickr30k.py --set root=data \
    partners=partners/flickr30k

Paper: MAT+ with cross-modal partners withstands more than MAT; of the kinds tried, other people's
captions of the image, I2T(Human), are the example shown (Figures 3 and 5; we have not seen the
tables). Published are MAT's settings; how many partners, and what the loss makes of them, is ours.

Data: as `mat_clip_flickr30k.py`; Flickr30k's five captions an image are the human partners. Others
come in a folder `partners` whose `manifest.json` is retrieval JSON, with the texts of each image.

Not run by us at full size.
"""

import optax

from mat_jax import Evaluation, Experiment, data, defenses, models


def experiment(
    root: str = "data",
    partners: str = "",  # folder of a manifest; "" for Flickr30k's own captions
    model: str = "openai/clip-vit-base-patch16",  # the paper
    mlm: str = "google-bert/bert-base-uncased",  # BERT-Attack's, as in Co-Attack and SGA
    eps: float = 2 / 255,  # the paper
    words: int = 1,  # the paper
    texts: int = 5,  # ours: all that Flickr30k has, four partners
    lr: float = 1e-5,  # ours, as all below: ALBEF's fine-tuning for retrieval (its code)
    weight_decay: float = 0.02,
    batch_size: int = 256,  # 32 on each of 8 devices
    steps: int = 1_133,  # 10 epochs of 145,000 captions, 5 at each visit of an image
    warmup: int = 113,  # 1 epoch
    seed: int = 0,
) -> Experiment:
    """MAT+ of CLIP ViT-B/16, measured clean, under Co-Attack and under SGA."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, min(warmup, steps // 2), steps, 0.1 * lr)
    images = f"{root}/flickr30k"
    train = f"{root}/flickr30k_train.json", images
    return Experiment(
        model=models.Pretrained(model),
        data=lambda: data.retrieval_json(
            *((f"{partners}/manifest.json", partners) if partners else train)
        ),
        defense=defenses.MATPlus(
            defenses.MAT(
                eps=eps,
                steps=2,  # the paper
                step_size=None,  # ours: 1.25 eps / steps
                words=words,
                candidates=10,  # ours: SGA's
            ),
            use="positives",  # ours: all texts of an image are right answers of one loss
            texts=texts,
        ),
        substitutes=data.Substitutes(mlm=mlm, candidates=10),
        optimizer=optax.adamw(schedule, weight_decay=weight_decay),
        schedule=schedule,
        evaluation=Evaluation(
            data=lambda: data.retrieval_json(f"{root}/flickr30k_test.json", images=images),
            attacks=("none", "co_attack", "sga"),
            eps=eps,
            words=words,
            batch_size=50,
        ),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
