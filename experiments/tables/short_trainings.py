"""The defences of miniatures: a minute or two each, from the shipped models."""

from experiments.tables.table import Training

CONFIG = "experiments/study/runs/defenses.py"


def short(defense: str, model: str = "clip") -> Training:
    """100 steps of 32 pairs; the evaluation within is cut to one attack-free look."""
    settings = f"defense={defense} model=scenes-{model} steps=100 batch_size=32 limit=20"
    return Training(f"{model}-{defense}", CONFIG, settings)


TECOA, TECOA_ITR, FARE, MAVA, MMCOA, MAT, MAT_PLUS = (
    short(name) for name in ("tecoa", "tecoa_itr", "fare", "mava", "mmcoa", "mat", "mat_plus")
)
