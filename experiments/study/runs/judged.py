"""Models of entailment and of answers, trained by the defences that can, and attacked.

python -m experiments.study --only entailment,vqa --seeds 3

The shipped `scenes-entailment` and `scenes-vqa` are trained further on the pairs that they learnt
from, plainly or with a defence. TeCoA-ITR and MAT climb and descend the surprise at the right
verdict or answer, MAT after it has replaced a word; FARE keeps the image tower's embedding. No
class prompt says what such a model should answer, so TeCoA and MMCoA have no part here, and MAVA's
terms need both towers of a retrieval model. Words that an attack puts in leave the right answer
right (`constraint="truthful"`), or nobody could say what was lost. It is the study that measures
them. What was measured: `python -m experiments.study --redraw` draws it, as
`experiments/study/results/README.md`.
"""

from dataclasses import replace
from typing import Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, data, defenses

# Task -> the shipped model, and the attack on what it is asked for.
MODELS = {"entailment": ("scenes-entailment", "verdict"), "vqa": ("scenes-vqa", "answer")}
ATTACKS = ("none", "pgd", "bert_attack", "co_attack", "sga", "co_attack_fused")


def experiment(
    task: Literal["entailment", "vqa"] = "entailment",
    defense: Literal["fine_tune", "tecoa_itr", "fare", "mat", "mat_truthful"] = "mat",
    lr: float = 3e-4,
    steps: int = 150,
    batch_size: int = 48,
    eps: float = 2 / 255,
    words: int = 1,
    limit: int = 300,
    seed: int = 0,
) -> Experiment:
    """All image attacks of the training have two steps; `limit` counts sentences or questions."""
    model, own = MODELS[task]
    train, test = data.load_scenes("train", limit=4_000), data.load_scenes("test", limit=limit)
    read = data.Verdicts if task == "entailment" else data.Questions
    mat = defenses.MAT(eps=eps, steps=2, words=words)
    found = on_scenes(
        {
            "fine_tune": defenses.FineTune(),
            "tecoa_itr": defenses.TeCoAITR(eps=eps, steps=2),
            "fare": defenses.FARE(eps=eps, steps=2),
            "mat": mat,
            "mat_truthful": mat,
        }[defense],
        model=model,
        source=read(train),
        substitutes=data.Substitutes(
            candidates=10, constraint="truthful" if defense == "mat_truthful" else "none"
        ),
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        words=words,
        limit=limit,
        seed=seed,
    )
    assert found.evaluation is not None
    asked = replace(
        found.evaluation,
        data=read(test),
        task=task,
        attacks=(*ATTACKS, own),
        suite=None,
        constraint="truthful",
    )
    return replace(found, evaluation=asked)
