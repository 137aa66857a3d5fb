"""The defences of miniatures: a minute or two each, from the shipped CLIP."""

from experiments.tables.table import Training

CONFIG = "experiments/tables/short.py"


def short(defense: str) -> Training:
    """100 steps of 32 pairs, from `scenes-clip`."""
    return Training(f"clip-{defense}", CONFIG, f"defense={defense}")


TECOA, TECOA_ITR, FARE, MAVA, MMCOA, MAT, MAT_PLUS = (
    short(name) for name in ("tecoa", "tecoa_itr", "fare", "mava", "mmcoa", "mat", "mat_plus")
)
