"""What all runs of the studies share, so that they differ by what is studied and nothing else."""

from typing import Any

import optax

from mat_jax import data, models
from mat_jax.defenses.base import Defense
from mat_jax.train import optimizers
from mat_jax.train.experiment import Evaluation, Experiment
from mat_jax.train.lora import LoRA
from mat_jax.types.sources import Source

ATTACKS = ("none", "pgd", "bert_attack", "sep", "co_attack", "sga", "vlp_attack")


def on_scenes(
    defense: Defense[Any],
    *,
    model: str = "scenes-clip",
    source: Source | None = None,
    substitutes: Any = None,
    split: str = "test",
    lora: LoRA | None = None,
    average: float = 0.0,
    horizon: float = 1.0,
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 64,
    eps: float = 6 / 255,
    words: int = 1,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """A defence on the embedded world: equal steps, data, optimizer and threat for all.

    Muon and the learning rate are those of `experiments/scenes_defenses.py`, where they were chosen
    under MAT; no other defence has its own. The evaluation is every usual attack and VLP-attack,
    each on all images, and then the suite `quick` on what still stands; its seed is 0 whatever the
    training's.

    Args:
        defense: from `mat_jax.defenses`.
        model: shipped model to start from.
        source: what it trains on; None is 4,000 training scenes with five captions each.
        substitutes: what its text attack may put in; None is ten words of `scenes-bert`.
        split: scenes that measure it, "test", or "val" where something is chosen by them.
        lora: adapters that train in the place of the weights.
        average: decay of a moving average of the weights, which is what is measured; 0 for none.
        horizon: how many times the updates made the schedule is long: above 1 it ends early, and
            the learning rate high.
        lr: highest learning rate, after a twentieth of the schedule; then a cosine to 0.
        steps: batches.
        batch_size: images a batch.
        eps: radius of the attacks of the evaluation.
        words: words of a caption they may change.
        limit: scenes of the split.
        seed: of the order of the data and of the random starts.
    """
    # A defence may make several updates with a batch; the schedule counts them.
    updates = round(horizon * steps * defense.replays)
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, updates // 20, updates)
    optimizer = optimizers.muon_adamw(schedule, weight_decay=1e-4)
    return Experiment(
        model=models.Pretrained(model),
        data=data.load_scenes("train", limit=4_000) if source is None else source,
        defense=defense,
        substitutes=substitutes or data.Substitutes(mlm="scenes-bert", candidates=10),
        optimizer=optimizers.averaged(optimizer, average) if average else optimizer,
        schedule=schedule,
        lora=lora,
        evaluation=measured(data.load_scenes(split), eps=eps, words=words, limit=limit),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        keep=1,
    )


def measured(
    source: Source,
    *,
    eps: float,
    words: int,
    limit: int | None,
    mlm: str = "scenes-bert",
    shortlist: int = 16,
) -> Evaluation:
    """The evaluation of every run.

    Args:
        source: held-out images.
        eps: radius of the image attacks.
        words: words that may change.
        limit: images.
        mlm: proposes the words.
        shortlist: what ALBEF puts in order; 16 is what `scenes-albef` was measured with.
    """
    return Evaluation(
        data=source,
        attacks=ATTACKS,
        suite="quick",
        eps=eps,
        steps=10,
        words=words,
        mlm=mlm,
        limit=limit,
        shortlist=shortlist,
        batch_size=50,
        shown=6,
        checks=0,
    )
