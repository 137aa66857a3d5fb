"""MAT+ with partners of every kind: MAT's figure 2; and how many pictures: its figure 3 a.

python -m mat_jax.augment --data scenes --limit 800 --originals 1 --count 4 --how t_i2i \
    --out runs/study/data/t_i2i
python -m mat_jax.train --config experiments/study/runs/augmentations.py \
    --set folder=runs/study/data/t_i2i texts=1 images=4

Or all of them: `python -m experiments.study --only augmentations,counts --seeds 3`. The original
pairs without partners are `budget.py`, `way=original`. What was measured:
`python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from pathlib import Path
from typing import Any, Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, data, defenses


def experiment(
    folder: Path = Path("runs/study/data/i2t_human"),
    model: Literal["scenes-clip", "scenes-albef"] = "scenes-clip",
    use: Literal["pairs", "average", "positives"] = "positives",
    texts: int = 5,
    images: int = 0,
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 32,
    eps: float = 6 / 255,
    words: int = 1,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """`texts` counts the original caption, `images` only partners."""
    mat = defenses.MAT(eps=eps, steps=2, words=words)
    partners: dict[str, Any] = {"images": images} if images else {}
    return on_scenes(
        defenses.MATPlus(mat, use=use, texts=texts, **partners),
        model=model,
        source=data.retrieval_json(folder / "manifest.json", images=folder),
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        words=words,
        limit=limit,
        seed=seed,
    )
