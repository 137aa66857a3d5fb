"""The study's main table: ten defences, with equal steps, data, optimizer and threat.

python -m experiments.study --only main --seeds 3
python -m mat_jax.train --config experiments/study/runs/defenses.py --set defense=mat seed=1

The first command carries out all of them and measures each once; the second is one of them, which
measures the model before and after. What was measured:
`python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from typing import Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, data, defenses

Defense = Literal[
    "fine_tune",
    "tecoa",
    "tecoa_itr",
    "fare",
    "mmcoa",
    "mava",
    "leaf",
    "fare_leaf",
    "mat",
    "mat_plus",
]


def experiment(
    model: Literal["scenes-clip", "scenes-albef", "scenes-blip"] = "scenes-clip",
    defense: Defense = "mat",
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 64,
    eps: float = 6 / 255,
    words: int = 1,
    texts: int = 5,
    positions: int = 16,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """All image attacks of the training have two steps, of each defence's own length.

    `texts` are the captions an image brings for MAVA and MAT+; TeCoA and MMCoA see the same
    pictures with the prompts of their kinds; LEAF tries `positions` places of a caption, not the
    paper's 50, with which a step costs 1.6 times as much (`defenses.cost`), and has no list of
    words that an edit must not make: 3 in 1,000 edits of the world's words make another of them.
    """
    kinds = data.Kinds(data.load_scenes("train", limit=4_000))
    prompts = defenses.Prompts(kinds.prompts)
    fare = defenses.FARE(eps=eps, steps=2)
    leaf = defenses.LEAF(positions=positions)
    mat = defenses.MAT(eps=eps, steps=2, words=words)
    return on_scenes(
        {
            "fine_tune": defenses.FineTune(),
            "tecoa": defenses.TeCoA(prompts, eps=eps, steps=2),
            "tecoa_itr": defenses.TeCoAITR(eps=eps, steps=2),
            "fare": fare,
            "mmcoa": defenses.MMCoA(prompts, eps=eps, steps=2, words=words),
            "mava": defenses.MAVA(eps=eps, steps=2, texts=texts),
            "leaf": leaf,
            "fare_leaf": defenses.FARELEAF(fare, leaf),
            "mat": mat,
            "mat_plus": defenses.MATPlus(mat, use="positives", texts=texts),
        }[defense],
        model=model,
        source=kinds if defense in ("tecoa", "mmcoa") else None,
        substitutes=data.Typos(positions=positions) if "leaf" in defense else None,
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        words=words,
        limit=limit,
        seed=seed,
    )
