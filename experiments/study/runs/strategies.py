"""MAT's axes: the order of its attacks, what they climb, which pairs are learnt, what trains.

Weights may train by adapters (LoRA), and a moving average of them may be what is measured.

python -m experiments.study --only strategies --seeds 3
python -m mat_jax.train --config experiments/study/runs/strategies.py --set order=image_first

With its defaults it is MAT as in `defenses.py`, on half as many images a batch. What was measured:
`python -m experiments.study --redraw` draws it, as `experiments/study/results/README.md`.
"""

from typing import Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, LoRA, defenses
from mat_jax.defenses.inner import images

ORDERS = {
    "text_first": defenses.Strategy(),
    "image_first": defenses.Strategy(order=("image", "text")),
    "alternating": defenses.Strategy(order=("text", "image", "text", "image")),
    "independent": defenses.Strategy(against="clean"),
}
OBJECTIVES = {
    "nce": images.against_texts,
    "away": images.away_from_texts,
    "kl": images.kl_from_clean,
    "far": images.far_from_clean,
    "nce_both_texts": images.WithCleanTexts(),
}
PAIRS = {
    "both": defenses.Pairs(),
    "both+image": defenses.Pairs(image=1.0),
    "both+text": defenses.Pairs(text=1.0),
    "both+clean": defenses.Pairs(clean=1.0),
    "all": defenses.Pairs(image=1.0, text=1.0, clean=1.0),
    "crossed": defenses.Pairs(both=0.0, image=0.5, text=0.5),
}


def experiment(
    model: Literal["scenes-clip", "scenes-albef"] = "scenes-clip",
    order: Literal["text_first", "image_first", "alternating", "independent"] = "text_first",
    objective: Literal["nce", "away", "kl", "far", "nce_both_texts"] = "nce",
    text_objective: Literal["away", "kl"] = "away",
    pairs: Literal["both", "both+image", "both+text", "both+clean", "all", "crossed"] = "both",
    part: Literal["all", "vision", "text", "projections"] = "all",
    pgd_steps: int = 2,
    words: int = 1,
    share: float = 1.0,
    replays: int = 1,
    rank: int = 0,
    average: float = 0.0,
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 32,
    eps: float = 6 / 255,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """`words` and `pgd_steps` are those of the training; the evaluation is always the same.

    `replays` are the updates made with a batch (gradient reuse), `rank` is that of LoRA's adapters,
    0 for none; `average` the decay of a moving average of the weights, 0 for none.
    """
    chosen = ORDERS[order]
    strategy = defenses.Strategy(chosen.order, chosen.against, OBJECTIVES[objective], share)
    defense = defenses.MAT(
        eps=eps,
        steps=pgd_steps,
        words=words,
        text_objective=text_objective,
        strategy=strategy,
        pairs=PAIRS[pairs],
        part=part,
        replays=replays,
    )
    return on_scenes(
        defense,
        model=model,
        lora=LoRA(rank) if rank else None,
        average=average,
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        limit=limit,
        seed=seed,
    )
