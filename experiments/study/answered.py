"""Runs whose models give one answer: verdicts on sentences, answers to questions, classes."""

from typing import Literal

from experiments.study.plan import RUNS, Run
from experiments.study.published import DEFENSES, setting_of

JUDGED = {
    **{name: DEFENSES[name] for name in ("none", "fine_tune", "tecoa_itr", "fare", "mat")},
    "mat_truthful": "MAT, words that keep the answer",
}


def judged(task: Literal["entailment", "vqa"]) -> list[Run]:
    """Models of entailment or of answers, defended and not."""
    return [
        Run(
            study=task,
            name=name,
            title=title,
            config=RUNS / "judged.py",
            settings=(f"task={task}", *setting_of(name)),
            trained=name != "none",
            task=task,
            minutes=3.0 if name != "none" else 1.0,
        )
        for name, title in JUDGED.items()
    ]


# Those of the main table that classify, and two more that were published for it.
CLASSIFIED = {
    **{name: DEFENSES[name] for name in ("none", "fine_tune", "tecoa", "fare")},
    "pmg_aft": "PMG-AFT",
    "tga_zsr": "TGA-ZSR",
    **{name: DEFENSES[name] for name in ("mmcoa", "mat")},
}
# Trait -> what the tables call its set; all train on the first.
TRAITS = {"kind": "kinds", "colour": "colours", "ground": "grounds"}


def classes() -> list[Run]:
    """Trained on kinds; measured on kinds, and on two other sets."""
    return [
        Run(
            study="classes",
            name=f"{defense}-{trait}",
            title=title,
            config=RUNS / "classes.py",
            settings=(*setting_of(defense), f"trait={trait}"),
            training=f"{defense}-kind",
            trained=defense != "none",
            task="zero_shot",
            minutes=3.0 if trait == "kind" and defense != "none" else 1.0,
        )
        for trait in TRAITS
        for defense, title in CLASSIFIED.items()
    ]
