"""The aerial study: models of real, mixed and drawn pairs, defended and not."""

from experiments.study.plan import RUNS, Run

# Name -> title, and the share of pairs whose picture was drawn for its caption.
PAIRS = {
    "real": ("real pictures", 0.0),
    "mixed": ("half drawn", 0.5),
    "drawn": ("drawn pictures", 1.0),
}
# What further training does; "plain" is the model that the others start from.
TRAININGS = {
    "plain": "as trained",
    "fine_tune": "fine-tuning",
    "tecoa_itr": "TeCoA-ITR",
    "mat": "MAT",
}
CLASSES = "classes"  # ends the name of a run that measures zero-shot classification


def aerial() -> list[Run]:
    """Each training is measured twice: in retrieval, and in zero-shot classification."""
    return [
        one
        for pairs in PAIRS
        for training in TRAININGS
        for one in (_run(pairs, training, classes=False), _run(pairs, training, classes=True))
    ]


def name_of(pairs: str, training: str, *, classes: bool) -> str:
    """`drawn-mat`, `drawn-mat-classes`."""
    return f"{pairs}-{training}" + (f"-{CLASSES}" if classes else "")


def _run(pairs: str, training: str, *, classes: bool) -> Run:
    title, share = PAIRS[pairs]
    return Run(
        study="aerial",
        name=name_of(pairs, training, classes=classes),
        title=f"{title}, {TRAININGS[training]}",
        config=RUNS / "aerial.py",
        settings=(
            f"share={share}",
            f"defense={training}",
            *(("task=zero_shot",) if classes else ()),
        ),
        training=name_of(pairs, training, classes=False),
        task="zero_shot" if classes else "retrieval",
        minutes=2.0 if classes else 5.0,
    )
