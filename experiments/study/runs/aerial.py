"""Aerial pictures: are models that were trained on drawn pictures made robust by MAT?

python -m mat_jax.data.aerial --out runs/study/data/aerial
python -m mat_jax.train --config experiments/pretrain/aerial_mlm.py \\
    --workdir runs/pretrain_aerial_mlm
python -m experiments.study --only aerial --seeds 3

The question of `align_rsicd.py`. A model is trained by plain contrastive learning on pairs of one
caption and one picture, which is real or was drawn for the caption. It is then trained further
on the same pairs, with a defence or without one. All are measured on real pictures.

With RSICD, a diffusion model, ALIGN or CLIP, and BERT:

python -m mat_jax.augment --data RSICD/dataset_rsicd.json --images RSICD/RSICD_images \\
    --split train --originals 1 --count 1 --how t2i \\
    --model stable-diffusion-v1-5/stable-diffusion-v1-5 --out DRAWN
python -m mat_jax.train --config experiments/study/runs/aerial.py --workdir START/drawn-plain-0 \\
    --set root=RSICD folder=DRAWN share=1 defense=plain model=kakaobrain/align-base \\
    mlm=google-bert/bert-base-uncased steps=3_000 lr=1e-5
python -m mat_jax.train --config experiments/study/runs/aerial.py \\
    --set root=RSICD folder=DRAWN share=1 defense=mat start=START \\
    mlm=google-bert/bert-base-uncased steps=3_000 lr=1e-5

What was measured: `python -m experiments.study --redraw` draws it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import optax

from experiments.study.above import PAIRS
from experiments.study.setting import measured
from mat_jax import Evaluation, Experiment, data, defenses, models
from mat_jax.data import DrawnPairs
from mat_jax.train import optimizers

# Share of drawn pictures -> what runs are called.
NAMES = {share: name for name, (_, share) in PAIRS.items()}


def experiment(
    root: Path = Path("runs/study/data/aerial"),
    folder: Path = Path("runs/study/data/aerial_t2i"),
    share: float = 1.0,
    defense: Literal["plain", "fine_tune", "tecoa_itr", "mat"] = "mat",
    start: Path = Path("runs/study/aerial"),
    model: str | None = None,
    mlm: str = "runs/pretrain_aerial_mlm/export",
    task: Literal["retrieval", "zero_shot"] = "retrieval",
    lr: float | None = None,
    steps: int | None = None,
    batch_size: int = 64,
    eps: float = 4 / 255,
    words: int = 1,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """`plain` makes the model that the other defences start from, from nothing or from `model`."""
    if share not in NAMES:
        raise ValueError(
            f"share={share} has no model to start from: choose {', '.join(map(str, NAMES))}, or "
            "name another in experiments/study/above.py"
        )
    plain = defense == "plain"
    steps = steps or (600 if plain else 200)
    lr = lr or (1e-3 if plain else 6e-4)
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, steps // 20, steps)
    pairs = data.retrieval_json(folder / "manifest.json", images=folder)
    before = start / f"{NAMES[share]}-plain-{seed}" / "export"
    fresh = small_clip(root) if model is None else models.Pretrained(model)
    return Experiment(
        model=fresh if plain else models.Pretrained(str(before)),
        data=DrawnPairs(pairs=pairs, share=share),
        defense={
            "plain": defenses.FineTune(),
            "fine_tune": defenses.FineTune(),
            "tecoa_itr": defenses.TeCoAITR(eps=eps, steps=2),
            "mat": defenses.MAT(eps=eps, steps=2, words=words),
        }[defense],
        substitutes=data.Substitutes(mlm=mlm, candidates=10),
        optimizer=optimizers.muon_adamw(schedule, weight_decay=0.1 if plain else 1e-4),
        schedule=schedule,
        evaluation=asked(root, task, eps=eps, words=words, mlm=mlm, limit=limit),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        keep=1,
    )


def asked(root: Path, task: str, *, eps: float, words: int, mlm: str, limit: int) -> Evaluation:
    """Retrieval, of which captions are attacked too, or classes, of images attacked alone."""
    test = data.rsicd(root, "test")
    if task == "retrieval":
        pairs = measured(test, eps=eps, words=words, limit=limit, mlm=mlm)
        return replace(pairs, attacks=("none", "pgd", "bert_attack", "sga"), suite=None)
    classes = measured(test, eps=eps, words=0, limit=None, mlm=mlm)
    return replace(
        classes, task="zero_shot", attacks=("none", "apgd_ce", "apgd_targeted"), suite=None
    )


def small_clip(root: Path) -> models.Fresh:
    """A CLIP of 2.7 million weights that has seen nothing."""
    source = data.rsicd(root, "train")
    texts = [text for i in range(len(source)) for text in source.captions(i)]
    return models.Fresh(
        models.CLIPConfig(
            image_size=64,
            patch_size=16,
            vision=models.ViTConfig(width=192, layers=4, heads=6, eps=1e-5),
            text=models.BertConfig(width=128, layers=3, heads=4, eps=1e-5),
            embed=128,
        ),
        tokenizer=models.Tokenizer.train_clip(texts, vocab_size=900, length=32),
    )
