"""Settings of our own, chosen on validation scenes and then reported on the test scenes.

python -m experiments.study --only beyond --seeds 3
python -m mat_jax.train --config experiments/study/runs/beyond.py --set search=every split=test

With its defaults it is MAT as in `defenses.py`, but measured on `split="val"`. What was measured:
`python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from pathlib import Path
from typing import Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, data, defenses


def experiment(
    model: Literal["scenes-clip", "scenes-albef"] = "scenes-clip",
    search: Literal["important", "random", "promising", "every"] = "important",
    constraint: Literal["none", "truthful"] = "none",
    part: Literal["all", "vision", "text", "projections"] = "all",
    clean: float = 0.0,
    texts: int = 1,
    pictures: int = 0,
    folder: Path = Path("runs/study/data/t_i2i_whole"),
    radius: float = 6 / 255,
    words: int = 1,
    pgd_steps: int = 2,
    replays: int = 1,
    horizon: float = 1.0,
    split: Literal["val", "test"] = "val",
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 64,
    eps: float = 6 / 255,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """MAT that tries other words than the most important; with more `texts` it is MAT+.

    With `constraint` truthful its words are those that leave a caption true of its scene; the
    evaluation's are any. `part` is what trains: with "vision" and `words=0` the attack and loss are
    TeCoA-ITR's, and the image tower learns alone. `clean` is the weight of clean pairs, learnt from
    beside those attacked.
    With `pictures` MAT+ has so many partner pictures too, drawn from the manifest in `folder`.
    `radius`, `words` and `pgd_steps` are those of the training; the evaluation is always the same,
    within `eps` and of one word. `replays` are the updates with a batch. With `horizon` 3 the
    schedule is three times as long as the training, which ends at 80 % of the highest learning
    rate.
    """
    mat = defenses.MAT(
        eps=radius,
        steps=pgd_steps,
        words=words,
        search=search,
        part=part,
        pairs=defenses.Pairs(clean=clean),
        replays=replays,
    )
    plus = defenses.MATPlus(mat, use="positives", texts=texts, images=pictures)
    made = data.retrieval_json(folder / "manifest.json", images=folder) if pictures else None
    return on_scenes(
        plus if texts > 1 or pictures else mat,
        model=model,
        source=made,
        substitutes=data.Substitutes(mlm="scenes-bert", candidates=10, constraint=constraint),
        split=split,
        horizon=horizon,
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        limit=limit,
        seed=seed,
    )
