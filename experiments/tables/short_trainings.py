"""The defences of miniatures: a minute or two each, from a shipped model."""

from experiments.tables.table import Training

HERE = "experiments/tables"


def short(defense: str) -> Training:
    """100 steps of 32 pairs, from `scenes-clip`."""
    return Training(f"clip-{defense}", f"{HERE}/short.py", f"defense={defense}")


def reading(model: str, defense: str) -> Training:
    """60 steps of 32 pairs, from `scenes-albef` or `scenes-blip`, which read pairs together."""
    settings = f"model=scenes-{model} defense={defense} steps=60"
    return Training(f"{model}-{defense}", f"{HERE}/short.py", settings)


def judged(defense: str) -> Training:
    """60 steps of 48 sentences, from `scenes-entailment`."""
    return Training(f"entailment-{defense}", f"{HERE}/short_judged.py", f"defense={defense}")


def captioner(defense: str) -> Training:
    """60 steps of 32 pictures, from `scenes-captioner`."""
    return Training(f"captioner-{defense}", f"{HERE}/short_captioner.py", f"defense={defense}")


TECOA, TECOA_ITR, FARE, MAVA, MAT, MAT_PLUS = (
    short(name) for name in ("tecoa", "tecoa_itr", "fare", "mava", "mat", "mat_plus")
)
ALBEFS = tuple(reading("albef", name) for name in ("tecoa", "fare", "mava"))
BLIPS = tuple(reading("blip", name) for name in ("fare", "mava"))
JUDGES = tuple(judged(name) for name in ("tecoa_itr", "fare", "mat"))
CAPTIONERS = tuple(captioner(name) for name in ("fare", "mava"))
