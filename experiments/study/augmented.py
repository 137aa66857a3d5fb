"""The augmentations that are studied, and the runs that train with their partners."""

from pathlib import Path
from typing import NamedTuple

from experiments.study.plan import RUNS, Run
from experiments.study.published import on


class Kind(NamedTuple):
    """One augmentation of figure 2.

    Attributes:
        title: what it is called.
        family: one of `FAMILIES`: intra- or cross-modal, or a knob turned.
        pictures: whether its partners are pictures.
        how: arguments of `python -m mat_jax.augment`.
    """

    title: str
    family: str
    pictures: bool
    how: tuple[str, ...]


INTRA, CROSS, KNOB = "intra-modal", "cross-modal", "misaligned or shifted"
FAMILIES = (INTRA, CROSS, KNOB)
KINDS = {
    "eda": Kind("EDA", INTRA, False, ("eda",)),
    "langrw": Kind("LangRW", INTRA, False, ("langrw",)),
    "i2t_human": Kind("I2T (Human)", CROSS, False, ("i2t_human",)),
    "i2t_cap": Kind("I2T (Cap)", CROSS, False, ("i2t_cap",)),
    "randaug": Kind("RandAug", INTRA, True, ("randaug",)),
    "t2i": Kind("T2I", CROSS, True, ("t2i",)),
    "t_i2i": Kind("T-I2I", CROSS, True, ("t_i2i",)),
    "i2t_half_misaligned": Kind(
        "I2T, half misaligned", KNOB, False, ("i2t_human", "--misaligned", "0.5")
    ),
    "i2t_misaligned": Kind("I2T, misaligned", KNOB, False, ("i2t_human", "--misaligned", "1")),
    "i2t_shifted": Kind("I2T, shifted", KNOB, False, ("i2t_human", "--shift", "1")),
    "t_i2i_misaligned": Kind("T-I2I, misaligned", KNOB, True, ("t_i2i", "--misaligned", "1")),
    "t_i2i_shifted": Kind("T-I2I, shifted", KNOB, True, ("t_i2i", "--shift", "1")),
}
ORIGINALS, PARTNERS = 800, 4
DATA = Path("runs/study/data")


def augmentations(short: str = "clip") -> list[Run]:
    """MAT+ with every kind of partners, beside 800 original pairs."""
    runs = (augmented_runs("augmentations", name, kind, PARTNERS) for name, kind in KINDS.items())
    return [on(short, run) for run in runs]


def augmented_runs(study: str, name: str, kind: Kind, count: int) -> Run:
    """MAT+ with some of an augmentation's partners."""
    folder = DATA / name
    partners = ("texts=1", f"images={count}") if kind.pictures else (f"texts={1 + count}",)
    made = f"--data scenes --limit {ORIGINALS} --originals 1 --count {PARTNERS}".split()
    return Run(
        study=study,
        name=name if count == PARTNERS else f"{name}_{count}",
        title=kind.title,
        config=RUNS / "augmentations.py",
        settings=(f"folder={folder}", *partners),
        manifest=(*made, "--how", *kind.how),
        folder=folder,
        minutes=9.0,
    )
