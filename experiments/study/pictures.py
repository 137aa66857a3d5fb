"""MAT+ with partner texts and partner pictures at once: ours.

python -m mat_jax.augment --data scenes --limit 4000 --count 1 --how t_i2i \\
    --out runs/study/data/t_i2i_4000
python -m mat_jax.train --config experiments/study/pictures.py --set split=test

Or both: `python -m mat_jax.study --only beyond --seeds 3`. MAT's paper has one or the other. What
was measured: `python -m mat_jax.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from pathlib import Path
from typing import Literal

from mat_jax import Experiment, data, defenses
from mat_jax.study.setting import on_scenes


def experiment(
    folder: Path = Path("runs/study/data/t_i2i_4000"),
    model: Literal["scenes-clip", "scenes-albef"] = "scenes-clip",
    texts: int = 5,
    images: int = 1,
    pgd_steps: int = 1,
    horizon: float = 3.0,
    split: Literal["val", "test"] = "val",
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 64,
    eps: float = 6 / 255,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """As `beyond.py` with its `horizon`; `images` are partners beside a picture's own."""
    mat = defenses.MAT(eps=eps, steps=pgd_steps)
    return on_scenes(
        defenses.MATPlus(mat, use="positives", texts=texts, images=images),
        model=model,
        source=data.retrieval_json(folder / "manifest.json", images=folder),
        split=split,
        horizon=horizon,
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        limit=limit,
        seed=seed,
    )
